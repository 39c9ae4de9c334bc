"""What can go wrong with an expression: it does not compile, it fails when run, or it costs too much."""

import msgspec

SNIPPET_LIMIT = 16384


class Issue(msgspec.Struct, frozen=True):
    """A fault of the source text. `offset` counts characters; negative when there is no place to show."""

    offset: int
    message: str

    def shown(self, source: str) -> str:
        """As cel-go prints it: place, message, the line and a caret below it."""
        if self.offset < 0:
            return f"ERROR: <input>:-1:0: {self.message}"
        if not source:
            return f"ERROR: <input>:1:0: {self.message}"
        line, column = place(source, self.offset)
        text = source.split("\n")[line - 1]
        shown = f"ERROR: <input>:{line}:{column + 1}: {self.message}"
        if len(text.encode()) > SNIPPET_LIMIT:
            return shown
        return f"{shown}\n | {text.replace(chr(9), ' ')}\n | {_caret(text, column)}"


def place(source: str, offset: int) -> tuple[int, int]:
    """(line from 1, column from 0)."""
    start = source.rfind("\n", 0, offset) + 1
    return source.count("\n", 0, offset) + 1, offset - start


def _caret(text: str, column: int) -> str:
    """Dots up to the column; wide ones below what is not ASCII."""
    dots = "".join("." if char.isascii() else "\uff0e" for char in text[:column])
    return dots + ("^" if text[column : column + 1].isascii() else "\uff3e")


class CompileError(Exception):
    """The expression is not valid; `issues` in the order of the source."""

    def __init__(self, source: str, issues: list[Issue]) -> None:
        self.source = source
        self.issues = sorted(issues, key=lambda issue: issue.offset)
        super().__init__("\n".join(issue.shown(source) for issue in self.issues))


class InstantiationError(Exception):
    """The expression compiles, but no program can be made of it: a constant in it cannot be converted."""


class EvaluationError(Exception):
    """The expression failed on this input; logical operators may absorb it."""


class CostExceeded(Exception):
    """The evaluation went over its budget. Nothing absorbs it."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


NO_SUCH_OVERLOAD = "no such overload"


def no_overload() -> EvaluationError:
    return EvaluationError(NO_SUCH_OVERLOAD)

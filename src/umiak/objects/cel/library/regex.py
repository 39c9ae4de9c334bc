"""Regular expressions, in RE2's syntax."""

from collections.abc import Iterator
from contextlib import contextmanager

from umiak.objects.cel.declarations import library
from umiak.objects.cel.errors import EvaluationError
from umiak.objects.cel.library.standard import pattern_cost
from umiak.objects.cel.values import Function
from umiak.objects.go_regexp import InvalidPattern
from umiak.objects.linear_regexp import Matcher, TooMuchWork, matcher

OVERLOADS = """
string_find_string: string find(string) -> string
string_find_all_string: string findAll(string) -> list(string)
string_find_all_string_int: string findAll(string, int) -> list(string)
"""


def compiled(pattern: str, prefix: str = "") -> Matcher:
    """Raises EvaluationError; the fault as Go words it, whose prefix may be told apart."""
    try:
        return matcher(pattern)
    except InvalidPattern as error:
        raise EvaluationError(prefix + str(error).removeprefix(prefix)) from None


@contextmanager
def bounded() -> Iterator[None]:
    """Raises EvaluationError for what would take too long."""
    try:
        yield
    except TooMuchWork as error:
        raise EvaluationError(str(error)) from None


def _find(text: str, pattern: str) -> str:
    with bounded():
        found = compiled(pattern, "Illegal regex: ").find(text)
    return text[found[0] : found[1]] if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    with bounded():
        return compiled(pattern, "Illegal regex: ").find_all(text, limit)


_FUNCTIONS: dict[str, Function] = {"find": _find, "findAll": _find_all}
LIBRARY = library(OVERLOADS, _FUNCTIONS, dict.fromkeys(_FUNCTIONS, pattern_cost))

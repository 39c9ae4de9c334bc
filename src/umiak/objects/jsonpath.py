"""JSONPath as kubectl and custom resource definitions have it (client-go's `util/jsonpath`): `.spec.ports[0].name`,
`.status.conditions[?(@.type=="Ready")].status`, `['a.b']`, `[*]`, `..`, slices and unions.

Refuses: templates. A path here is what stands between one pair of braces.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from umiak.objects.go_text import plain, whole

Step = Callable[[list[Any]], list[Any]]
_NAME = re.compile(r"(?:\\.|[^.\[\]\s'\"\\,()|&*])+")
_SLICE = re.compile(r"(-?\d+)?(?::(-?\d+)?)?(?::(-?\d+)?)?")
_COMPARISON = re.compile(r"(==|!=|<=|>=|<|>)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_QUOTED = re.compile(r"""'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)\"""")


class InvalidPath(ValueError):
    """The text is no path."""


class NotFound(LookupError):
    """A path can not be followed in this object, e.g. an index where there is no list."""


class Path:
    """A path, ready to be followed. Raises InvalidPath."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps = list(_parse(text.strip()))

    def find(self, value: Any) -> list[Any]:
        """Everything the path leads to; nothing where keys are missing. Raises NotFound."""
        found = [value]
        for step in self._steps:
            found = step(found)
        return found


def shown(value: Any) -> str:
    """A value found, as text: objects and lists as JSON."""
    if value is None:
        return "<no value>"
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return value if isinstance(value, str) else plain(value)


def _parse(text: str) -> Iterable[Step]:
    at = 1 if text[:1] in ("$", "@") else 0
    while at < len(text):
        if text.startswith("..", at):
            at += 2
            yield _everything
            if at < len(text) and text[at] not in ".[":
                at, name = _name(text, at)
                yield _field(name)
        elif text[at] == ".":
            at += 1
            if at == len(text):
                return
            if text[at] == "*":
                at += 1
                yield _members
            elif text[at] != "[":
                at, name = _name(text, at)
                yield _field(name)
        elif text[at] == "[":
            end = _closing(text, at)
            yield _bracket(text[at + 1 : end].strip())
            at = end + 1
        elif at == 0:
            at, name = _name(text, at)
            yield _field(name)
        else:
            raise InvalidPath(f"unexpected {text[at]!r} in {text!r}")


def _name(text: str, at: int) -> tuple[int, str]:
    match = _NAME.match(text, at)
    if not match:
        raise InvalidPath(f"no name at {text[at:]!r}")
    return match.end(), re.sub(r"\\(.)", r"\1", match[0])


def _closing(text: str, at: int) -> int:
    """Where the bracket that opens at `at` is closed, quotes and inner brackets skipped."""
    depth = 0
    while at < len(text):
        if match := _QUOTED.match(text, at):
            at = match.end()
            continue
        depth += {"[": 1, "]": -1}.get(text[at], 0)
        if depth == 0:
            return at
        at += 1
    raise InvalidPath("unterminated array")


def _unquoted(text: str) -> str | None:
    match = _QUOTED.fullmatch(text)
    return None if match is None else re.sub(r"\\(.)", r"\1", match[1] if match[1] is not None else match[2])


def _bracket(inside: str) -> Step:
    if inside == "*":
        return _elements
    if inside.startswith("?(") and inside.endswith(")"):
        return _filter(inside[2:-1].strip())
    parts = [_part(part.strip()) for part in _split(inside)]
    if len(parts) == 1:
        return parts[0]
    return lambda found: [value for part in parts for value in part(found)]


def _split(inside: str) -> list[str]:
    """At commas outside quotes."""
    parts, start, at = [], 0, 0
    while at < len(inside):
        if match := _QUOTED.match(inside, at):
            at = match.end()
            continue
        if inside[at] == ",":
            parts.append(inside[start:at])
            start = at + 1
        at += 1
    return [*parts, inside[start:]]


def _part(text: str) -> Step:
    name = _unquoted(text)
    if name is not None:
        return _field(name)
    match = _SLICE.fullmatch(text)
    if not match or not text:
        raise InvalidPath(f"invalid array index {text}")
    if ":" not in text:
        return _index(whole(match[1]))
    return _slice(*(whole(n) if n else None for n in match.groups()))


def _field(name: str) -> Step:
    return lambda found: [value[name] for value in found if isinstance(value, dict) and name in value]


def _index(number: int) -> Step:
    def step(found: list[Any]) -> list[Any]:
        reached = []
        for value in found:
            if value is None:
                continue
            if not isinstance(value, list):
                raise NotFound(f"{plain(value)} is not array or slice")
            if not -len(value) <= number < len(value):
                raise NotFound(f"array index out of bounds: index {number}, length {len(value)}")
            reached.append(value[number])
        return reached

    return step


def _slice(first: int | None, last: int | None, stride: int | None) -> Step:
    def step(found: list[Any]) -> list[Any]:
        reached: list[Any] = []
        for value in found:
            if value is None:
                continue
            if not isinstance(value, list):
                raise NotFound(f"{plain(value)} is not array or slice")
            begin, end = _bounds(first or 0, len(value) if last is None else last, len(value))
            if begin != end and stride is not None and stride <= 0:
                raise NotFound("step must be > 0")
            reached += value[begin : end : stride or 1]
        return reached

    return step


def _bounds(begin: int, end: int, length: int) -> tuple[int, int]:
    """Both counted from the start. Unlike Python's, they must lie in the list, but for none of it. Raises NotFound."""
    begin, end = (at + length if at < 0 else at for at in (begin, end))
    if begin == end:
        return 0, 0
    if not 0 <= begin < length:
        raise NotFound(f"array index out of bounds: index {begin}, length {length}")
    if not 0 <= end <= length:
        raise NotFound(f"array index out of bounds: index {end - 1}, length {length}")
    if begin > end:
        raise NotFound(f"starting index {begin} is greater than ending index {end}")
    return begin, end


def _elements(found: list[Any]) -> list[Any]:
    return [item for value in found if isinstance(value, list | dict) for item in _inside(value)]


_members = _elements


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _everything(found: list[Any]) -> list[Any]:
    """The values and all they contain."""
    reached: list[Any] = []
    for value in found:
        if isinstance(value, dict | list):
            reached.append(value)
            reached += _everything(list(_inside(value)))
    return reached


def _filter(text: str) -> Step:
    """`@.type=="Ready"`, or `@.type` for those that have it."""
    pieces = _operands(text)
    left = _operand(pieces[0])
    if len(pieces) == 1:
        return lambda found: [item for item in _elements(found) if left(item)]
    compare, right = _COMPARE[pieces[1]], _operand(pieces[2])

    def fits(item: Any) -> bool:
        ours, theirs = left(item), right(item)
        if not ours or not theirs:
            return False
        return _comparable(ours[0], theirs[0]) and compare(ours[0], theirs[0])

    return lambda found: [item for item in _elements(found) if fits(item)]


def _operands(text: str) -> list[str]:
    at = 0
    while at < len(text):
        if match := _QUOTED.match(text, at):
            at = match.end()
        elif match := _COMPARISON.match(text, at):
            return [text[:at].strip(), match[0], text[match.end() :].strip()]
        else:
            at += 1
    return [text]


def _operand(text: str) -> Callable[[Any], list[Any]]:
    literal: Any = _unquoted(text)
    if literal is None and _NUMBER.fullmatch(text):
        literal = float(text) if "." in text else whole(text)
    elif literal is None and text in ("true", "false"):
        literal = text == "true"
    if literal is not None:
        return lambda item: [literal]
    if not text.startswith(("@", "$", ".", "[")):
        raise InvalidPath(f"unrecognized {text!r} in a filter")
    return Path(text).find


def _comparable(one: Any, other: Any) -> bool:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (one, other))
    return numbers or type(one) is type(other)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}

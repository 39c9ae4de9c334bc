"""Matching in linear time, as RE2 promises, for patterns on which Python's engine may take for ever.

Takes what `go_regexp` translates. Sets of places in the pattern are followed through the text; each set is worked out
once per character and remembered. Python's own parser reads the pattern, so only what it yields is handled here;
anything else is left to Python's engine.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from umiak.objects import go_regexp

LONG_TEXT = 200
"""Characters from which on a loop within the pattern is followed here: Python tries it anew from every place."""

MOST_STEPS, MOST_STATES = 5_000, 4_000
BEGIN, END, LINE_BEGIN, LINE_END, BOUNDARY, NO_BOUNDARY = range(6)
ASSERTIONS = {
    "AT_BEGINNING": BEGIN,
    "AT_BEGINNING_STRING": BEGIN,
    "AT_END_STRING": END,
    "AT_BOUNDARY": BOUNDARY,
    "AT_NON_BOUNDARY": NO_BOUNDARY,
}
Test = Callable[[str], bool]
Step = tuple[str, Any, Any]
"""("char", test, next), ("split", first, second), ("assert", kind, next) or ("match", None, None)."""


class Unsupported(ValueError):
    """The pattern has something that is not followed here."""


class Matcher:
    """A pattern that can be searched for."""

    def __init__(self, pattern: str) -> None:
        self.pattern = go_regexp.compile(pattern)
        self._steps: list[Step] | None = None
        self._loops, self._risky = 0, False
        tree = _parse(self.pattern)
        if tree is not None:
            self._loops, self._risky = _loops(tree)
            if self._loops or self._risky:
                self._steps = _program(tree, self.pattern.flags)
        self._states: dict[Any, Any] = {}

    def _is_linear(self, text: str) -> bool:
        """Whether Python's engine is safe for this text."""
        return self._steps is None or not (self._risky or len(text) > LONG_TEXT)

    def matches(self, text: str) -> bool:
        if self._is_linear(text):
            return self.pattern.search(text) is not None
        return self._run(text)

    def find(self, text: str, at: int = 0) -> tuple[int, int] | None:
        """(start, end) of the first match from a place on."""
        if self._is_linear(text):
            found = self.pattern.search(text, at)
            return found.span() if found else None
        return _first(self._steps or [], text, at)

    def find_all(self, text: str, limit: int = -1) -> list[str]:
        """Matches that do not overlap; none that are empty right after another."""
        found: list[str] = []
        at, last = 0, -1
        while at <= len(text) and (limit < 0 or len(found) < limit):
            span = self.find(text, at)
            if span is None:
                break
            start, end = span
            if end > start or start != last:
                found.append(text[start:end])
                last = end
            at = end if end > start else end + 1
        return found

    def _run(self, text: str) -> bool:
        """Follows all matches at once."""
        steps, states = self._steps or [], self._states
        places: frozenset[int] = frozenset({0})
        before = ""
        for char in text:
            kind = _kind(before)
            known = states.get((places, kind, char))
            if known is None:
                if len(states) >= MOST_STATES:
                    states.clear()
                known = states[places, kind, char] = _advance(steps, places, before, char)
            places, matched = known
            if matched:
                return True
            before = char
        return any(steps[at][0] == "match" for at in _closure(steps, sorted(places), before, ""))


def _kind(char: str) -> int:
    """What of the character before matters: none, a line's end, part of a word, or else."""
    return 0 if not char else 1 if char == "\n" else 2 if _is_word(char) else 3


def _is_word(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


def _advance(steps: list[Step], places: frozenset[int], before: str, char: str) -> tuple[frozenset[int], bool]:
    """(places after the character, whether a match ended before it); a match may also begin anew."""
    reached = _closure(steps, sorted(places), before, char)
    if any(steps[at][0] == "match" for at in reached):
        return places, True
    after = {step[2] for at in reached if (step := steps[at])[0] == "char" and step[1](char)}
    return frozenset(after | {0}), False


def _closure(steps: list[Step], places: list[int], before: str, after: str) -> list[int]:
    """The places reached without reading, the preferred ones first."""
    found: dict[int, None] = {}
    for place in places:
        waiting = [place]
        while waiting:
            at = waiting.pop()
            if at in found:
                continue
            found[at] = None
            kind, first, second = steps[at]
            if kind == "split":
                waiting += [second, first]
            elif kind == "assert" and _holds(first, before, after):
                waiting.append(second)
    return list(found)


def _holds(assertion: int, before: str, after: str) -> bool:
    match assertion:
        case 0:
            return not before
        case 1:
            return not after
        case 2:
            return before in ("", "\n")
        case 3:
            return after in ("", "\n")
    at_boundary = bool(before and _is_word(before)) != bool(after and _is_word(after))
    return at_boundary if assertion == BOUNDARY else not at_boundary


def _first(steps: list[Step], text: str, start: int) -> tuple[int, int] | None:
    """The leftmost match, and of those the one that Perl would prefer."""
    threads: list[tuple[int, int]] = []
    best: tuple[int, int] | None = None
    for at in range(start, len(text) + 1):
        if best is None:
            threads.append((0, at))
        if not threads:
            break
        before, char = text[at - 1 : at] if at else "", text[at : at + 1]
        following: dict[int, int] = {}
        seen: set[int] = set()
        for place, begun in threads:
            reached = [p for p in _closure(steps, [place], before, char) if p not in seen]
            seen.update(reached)
            matched = False
            for p in reached:
                kind, test, then = steps[p]
                if kind == "match":
                    best, matched = (begun, at), True
                    break
                if kind == "char" and char and test(char):
                    following.setdefault(then, begun)
            if matched:
                break
        threads = list(following.items())
    return best


def _parse(pattern: re.Pattern[str]) -> Any:
    """Python's tree of the pattern."""
    from re import _parser  # type: ignore[attr-defined]

    return _parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE | re.UNICODE)


def _loops(tree: Any, inside: bool = False) -> tuple[int, bool]:
    """(loops without end, whether they are within or next to each other)."""
    count, risky = 0, False
    for name, value in ((str(op), value) for op, value in tree):
        parts = _inner(name, value)
        repeated = name in ("MAX_REPEAT", "MIN_REPEAT") and str(value[1]) == "MAXREPEAT"
        many = name in ("MAX_REPEAT", "MIN_REPEAT") and value[1] > 1
        if repeated:
            count += 1
        risky = risky or (inside and (many or name == "BRANCH"))
        for part in parts:
            more, worse = _loops(part, inside or many)
            count, risky = count + more, risky or worse
    return count, risky or count > 2


def _inner(name: str, value: Any) -> list[Any]:
    match name:
        case "MAX_REPEAT" | "MIN_REPEAT":
            return [value[2]]
        case "SUBPATTERN":
            return [value[3]]
        case "BRANCH":
            return list(value[1])
    return []


def _program(tree: Any, flags: int) -> list[Step] | None:
    """The steps of the pattern, the first one at 0; None when they are too many or of an unknown kind."""
    builder = _Builder()
    try:
        start = builder.sequence(tree, builder.add(("match", None, None)), flags)
    except (Unsupported, RecursionError):
        return None
    steps = builder.steps
    steps[0], steps[start] = steps[start], steps[0]
    return [_moved(step, start) for step in steps]


def _moved(step: Step, start: int) -> Step:
    """The step after the places 0 and `start` changed their contents."""

    def place(at: Any) -> Any:
        return start if at == 0 else 0 if at == start else at

    kind, first, second = step
    return (kind, place(first) if kind == "split" else first, None if second is None else place(second))


class _Builder:
    """Builds from the end to the beginning, so that each step knows what comes next."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(self, step: Step) -> int:
        if len(self.steps) >= MOST_STEPS:
            raise Unsupported
        self.steps.append(step)
        return len(self.steps) - 1

    def sequence(self, tree: Any, then: int, flags: int) -> int:
        for op, value in reversed(list(tree)):
            then = self.node(str(op), value, then, flags)
        return then

    def node(self, name: str, value: Any, then: int, flags: int) -> int:
        match name:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                return self.add(("char", _test(name, value, flags), then))
            case "SUBPATTERN":
                return self.sequence(value[3], then, (flags | value[1]) & ~value[2])
            case "BRANCH":
                starts = [self.sequence(part, then, flags) for part in value[1]]
                at = starts.pop()
                while starts:
                    at = self.add(("split", starts.pop(), at))
                return at
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self.repeat(name == "MAX_REPEAT", value, then, flags)
            case "AT":
                return self.add(("assert", _assertion(str(value), flags), then))
        raise Unsupported

    def repeat(self, greedy: bool, value: Any, then: int, flags: int) -> int:
        least, most, body = value
        if str(most) == "MAXREPEAT":
            loop = self.add(("split", then, then))
            start = self.sequence(body, loop, flags)
            self.steps[loop] = ("split", start, then) if greedy else ("split", then, start)
            then = loop
        else:
            end = then
            for _ in range(most - least):
                start = self.sequence(body, then, flags)
                then = self.add(("split", start, end) if greedy else ("split", end, start))
        for _ in range(least):
            then = self.sequence(body, then, flags)
        return then


def _assertion(name: str, flags: int) -> int:
    if flags & re.MULTILINE and name == "AT_BEGINNING":
        return LINE_BEGIN
    if flags & re.MULTILINE and name == "AT_END":
        return LINE_END
    if name not in ASSERTIONS:
        raise Unsupported
    return ASSERTIONS[name]


def _test(name: str, value: Any, flags: int) -> Test:
    """Whether a character fits."""
    if name == "ANY":
        return (lambda char: True) if flags & re.DOTALL else (lambda char: char != "\n")
    plain = _member([("LITERAL", value)]) if name != "IN" else _member([(str(op), inner) for op, inner in value])
    if flags & re.IGNORECASE:
        exact = plain
        plain = lambda char: exact(char) or exact(char.lower()) or exact(char.upper())  # noqa: E731
    negated = name == "NOT_LITERAL" or (name == "IN" and str(value[0][0]) == "NEGATE")
    return (lambda char: not plain(char)) if negated else plain


def _member(items: list[tuple[str, Any]]) -> Test:
    codes = {value for name, value in items if name == "LITERAL"}
    ranges = [value for name, value in items if name == "RANGE"]
    if any(name not in ("LITERAL", "RANGE", "NEGATE") for name, _ in items):
        raise Unsupported

    def test(char: str) -> bool:
        if len(char) != 1:
            return False
        code = ord(char)
        return code in codes or any(low <= code <= high for low, high in ranges)

    return test


@lru_cache(256)
def matcher(pattern: str) -> Matcher:
    """Raises go_regexp.InvalidPattern."""
    return Matcher(pattern)

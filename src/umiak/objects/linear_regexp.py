"""Matching in bounded time, as RE2 promises, for patterns on which Python's engine may take for ever.

Takes what `go_regexp` translates. Sets of places in the pattern are followed through the text; each set is worked out
once per character and remembered. Python's own parser reads the pattern, so only what it yields is handled here. What
Python's engine surely does quickly is left to it: it counts how many ways through the pattern it might have to try.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from math import inf
from typing import Any

from umiak.objects import go_regexp
from umiak.objects.go_regexp import InvalidPattern

FEW_WAYS = 64
"""Ways to try from each place in the text up to which Python's engine, in C, is as quick as what is here."""
MOST_TRIES = 200_000
"""Ways to try in the whole text up to which it is let do: a few milliseconds."""
MOST_WORK = 400_000
"""Places in the pattern that are visited for one call at most: about a second. RE2 has no such bound; it is a hundred
times as fast."""
MOST_STEPS, MOST_PLACES = 20_000, 20_000
"""Of one pattern; of all sets of places that are remembered of it."""
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


class TooLarge(ValueError):
    """The pattern has too many steps."""


class TooMuchWork(ValueError):
    """The pattern takes too long on this text."""

    def __init__(self) -> None:
        super().__init__("the pattern takes too long on this text")


class Matcher:
    """A pattern that can be searched for. All methods raise TooMuchWork."""

    def __init__(self, pattern: str) -> None:
        """Raises InvalidPattern."""
        self.pattern = go_regexp.compile(pattern)
        tree = _parse(self.pattern)
        try:
            self._plain = _longest_plain(tree)
            self._steps = None if self._plain == inf else _program(tree, self.pattern.flags)
        except RecursionError:
            raise InvalidPattern("expression nests too deeply", pattern) from None
        self._states: dict[Any, tuple[frozenset[int], bool]] = {}
        self._places = 0

    def matches(self, text: str) -> bool:
        if len(text) <= self._plain:
            return self.pattern.search(text) is not None
        return self._run(text)

    def find(self, text: str, at: int = 0) -> tuple[int, int] | None:
        """(start, end) of the first match from a place on."""
        return self._find(text, at, _Work())

    def _find(self, text: str, at: int, work: "_Work") -> tuple[int, int] | None:
        if len(text) <= self._plain:
            found = self.pattern.search(text, at)
            return found.span() if found else None
        if self._steps is None:
            raise TooMuchWork
        if at == 0 and not self._run(text):
            return None
        return _first(self._steps, text, at, work)

    def find_all(self, text: str, limit: int = -1) -> list[str]:
        """Matches that do not overlap; none that are empty right after another."""
        found: list[str] = []
        at, last, work = 0, -1, _Work()
        while at <= len(text) and (limit < 0 or len(found) < limit):
            span = self._find(text, at, work)
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
        steps, states, work = self._steps, self._states, _Work()
        if steps is None:
            raise TooMuchWork
        places: frozenset[int] = frozenset({0})
        before = ""
        for char in text:
            kind = _kind(before)
            known = states.get((places, kind, char))
            if known is None:
                known = _advance(steps, places, before, char, work)
                self._remember((places, kind, char), known)
            places, matched = known
            if matched:
                return True
            before = char
        return any(steps[at][0] == "match" for at in _closure(steps, sorted(places), before, "", work))

    def _remember(self, key: Any, known: tuple[frozenset[int], bool]) -> None:
        self._places += len(known[0]) + 1
        if self._places > MOST_PLACES:
            self._states.clear()
            self._places = 0
        self._states[key] = known


class _Work:
    """Counts what a call has done."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = 0

    def add(self, places: int) -> None:
        self.done += places
        if self.done > MOST_WORK:
            raise TooMuchWork


def _kind(char: str) -> int:
    """What of the character before matters: none, a line's end, part of a word, or else."""
    return 0 if not char else 1 if char == "\n" else 2 if _is_word(char) else 3


def _is_word(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


def _advance(
    steps: list[Step], places: frozenset[int], before: str, char: str, work: _Work
) -> tuple[frozenset[int], bool]:
    """(places after the character, whether a match ended before it); a match may also begin anew."""
    reached = _closure(steps, sorted(places), before, char, work)
    if any(steps[at][0] == "match" for at in reached):
        return places, True
    after = {step[2] for at in reached if (step := steps[at])[0] == "char" and step[1](char)}
    return frozenset(after | {0}), False


def _closure(steps: list[Step], places: list[int], before: str, after: str, work: _Work) -> list[int]:
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
    work.add(len(found) + 2)
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


def _first(steps: list[Step], text: str, start: int, work: _Work) -> tuple[int, int] | None:
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
            reached = [p for p in _closure(steps, [place], before, char, work) if p not in seen]
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


def _longest_plain(tree: Any) -> float:
    """Characters of the longest text on which Python's engine is surely quick; infinite when it always is.

    Never for loops within loops or alternatives within loops, hardly ever for several loops; always for plain words.
    """
    longest: float = 0
    for length in (1 << power for power in range(23)):
        shortest = tree.getwidth()[0]
        tries = max(_ways(tree, length), shortest if shortest <= length else 0)
        if tries > FEW_WAYS and tries * length > MOST_TRIES:
            return longest
        longest = length
    return inf


def _ways(tree: Any, length: int) -> int:
    """How many ways there are through the pattern with so many characters; not counted beyond MOST_TRIES."""
    ways = 1
    for op, value in tree:
        match str(op):
            case "SUBPATTERN":
                ways *= _ways(value[3], length)
            case "BRANCH":
                ways *= sum(_ways(part, length) for part in value[1])
            case "MAX_REPEAT" | "MIN_REPEAT":
                ways *= _ways_of_repeat(value, length)
        if ways > MOST_TRIES:
            break
    return ways


def _ways_of_repeat(repeat: Any, length: int) -> int:
    least, most, body = repeat
    times = min(length, int(most)) if str(most) != "MAXREPEAT" else length
    once = _ways(body, length)
    counts = max(0, times - least) + 1
    return counts if once == 1 else min(once, 2 + MOST_TRIES) ** min(times, 20) * counts


def _program(tree: Any, flags: int) -> list[Step] | None:
    """The steps of the pattern, the first one at 0; None when they are too many."""
    builder = _Builder()
    try:
        start = builder.sequence(tree, builder.add(("match", None, None)), flags)
    except TooLarge:
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
            raise TooLarge
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
        raise TypeError(f"unknown step {name}")

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
    spans = _apart(sorted([(v, v) if name == "LITERAL" else v for name, v in items if name != "NEGATE"]))
    starts = [low for low, _ in spans]

    def test(char: str) -> bool:
        if len(char) != 1:
            return False
        code = ord(char)
        at = bisect_right(starts, code) - 1
        return at >= 0 and code <= spans[at][1]

    return test


def _apart(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without overlaps; `spans` is sorted."""
    found: list[tuple[int, int]] = []
    for low, high in spans:
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return found


@lru_cache(256)
def matcher(pattern: str) -> Matcher:
    """Raises go_regexp.InvalidPattern."""
    return Matcher(pattern)

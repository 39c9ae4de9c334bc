"""Semantic versions; faults in the words of the reference's parser."""

from functools import total_ordering
from typing import Any

from umiak.objects.cel.declarations import library
from umiak.objects.cel.errors import EvaluationError
from umiak.objects.cel.library.standard import text_cost
from umiak.objects.cel.values import Function, Opaque
from umiak.objects.go_text import quoted, whole

OVERLOADS = """
string_to_semver: semver(string) -> kubernetes.Semver
string_bool_to_semver: semver(string, bool) -> kubernetes.Semver
is_semver_string: isSemver(string) -> bool
is_semver_string_bool: isSemver(string, bool) -> bool
semver_is_greater_than: kubernetes.Semver isGreaterThan(kubernetes.Semver) -> bool
semver_is_less_than: kubernetes.Semver isLessThan(kubernetes.Semver) -> bool
semver_compare_to: kubernetes.Semver compareTo(kubernetes.Semver) -> int
semver_major: kubernetes.Semver major() -> int
semver_minor: kubernetes.Semver minor() -> int
semver_patch: kubernetes.Semver patch() -> int
"""
DIGITS = frozenset("0123456789")
ALPHANUMERIC = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-")


@total_ordering
class Semver(Opaque):
    __slots__ = ("numbers", "pre", "text")
    type_name = "kubernetes.Semver"

    def __init__(self, text: str, numbers: tuple[int, ...], pre: list[str]) -> None:
        self.text = text
        self.numbers = numbers
        self.pre = pre

    def _order(self) -> tuple[Any, ...]:
        """A version comes after its own preliminaries; numbers come before words."""
        parts = [(0, whole(part), "") if set(part) <= DIGITS else (1, 0, part) for part in self.pre]
        return (self.numbers, not self.pre, parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semver) and self._order() == other._order()

    def __lt__(self, other: "Semver") -> bool:
        return bool(self._order() < other._order())

    def __hash__(self) -> int:
        return hash(self.numbers)

    def __str__(self) -> str:
        return self.text


class _Invalid(ValueError):
    pass


def _number(text: str, name: str) -> int:
    if not text or not set(text) <= DIGITS:
        raise _Invalid(f"Invalid character(s) found in {name} number {quoted(text)}")
    if len(text) > 1 and text[0] == "0":
        raise _Invalid(f"{name.capitalize()} number must not contain leading zeroes {quoted(text)}")
    if whole(text) >= 2**64:
        raise _Invalid(f"strconv.ParseUint: parsing {quoted(text)}: value out of range")
    return int(text)


def _read(text: str) -> Semver:
    if not text:
        raise _Invalid("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise _Invalid("No Major.Minor.Patch elements found")
    rest, plus, build = parts[2].partition("+")
    patch, dash, pre = rest.partition("-")
    numbers = tuple(
        _number(part, name) for part, name in zip((*parts[:2], patch), ("major", "minor", "patch"), strict=True)
    )
    found = pre.split(".") if dash else []
    for part in found:
        _check_part(part, "Prerelease is empty", "prerelease", leading=True)
    for part in build.split(".") if plus else []:
        _check_part(part, "Build meta data is empty", "build meta data", leading=False)
    return Semver(text, numbers, found)


def _check_part(part: str, empty: str, name: str, leading: bool) -> None:
    if not part:
        raise _Invalid(empty)
    if set(part) <= DIGITS and leading:
        if len(part) > 1 and part[0] == "0":
            raise _Invalid(f"Numeric PreRelease version must not contain leading zeroes {quoted(part)}")
    elif not set(part) <= ALPHANUMERIC:
        raise _Invalid(f"Invalid character(s) found in {name} {quoted(part)}")


def _tolerantly(text: str) -> Semver:
    """Without a leading v, zeroes in front of numbers, and with missing numbers taken as 0."""
    parts = text.removeprefix("v").split(".", 2)
    for at, part in enumerate(parts):
        if len(part) > 1:
            part = part.lstrip("0")
            parts[at] = part if part[:1] in DIGITS and part else "0" + part
    if len(parts) < 3 and set(parts[-1]) & set("+-"):
        raise _Invalid("short version cannot contain PreRelease/Build meta data")
    return _read(".".join(parts + ["0"] * (3 - len(parts))))


def parse(text: str, normalize: bool = False) -> Semver:
    """Raises EvaluationError. `normalize`: with what is missing or too much set right."""
    try:
        return _tolerantly(text) if normalize else _read(text)
    except _Invalid as error:
        raise EvaluationError(str(error)) from None


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        parse(text, normalize)
    except EvaluationError:
        return False
    return True


_FUNCTIONS: dict[str, Function] = {
    "semver": parse,
    "isSemver": _is_semver,
    "semver_is_greater_than": lambda a, b: a > b,
    "semver_is_less_than": lambda a, b: a < b,
    "semver_compare_to": lambda a, b: (a > b) - (a < b),
    "major": lambda version: version.numbers[0],
    "minor": lambda version: version.numbers[1],
    "patch": lambda version: version.numbers[2],
}
_COSTS: dict[str, Any] = dict.fromkeys(["semver", "isSemver"], text_cost())
LIBRARY = library(OVERLOADS, _FUNCTIONS, _COSTS)

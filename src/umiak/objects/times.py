"""RFC 3339 times as Go's `time.Parse` reads them, faults in Go's words."""

import re
from datetime import UTC, datetime, timedelta

SECONDS = "2006-01-02T15:04:05Z07:00"
MICROS = "2006-01-02T15:04:05.000000Z07:00"

_PLAIN = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ", re.ASCII)
_PLAIN_MICROS = re.compile(_PLAIN.pattern[:-1] + r"\.\d{6}Z", re.ASCII)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class InvalidTime(ValueError):
    """The text is no time; says why in Go's words."""


class _Reader:
    """Walks over the text along the layout; every fault names what was left of both."""

    def __init__(self, text: str, layout: str) -> None:
        self.text, self.layout, self.rest = text, layout, text

    def fault(self, value: str, element: str) -> InvalidTime:
        wanted = f"{_quoted(self.text)} as {_quoted(self.layout)}"
        return InvalidTime(f"parsing time {wanted}: cannot parse {_quoted(value)} as {_quoted(element)}")

    def out_of_range(self, what: str) -> InvalidTime:
        return InvalidTime(f"parsing time {_quoted(self.text)}: {what} out of range")

    def number(self, element: str, digits: int, low: int, high: int, what: str) -> int:
        found = self.rest[:digits]
        if len(found) < digits or not (found.isascii() and found.isdigit()):
            raise self.fault(self.rest, element)
        if not low <= int(found) <= high:
            raise self.out_of_range(what)
        self.rest = self.rest[digits:]
        return int(found)

    def literal(self, prefix: str) -> None:
        if not self.rest.startswith(prefix):
            raise self.fault(self.rest, prefix)
        self.rest = self.rest[len(prefix) :]

    def fraction(self, required: bool) -> int:
        """Nanoseconds; the reference takes a fraction after the seconds even where the layout has none."""
        match = re.match(r"[.,](\d{6})" if required else r"[.,](\d+)", self.rest, re.ASCII)
        if not match:
            if required:
                raise self.fault(self.rest, ".000000")
            return 0
        self.rest = self.rest[match.end() :]
        return int(match[1][:9].ljust(9, "0"))

    def zone(self) -> timedelta:
        if self.rest.startswith("Z"):
            self.rest = self.rest[1:]
            return timedelta(0)
        match = re.match(r"([+-])(\d\d):(\d\d)", self.rest, re.ASCII)
        if not match:
            raise self.fault(self.rest, "Z07:00")
        if int(match[2]) > 24:
            raise self.out_of_range("time zone offset hour")
        if int(match[3]) > 60:
            raise self.out_of_range("time zone offset minute")
        self.rest = self.rest[6:]
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return -offset if match[1] == "-" else offset


def _quoted(text: str) -> str:
    """As Go's time package quotes: backslashes, quotes and control characters escaped, other bytes as \\x."""
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif " " <= char <= "\x7f":
            out.append(char)
        else:
            out += [f"\\x{byte:02x}" for byte in char.encode()]
    return '"' + "".join(out) + '"'


def _parse(text: str, layout: str) -> datetime:
    at = _Reader(text, layout)
    year = at.number("2006", 4, 0, 9999, "year")
    at.literal("-")
    month = at.number("01", 2, 1, 12, "month")
    at.literal("-")
    day = at.number("02", 2, 0, 99, "day")
    at.literal("T")
    hour = at.number("15", 2 if at.rest[1:2].isdigit() else 1, 0, 23, "hour")
    at.literal(":")
    minute = at.number("04", 2, 0, 59, "minute")
    at.literal(":")
    second = at.number("05", 2, 0, 59, "second")
    nanos = at.fraction(layout == MICROS)
    offset = at.zone()
    if at.rest:
        raise InvalidTime(f"parsing time {_quoted(text)}: extra text: {_quoted(at.rest)}")
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _DAYS[month - 1] or (month, day, leap) == (2, 29, False):
        raise at.out_of_range("day")
    try:
        return datetime(year, month, day, hour, minute, second, nanos // 1000, UTC) - offset
    except (ValueError, OverflowError):  # Python's calendar has the years 1 to 9999 only
        raise at.out_of_range("year") from None


def canonical(text: str) -> str:
    """A `metav1.Time` as it is written back: UTC, whole seconds. Raises InvalidTime."""
    if _PLAIN.fullmatch(text):
        return text
    return _parse(text, SECONDS).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def canonical_micro(text: str) -> str:
    """A `metav1.MicroTime` as it is written back: UTC, microseconds. Raises InvalidTime."""
    if _PLAIN_MICROS.fullmatch(text):
        return text
    return _parse(text, MICROS).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

"""Timestamps and durations: reading and writing them as Go does, arithmetic within Go's bounds."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from umiak.objects.cel.errors import EvaluationError
from umiak.objects.cel.values import Duration, Timestamp, type_name
from umiak.objects.go_text import whole

SECOND = 1_000_000_000
LONGEST = 2**63
EARLIEST, LATEST = -62_135_596_800, 253_402_300_799
"""Seconds of the years 1 and 9999."""

UNITS = {"ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": 10**6, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
_PART = re.compile(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)")
_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_duration(text: str) -> int | None:
    """Nanoseconds of a text such as `1h30m`; None when it is no duration."""
    sign = -1 if text[:1] == "-" else 1
    body = text[1:] if text[:1] in ("-", "+") else text
    if body == "0":
        return 0
    total, at = 0, 0
    while at < len(body):
        match = _PART.match(body, at)
        if match is None or not (match[1] or match[2]):
            return None
        unit = UNITS[match[3]]
        fraction = (match[2] or "")[:18]
        total += whole(match[1] or "0") * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        at = match.end()
    if not body or total > LONGEST or (total == LONGEST and sign > 0):
        return None
    return sign * total


def duration(nanos: int) -> Duration:
    """Raises EvaluationError beyond the bounds."""
    if not -LONGEST <= nanos < LONGEST:
        raise EvaluationError("integer overflow")
    return Duration(nanos)


def timestamp(nanos: int, offset: int = 0) -> Timestamp:
    """Raises EvaluationError beyond the years 1 to 9999."""
    if not EARLIEST <= nanos // SECOND <= LATEST:
        raise EvaluationError("timestamp overflow")
    return Timestamp(nanos, offset)


def parse_timestamp(text: str) -> Timestamp | None:
    """An RFC 3339 time; None when it is none. Raises EvaluationError when it is out of bounds."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    zone = match[8]
    offset = 0
    if zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        if hours > 24 or minutes > 60:
            return None
        offset = (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)
    seconds = _seconds(year, month, day)
    if seconds is None or hour > 23 or minute > 59 or second > 59:
        return None
    fraction = int((match[7] or "0")[:9].ljust(9, "0"))
    return timestamp((seconds + hour * 3600 + minute * 60 + second - offset) * SECOND + fraction, offset)


def _seconds(year: int, month: int, day: int) -> int | None:
    """Since the epoch at midnight; None when there is no such day. The year 0 counts as the calendar would."""
    try:
        shift = 400 if year == 0 else 0
        days = (datetime(year + shift, month, day, tzinfo=UTC) - EPOCH).days
    except ValueError:
        return None
    return (days - (146_097 if shift else 0)) * 86_400


def as_datetime(time: Timestamp, zone: tzinfo = UTC) -> datetime:
    """To the microsecond."""
    return (EPOCH + timedelta(microseconds=time.nanos // 1000)).astimezone(zone)


def show_timestamp(time: Timestamp) -> str:
    """RFC 3339 with as many digits of a second as are needed."""
    local = EPOCH + timedelta(seconds=time.nanos // SECOND + time.offset)
    fraction = f"{time.nanos % SECOND:09}".rstrip("0")
    zone = "Z"
    if time.offset:
        minutes = abs(time.offset) // 60
        zone = f"{'-' if time.offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    date = f"{local.year:04}-{local.month:02}-{local.day:02}T{local.hour:02}:{local.minute:02}:{local.second:02}"
    return date + (f".{fraction}" if fraction else "") + zone


def show_duration(span: Duration) -> str:
    """Seconds, with as many decimals as a float64 needs."""
    whole, part = divmod(abs(span.nanos), SECOND)
    seconds = float(whole) + part / 1e9
    digits = repr(seconds)
    if "e" in digits:
        digits = f"{seconds:.20f}".rstrip("0") if seconds < 1 else f"{seconds:.0f}"
    return ("-" if span.nanos < 0 else "") + digits.removesuffix(".0") + "s"


def zone(name: str) -> tzinfo:
    """A named zone, or hours and minutes such as `-08:30`; raises EvaluationError."""
    hours, colon, minutes = name.partition(":")
    if not colon:
        return _named_zone(name)
    for number in (hours, minutes):
        if not re.fullmatch(r"[+-]?\d+", number, re.ASCII):
            raise EvaluationError(f'strconv.Atoi: parsing "{number}": invalid syntax')
    if not 0 <= int(minutes) <= 59:
        raise EvaluationError(f"timezone offset minutes out of range [0, 59]: {name}")
    offset = int(hours) * 60 + int(minutes) * (-1 if name[0] == "-" else 1)
    try:
        return timezone(timedelta(minutes=offset))
    except ValueError:
        raise EvaluationError(f"timezone offset out of range: {name}") from None


def _named_zone(name: str) -> tzinfo:
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {name}") from None


def plus(a: object, b: object) -> Duration | Timestamp | None:
    """The sum, None when these two cannot be added."""
    match a, b:
        case Duration(), Duration():
            return duration(a.nanos + b.nanos)
        case Duration(), Timestamp():
            return timestamp(b.nanos + a.nanos, b.offset)
        case Timestamp(), Duration():
            return timestamp(a.nanos + b.nanos, a.offset)
    return None


def minus(a: object, b: object) -> Duration | Timestamp | None:
    match a, b:
        case Duration(), Duration():
            return duration(a.nanos - b.nanos)
        case Timestamp(), Duration():
            return timestamp(a.nanos - b.nanos, a.offset)
        case Timestamp(), Timestamp():
            return duration(a.nanos - b.nanos)
    return None


def no_conversion(value: object, to: str) -> EvaluationError:
    return EvaluationError(f"type conversion error from '{type_name(value)}' to '{to}'")

"""Cron schedules: five fields, names, @descriptors and a leading `TZ=zone`, as CronJob takes them (robfig/cron v3)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from umiak.objects.go_text import whole

YEARS_AHEAD = 5
"""How far to look for a time before saying that there is none, as for 30 February."""


class InvalidSchedule(ValueError):
    """The text is no schedule; says why in the reference's words."""


class Schedule(Protocol):
    def next(self, after: datetime) -> datetime | None:
        """The first time after `after`, in its zone; None when there is none within years."""
        ...


class Field(msgspec.Struct, frozen=True):
    """What one of the five fields may hold."""

    low: int
    high: int
    names: Mapping[str, int]


def _names(text: str, first: int) -> dict[str, int]:
    return {name: number for number, name in enumerate(text.split(), first)}


MINUTE, HOUR, DAY = Field(0, 59, {}), Field(0, 23, {}), Field(1, 31, {})
MONTH = Field(1, 12, _names("jan feb mar apr may jun jul aug sep oct nov dec", 1))
WEEKDAY = Field(0, 6, _names("sun mon tue wed thu fri sat", 0))
FIELDS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


class Every(msgspec.Struct, frozen=True):
    """`@every 90m`: a fixed distance, at least a second."""

    distance: timedelta

    def next(self, after: datetime) -> datetime | None:
        return after.replace(microsecond=0) + self.distance


class Fields(msgspec.Struct, frozen=True):
    """A schedule by the fields of a wall clock in `zone`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    """Whether one of day and weekday is a star: then both must match, else one is enough."""
    zone: tzinfo

    def next(self, after: datetime) -> datetime | None:
        moment = (after.replace(microsecond=0) + timedelta(seconds=1)).astimezone(self.zone)
        last_year = moment.year + YEARS_AHEAD
        while moment.year <= last_year:
            later = self._skip(moment)
            if later is None:
                return moment.astimezone(after.tzinfo)
            moment = later
        return None

    def _skip(self, moment: datetime) -> datetime | None:
        """The start of the next month, day, hour or minute when this one does not match; None when all does."""
        if moment.month not in self.months:
            return self._midnight((moment.replace(day=1) + timedelta(days=32)).replace(day=1))
        if not self._day_matches(moment):
            return self._midnight(moment + timedelta(days=1))
        if moment.hour not in self.hours:
            return _later(moment.replace(minute=0, second=0), timedelta(hours=1))
        if moment.minute not in self.minutes or moment.second:
            return _later(moment.replace(second=0), timedelta(minutes=1))
        return None

    def _day_matches(self, moment: datetime) -> bool:
        day, weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        return day and weekday if self.any_day else day or weekday

    def _midnight(self, moment: datetime) -> datetime:
        """Or the first moment of that day, where clocks were put forward at midnight."""
        wall = moment.replace(hour=0, minute=0, second=0, fold=0)
        return wall.astimezone(UTC).astimezone(self.zone)


def _later(moment: datetime, by: timedelta) -> datetime:
    """Time that really passes, whatever clocks are put forward or back to."""
    return (moment.astimezone(UTC) + by).astimezone(moment.tzinfo)


DESCRIPTORS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(h|ms|us|µs|ns|m|s)")


def load_zone(name: str) -> tzinfo:
    """Raises InvalidSchedule for a zone that is not known; empty is UTC."""
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSchedule(f"unknown time zone {name}") from error


def parse(text: str, zone: tzinfo = UTC) -> Schedule:
    """Reads a schedule; a `TZ=` in it goes before `zone`. Raises InvalidSchedule."""
    if not text:
        raise InvalidSchedule("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        prefix, _, text = text.partition(" ")
        name = prefix.partition("=")[2]
        try:
            zone = load_zone(name)
        except InvalidSchedule as error:
            raise InvalidSchedule(f"provided bad location {name}: {error}") from error
        text = text.strip()
    if text.startswith("@every "):
        return Every(_parse_distance(text.removeprefix("@every ")))
    if text.startswith("@") and text not in DESCRIPTORS:
        raise InvalidSchedule(f"unrecognized descriptor: {text}")
    return _parse_fields(DESCRIPTORS.get(text, text), zone)


def _parse_fields(text: str, zone: tzinfo) -> Fields:
    words = text.split()
    if len(words) != len(FIELDS):
        raise InvalidSchedule(f"expected exactly 5 fields, found {len(words)}: [{' '.join(words)}]")
    parsed = [_parse_list(word, field) for word, field in zip(words, FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = (frozenset(numbers) for numbers, _ in parsed)
    return Fields(minutes, hours, days, months, weekdays, any_day=parsed[2][1] or parsed[4][1], zone=zone)


def _parse_list(word: str, field: Field) -> tuple[set[int], bool]:
    """The numbers, and whether a star was among the parts."""
    numbers: set[int] = set()
    star = False
    for part in filter(None, word.split(",")):
        found, is_star = _parse_range(part, field)
        numbers.update(found)
        star = star or is_star
    return numbers, star


def _parse_range(part: str, field: Field) -> tuple[range, bool]:
    """`number`, `first-last`, either with `/step`, or a star."""
    bounds, *steps = part.split("/")
    ends = bounds.split("-")
    star = ends[0] in ("*", "?")
    if star:
        start, end = field.low, field.high
    else:
        if len(ends) > 2:
            raise InvalidSchedule(f"too many hyphens: {part}")
        start, end = _number(ends[0], field.names), _number(ends[-1], field.names)
    if len(steps) > 1:
        raise InvalidSchedule(f"too many slashes: {part}")
    step = _number(steps[0], {}) if steps else 1
    if steps and len(ends) == 1:
        end = field.high
    _check_range(part, field, start, end, step)
    return range(start, end + 1, step), star and step == 1


def _check_range(part: str, field: Field, start: int, end: int, step: int) -> None:
    if start < field.low:
        raise InvalidSchedule(f"beginning of range ({start}) below minimum ({field.low}): {part}")
    if end > field.high:
        raise InvalidSchedule(f"end of range ({end}) above maximum ({field.high}): {part}")
    if start > end:
        raise InvalidSchedule(f"beginning of range ({start}) beyond end of range ({end}): {part}")
    if step == 0:
        raise InvalidSchedule(f"step of range should be a positive number: {part}")


def _number(text: str, names: Mapping[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise InvalidSchedule(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    if whole(text) < 0:
        raise InvalidSchedule(f"negative number ({whole(text)}) not allowed: {text}")
    return whole(text)


def _parse_distance(text: str) -> timedelta:
    """A duration of Go, such as 1h30m, in whole seconds."""
    parts = list(_PART.finditer(text))
    if not parts or "".join(p[0] for p in parts) != text.removeprefix("+"):
        raise InvalidSchedule(f'failed to parse duration @every {text}: time: invalid duration "{text}"')
    seconds = sum(float(p[1]) * _UNITS[p[2]] for p in parts)
    return timedelta(seconds=max(1, int(seconds)))

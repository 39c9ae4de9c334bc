"""Parts of timestamps and durations."""

from typing import Any

from umiak.objects.cel import times
from umiak.objects.cel.declarations import library
from umiak.objects.cel.errors import no_overload
from umiak.objects.cel.values import Duration, Function, Timestamp

PARTS: dict[str, Function] = {
    "getFullYear": lambda at: at.year,
    "getMonth": lambda at: at.month - 1,
    "getDayOfYear": lambda at: at.timetuple().tm_yday - 1,
    "getDayOfMonth": lambda at: at.day - 1,
    "getDate": lambda at: at.day,
    "getDayOfWeek": lambda at: at.isoweekday() % 7,
    "getHours": lambda at: at.hour,
    "getMinutes": lambda at: at.minute,
    "getSeconds": lambda at: at.second,
    "getMilliseconds": lambda at: at.microsecond // 1000,
}
LENGTHS = {
    "getHours": 3600 * times.SECOND,
    "getMinutes": 60 * times.SECOND,
    "getSeconds": times.SECOND,
    "getMilliseconds": times.SECOND // 1000,
}
IDS = {
    "getFullYear": "year",
    "getMonth": "month",
    "getDayOfYear": "day_of_year",
    "getDayOfMonth": "day_of_month",
    "getDate": "day_of_month_1_based",
    "getDayOfWeek": "day_of_week",
    "getHours": "hours",
    "getMinutes": "minutes",
    "getSeconds": "seconds",
    "getMilliseconds": "milliseconds",
}


def _overloads() -> str:
    lines = []
    for name, part in IDS.items():
        lines.append(f"timestamp_to_{part}: timestamp {name}() -> int")
        zoned = "timestamp_to_seconds_tz" if part == "seconds" else f"timestamp_to_{part}_with_tz"
        lines.append(f"{zoned}: timestamp {name}(string) -> int")
        if name in LENGTHS:
            lines.append(f"duration_to_{part}: duration {name}() -> int")
    return "\n".join(lines)


def _getter(name: str) -> Function:
    def get(value: Any, zone: str = "UTC") -> int:
        if isinstance(value, Timestamp):
            return int(PARTS[name](times.as_datetime(value, times.zone(zone))))
        if isinstance(value, Duration) and name in LENGTHS:
            return abs(value.nanos) // LENGTHS[name] * (-1 if value.nanos < 0 else 1)
        raise no_overload()

    return get


LIBRARY = library(_overloads(), {name: _getter(name) for name in PARTS})

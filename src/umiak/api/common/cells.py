"""The table cells that many kinds share, and how times and selectors are written in them."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from umiak.api.kind import Column
from umiak.objects.types import Object

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"

Cell = Callable[[Object, float], Any]


@cache
def _texts() -> dict[str, str]:
    found: dict[str, str] = json.loads(Path(__file__).with_name("column_texts.json").read_text())
    return found


def documented(field: str) -> str:
    """What the API documentation says of a field, given as Type.field; empty when it says nothing."""
    return _texts().get(field, "")


def column(
    name: str, cell: Cell, doc: str = "", *, type: str = "string", format: str = "", wide: bool = False
) -> Column:
    """A column described by `doc`: words, or the Type.field whose documentation describes it."""
    text = doc if " " in doc or "." not in doc else documented(doc)
    return Column(name, cell, type, format, 1 if wide else 0, text)


def reads(*path: str, otherwise: Any = "") -> Cell:
    """A cell that shows a field as it is, `otherwise` when it is absent."""

    def cell(obj: Object, now: float) -> Any:
        value: Any = obj
        for step in path:
            value = value.get(step) if value else None
        return otherwise if value is None else value

    return cell


def or_else(*path: str, otherwise: str) -> Cell:
    """A cell that shows a text field, `otherwise` when it is absent or empty."""
    read = reads(*path)
    return lambda obj, now: read(obj, now) or otherwise


def counts(*path: str) -> Cell:
    """A cell that shows how many entries a list or map has."""
    read = reads(*path)
    return lambda obj, now: len(read(obj, now) or ())


def number(*path: str) -> Cell:
    """A cell that shows a number, 0 when it is absent."""
    return reads(*path, otherwise=0)


def seconds_of(moment: str) -> float:
    """An RFC 3339 time as seconds since the epoch."""
    return datetime.fromisoformat(moment).timestamp()


def human_duration(seconds: float) -> str:
    """A length of time in at most two units, e.g. 90s, 5m10s, 3h, 2d4h."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if whole < 120:
        return f"{whole}s"
    return _long_duration(whole)


def _long_duration(seconds: int) -> str:
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    if hours < 24 * 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


def since(moment: str | None, now: float) -> str:
    """How long ago a time was, as tables show it."""
    return human_duration(now - seconds_of(moment)) if moment else UNKNOWN


def age(obj: Object, now: float) -> str:
    return since((obj.get("metadata") or {}).get("creationTimestamp"), now)


NAME = column("Name", reads("metadata", "name"), "ObjectMeta.name", format="name")
AGE = column("Age", age, "ObjectMeta.creationTimestamp")


def labels_text(labels: Mapping[str, str] | None) -> str:
    """`a=1,b=2`, sorted; "<none>" when there are none."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def selector_text(selector: Object | None) -> str:
    """A LabelSelector in the form that clients write; empty when it has no requirement."""
    if not selector:
        return ""
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    parts += [(e.get("key", ""), _requirement_text(e)) for e in selector.get("matchExpressions") or ()]
    return ",".join(text for _, text in sorted(parts, key=lambda part: part[0]))


def _requirement_text(requirement: Object) -> str:
    key, operator = requirement.get("key", ""), requirement.get("operator", "")
    values = ",".join(sorted(requirement.get("values") or ()))
    if operator == "Exists":
        return str(key)
    if operator == "DoesNotExist":
        return f"!{key}"
    return f"{key} {operator.lower()} ({values})"


def selects(*path: str) -> Cell:
    """A cell that shows a LabelSelector, "<none>" when it is empty."""
    read = reads(*path, otherwise=None)
    return lambda obj, now: selector_text(read(obj, now)) or NONE


def shows_labels(*path: str) -> Cell:
    """A cell that shows a map of labels."""
    read = reads(*path, otherwise=None)
    return lambda obj, now: labels_text(read(obj, now))


def joined(containers: Iterable[Object] | None, field: str) -> str:
    return ",".join(c.get(field) or "" for c in containers or ())


def containers_columns(*template: str) -> tuple[Column, Column]:
    """The columns that name the containers and images of the pod template found at a path."""
    read = reads(*template, "spec", "containers", otherwise=None)
    return (
        column(
            "Containers",
            lambda o, now: joined(read(o, now), "name"),
            "Names of each container in the template.",
            wide=True,
        ),
        column(
            "Images",
            lambda o, now: joined(read(o, now), "image"),
            "Images referenced by each container in the template.",
            wide=True,
        ),
    )


def condition(obj: Object, kind: str) -> Object | None:
    """The status condition of a type, if the object has it."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == kind), None)


def condition_is_true(obj: Object, kind: str) -> bool:
    found = condition(obj, kind)
    return found is not None and found.get("status") == "True"


def load_balancer_text(status: Object | None) -> str:
    """The addresses of a load balancer, sorted, joined by commas."""
    found = {i.get("ip") or i.get("hostname") or "" for i in (status or {}).get("ingress") or ()}
    return ",".join(sorted(found - {""}))


_SHORT_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def access_modes_text(modes: Iterable[str] | None) -> str:
    """`RWO,ROX`, each once, in a fixed order."""
    present = set(modes or ())
    return ",".join(short for mode, short in _SHORT_MODES.items() if mode in present)

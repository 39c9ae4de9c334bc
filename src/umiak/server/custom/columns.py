"""Printer columns of custom resources: JSONPath in, table cells out (apiextensions' `tableconvertor`)."""

from datetime import datetime
from typing import Any

from umiak.api.common.cells import UNKNOWN, human_duration
from umiak.api.kind import Column
from umiak.objects.jsonpath import InvalidPath, NotFound, Path, shown
from umiak.objects.types import Object
from umiak.server.tables import CREATED_TEXT, DEFAULT_COLUMNS

NAME = DEFAULT_COLUMNS[0]
AGE: Object = {"name": "Age", "type": "date", "description": CREATED_TEXT, "jsonPath": ".metadata.creationTimestamp"}


def columns(defined: list[Object] | None) -> tuple[Column, ...]:
    """The name, then what the definition asks for, by default the age; from a path that can not be read on, nothing."""
    found = [NAME]
    for column in defined or [AGE]:
        try:
            found.append(_column(column))
        except InvalidPath:
            break
    return tuple(found)


def _column(defined: Object) -> Column:
    where = defined["jsonPath"]
    path, kind = Path(where), defined["type"]

    def cell(obj: Object, now: float) -> Any:
        try:
            found = path.find(obj)
        except NotFound:
            return None
        return _cell(kind, found[0], now) if found else None

    return Column(
        defined["name"],
        cell,
        kind,
        defined.get("format") or "",
        defined.get("priority") or 0,
        defined.get("description") or f"Custom resource definition column (in JSONPath format): {where}",
    )


def _cell(kind: str, value: Any, now: float) -> Any:
    """None where the value is not of the column's type."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "string":
            return shown(value)
        case "integer":
            return int(value) if is_number else None
        case "number":
            return value if is_number else None
        case "boolean":
            return value if isinstance(value, bool) else None
    return _age(value, now) if isinstance(value, str) else None


def _age(moment: str, now: float) -> str:
    if not moment:
        return UNKNOWN
    try:
        return human_duration(now - datetime.fromisoformat(moment).timestamp())
    except ValueError:
        return "<invalid>"

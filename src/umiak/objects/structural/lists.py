"""Lists that are sets or maps: no element, or no key, may come twice (apiextensions' `listtype`)."""

from collections.abc import Iterable
from typing import Any

import msgspec

from umiak.objects.errors import FieldError, duplicate, invalid_value
from umiak.objects.structural.prune import NOTHING, additional
from umiak.objects.types import Object


def repetitions(schema: Object, obj: Any, path: str = "") -> list[FieldError]:
    """What comes twice anywhere in `obj`."""
    return list(_within(schema, obj, path))


def _within(schema: Object, value: Any, path: str) -> Iterable[FieldError]:
    if isinstance(value, dict):
        properties, others = schema.get("properties") or NOTHING, additional(schema)
        for key, item in value.items():
            if type(item) not in (dict, list):
                continue
            if others:
                yield from _within(others, item, f"{path}[{key}]")
            if key in properties:
                yield from _within(properties[key], item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        yield from _in_list(schema, value, path)


def _in_list(schema: Object, value: list[Any], path: str) -> Iterable[FieldError]:
    match schema.get("x-kubernetes-list-type"):
        case "set":
            yield from (duplicate(f"{path}[{i}]", value[i]) for i in _repeated(value))
        case "map":
            yield from _in_map(schema, value, path)
    if items := schema.get("items"):
        for index, item in enumerate(value):
            yield from _within(items, item, f"{path}[{index}]")


def _in_map(schema: Object, value: list[Any], path: str) -> Iterable[FieldError]:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            yield invalid_value(f"{path}[{index}]", item, "must be an object for an array of list-type map")
            return
    names = schema.get("x-kubernetes-list-map-keys") or []
    keys = [{name: item[name] for name in names if name in item} if item else {} for item in value]
    yield from (duplicate(f"{path}[{i}]", keys[i]) for i in _repeated(keys))


def _repeated(values: list[Any]) -> Iterable[int]:
    """Where a value comes for the second time; later times are not told."""
    seen: dict[tuple[type, bytes], int] = {}
    for index, value in enumerate(values):
        mark = type(value), msgspec.json.encode(value, order="deterministic")
        seen[mark] = seen.get(mark, 0) + 1
        if seen[mark] == 2:
            yield index

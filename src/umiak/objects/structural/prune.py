"""Drops what a structural schema does not name, and fills in its defaults (apiextensions' `pruning`, `defaulting`)."""

from typing import Any

from umiak.objects.encoding import copy
from umiak.objects.types import Object

PRESERVE = "x-kubernetes-preserve-unknown-fields"
EMBEDDED = "x-kubernetes-embedded-resource"
META_FIELDS = frozenset({"apiVersion", "kind", "metadata"})
NOTHING: Object = {}


def additional(schema: Object) -> Object | None:
    """What a schema demands of properties without a name of their own; empty for true and false, which demand nothing
    here, None when it says nothing of them."""
    found = schema.get("additionalProperties")
    if isinstance(found, dict):
        return found
    return None if found is None else NOTHING


def prune(obj: Any, schema: Object, is_root: bool = True) -> list[str]:
    """Drops unknown fields in place; the paths of those dropped, sorted. A root keeps its apiVersion, kind and
    metadata, whatever the schema says."""
    dropped: list[str] = []
    _prune(obj, {**schema, EMBEDDED: True} if is_root else schema, "", dropped)
    return sorted(dropped)


def _prune(value: Any, schema: Object | None, path: str, dropped: list[str]) -> None:
    if schema is not None and schema.get(PRESERVE):
        _prune_named(value, schema, path, dropped)
    elif isinstance(value, dict):
        _prune_object(value, schema or NOTHING, path, dropped)
    elif isinstance(value, list):
        items = None if schema is None else schema.get("items")
        for index, item in enumerate(value):
            if type(item) in (dict, list):
                _prune(item, items, f"{path}[{index}]", dropped)


def _prune_object(value: Object, schema: Object, path: str, dropped: list[str]) -> None:
    properties, others = schema.get("properties") or NOTHING, additional(schema)
    unknown = []
    for key, item in value.items():
        if schema.get(EMBEDDED) and key in META_FIELDS:
            continue
        field = properties.get(key)
        if field is None and others is None:
            unknown.append(key)
        elif type(item) in (dict, list):
            # Of additionalProperties: true nothing is known, so that nothing inside is kept.
            inner = field if field is not None else (others or None)
            _prune(item, inner, f"{path}.{key}" if path else key, dropped)
    for key in unknown:
        del value[key]
        if path or key not in META_FIELDS:
            dropped.append(f"{path}.{key}" if path else key)


def _prune_named(value: Any, schema: Object | None, path: str, dropped: list[str]) -> None:
    """Inside what keeps unknown fields, named ones are looked into nevertheless."""
    if schema is None:
        return
    if isinstance(value, dict):
        properties, others = schema.get("properties") or NOTHING, additional(schema)
        for key, item in value.items():
            if schema.get(EMBEDDED) and key in META_FIELDS:
                continue
            here = f"{path}.{key}" if path else key
            if key in properties:
                _prune(item, properties[key], here, dropped)
            elif others is not None:
                _prune(item, others or None, here, dropped)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _prune_named(item, schema.get("items"), f"{path}[{index}]", dropped)


def _field(schema: Object | None, key: str) -> Object | None:
    if schema is None:
        return None
    found: Object | None = (schema.get("properties") or NOTHING).get(key)
    return found if found is not None else (additional(schema) or None)


def drop_nulls(value: Any, schema: Object | None) -> None:
    """Drops nulls that may not be there and for which there is no default."""
    if isinstance(value, dict):
        gone = []
        for key, item in value.items():
            field = _field(schema, key)
            if item is None:
                if field is not None and not field.get("nullable") and field.get("default") is None:
                    gone.append(key)
            elif type(item) in (dict, list):
                drop_nulls(item, field)
        for key in gone:
            del value[key]
    elif isinstance(value, list):
        items = None if schema is None else schema.get("items")
        for item in value:
            drop_nulls(item, items)


def _is_wrong_null(value: Any, schema: Object | None) -> bool:
    return value is None and schema is not None and not schema.get("nullable")


def fill_in(value: Any, schema: Object | None) -> None:
    """Sets missing fields, and nulls that may not be, to their defaults."""
    if schema is None:
        return
    if isinstance(value, dict):
        properties, others = schema.get("properties") or NOTHING, additional(schema) or None
        for key, field in properties.items():
            if field.get("default") is not None and (key not in value or _is_wrong_null(value[key], field)):
                value[key] = copy(field["default"])
        for key, item in value.items():
            field = properties.get(key)
            if field is None and _is_wrong_null(item, others):
                item = value[key] = copy((others or NOTHING).get("default"))
            if type(item) in (dict, list):
                fill_in(item, others if field is None else field)
    elif isinstance(value, list):
        items = schema.get("items")
        for index, item in enumerate(value):
            if _is_wrong_null(item, items):
                item = value[index] = copy((items or NOTHING).get("default"))
            fill_in(item, items)

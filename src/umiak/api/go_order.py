"""The order in which Go's encoder writes an object's fields: those of a struct as they are declared, others by name.

Answers keep the order in which a client sent fields; this is asked only where an error quotes an object.
"""

from typing import Any

from umiak.api.kind import Kind
from umiak.api.messages import declared_fields
from umiak.api.schema import Schema
from umiak.objects.types import Object


def of_kind(kind: Kind, obj: Object) -> Object:
    """`obj` with its fields in order; shares what has none."""
    if kind.is_custom:
        ordered: Object = by_name(obj)
        return ordered
    return _object(kind.schema, obj)


def _value(node: Schema, value: Any) -> Any:
    if isinstance(value, list) and node.type == "list":
        return [_value(node.items, item) for item in value]
    if not isinstance(value, dict):
        return value
    if node.type == "object":
        return _object(node, value)
    if node.type == "map":
        return {key: _value(node.values, value[key]) for key in sorted(value)}
    return value


def _object(node: Schema, value: Object) -> Object:
    names = _declared(node)
    if "kind" not in names and "apiVersion" not in names:  # an object's own, which protobuf has in its envelope
        names = ["kind", "apiVersion", *names]
    ordered = {name: _value(node.properties[name], value[name]) for name in names if name in value}
    return ordered | {name: item for name, item in value.items() if name not in ordered}


def _declared(node: Schema) -> list[str]:
    try:
        return [name for name in declared_fields(node.definition) if name in node.properties]
    except KeyError:  # no message of its own
        return list(node.properties)


def by_name(value: Any) -> Any:
    """Every object in it with its fields sorted, as Go writes maps."""
    if isinstance(value, dict):
        return {key: by_name(value[key]) for key in sorted(value)}
    return [by_name(item) for item in value] if isinstance(value, list) else value

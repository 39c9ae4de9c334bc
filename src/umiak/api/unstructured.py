"""Reading merged data as an object: how the reference turns the outcome of a strategic merge patch into a struct.

Much like `schema.decode`, but with the words of apimachinery's unstructured converter, whose first error ends it, and
with its leniency: a whole number may have a fraction of zero, a number too large for an int32 loses its upper bits.
"""

from typing import Any

from umiak.api.faults import Mismatch, Refused, bad_base64, read_itself
from umiak.api.schema import Schema, decode
from umiak.objects import go_text
from umiak.objects.types import Object


class Unconvertible(ValueError):
    """A value has the wrong type; says which in the reference's words."""


def convert(schema: Schema, obj: Object) -> tuple[Object, list[str]]:
    """`obj` read as an object of `schema`, and its unknown fields in the order of their text. Raises Unconvertible."""
    faults: list[str] = []
    try:
        converted = _object(schema, obj, "", faults)
    except RecursionError:
        raise Unconvertible("exceeded max depth") from None
    return decode(schema, converted)[0], sorted(set(faults))


def _value(node: Schema, value: Any, path: str, faults: list[str]) -> Any:
    if value is None:
        return None
    if node.type == "object":
        return _object(node, value, path, faults)
    if node.type == "map":
        return _map(node, value, path, faults)
    if node.type == "list":
        if not isinstance(value, list):
            raise Unconvertible(f"cannot restore slice from {_kind(value)}")
        return [_value(node.items, item, f"{path}[{index}]", faults) for index, item in enumerate(value)]
    if node.type in _SCALARS:
        return _scalar(node, value)
    return _own(node, value)


def _object(node: Schema, value: Any, path: str, faults: list[str]) -> Object:
    if not isinstance(value, dict):
        raise Unconvertible(f"cannot restore struct from: {_kind(value)}")
    found: Object = {}
    for name, field in node.properties.items():
        if value.get(name) is not None:
            found[name] = _value(field, value[name], f"{path}.{name}" if path else name, faults)
    for name in value.keys() - node.properties.keys():
        faults.append(f"unknown field {go_text.quoted(f'{path}.{name}' if path else name)}")
    return found


def _map(node: Schema, value: Any, path: str, faults: list[str]) -> Object:
    """Keys are no part of the path here."""
    if not isinstance(value, dict):
        raise Unconvertible(f"cannot restore map from {_kind(value)}")
    return {key: _value(node.values, item, path, faults) for key, item in value.items()}


_SCALARS = {"string": str, "boolean": bool, "integer": int, "number": float, "bytes": str}
_KINDS = {"boolean": "bool", "number": "float64"}


def _kind(value: Any) -> str:
    """reflect.Kind."""
    return {dict: "map", list: "slice", str: "string", bool: "bool", int: "int64"}.get(type(value), "float64")


def _scalar(node: Schema, value: Any) -> Any:
    if node.type == "bytes" and isinstance(value, str) and (at := bad_base64(value)) is not None:
        raise Unconvertible(f"error decoding from json: illegal base64 data at input byte {at}")
    if type(value) is _SCALARS[node.type] and (node.type != "integer" or node.format == "int64"):
        return value
    if node.type == "bytes":
        raise Unconvertible(f"cannot restore slice from {_kind(value)}")
    if node.type == "number" and type(value) is int:
        return value
    if node.type == "integer" and type(value) in (int, float):
        return _integer(node, value)
    if node.type == "string" and type(value) is int:
        raise Unconvertible(f"cannot convert int64 to {node.go_type}")
    raise Unconvertible(f"unrecognized type: {_KINDS.get(node.type) or node.format or node.type}")


def _integer(node: Schema, value: int | float) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise Unconvertible(f"cannot convert float64 to {node.go_type}")
    bits = 32 if node.format == "int32" else 64
    return (int(value) + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def _own(node: Schema, value: Any) -> Any:
    try:
        read_itself(node, value)
    except (Mismatch, Refused) as error:
        raise Unconvertible(str(error)) from None
    return value

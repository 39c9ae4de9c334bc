"""Makes an object of what a mutation's expression yields: an apply configuration or a JSON patch. Pure.

Source: apiserver's `pkg/admission/plugin/policy/mutating/patch`.
"""

import base64
from collections.abc import Iterator
from typing import Any

from umiak.api.kind import Kind
from umiak.objects import apply, encoding, json_patch, typed
from umiak.objects.cel import times
from umiak.objects.cel.values import Duration, Opaque, Optional, Struct, Timestamp, TypeValue, type_name
from umiak.objects.go_text import quoted
from umiak.objects.shapes import Mismatch, Shape
from umiak.objects.types import Object
from umiak.server.managed_fields.versions import shape_of

LARGEST = 2**53 - 1
"""Beyond it whole numbers are written as text."""


class Unusable(Exception):
    """A mutation cannot be made; the text says why."""


def configured(kind: Kind, obj: Object, value: Any) -> Object:
    """`obj` with the apply configuration `value` merged in. Raises Unusable."""
    if faults := list(_misnamed(value, "Object")):
        raise Unusable("type mismatch: " + "\n".join(faults))
    config = {**_plain(value), "apiVersion": obj.get("apiVersion"), "kind": obj.get("kind")}
    shape = shape_of(kind)
    if faults := [*_nulls(shape, config, ""), *typed.faults(shape, config)]:
        text = faults[0] if len(faults) == 1 else "\n  ".join(["errors:", *faults])
        raise Unusable(f"error applying patch: failed to convert patch object to typed object: {text}")
    if whole := list(_atomics(shape, config, "")):
        text = f"may not mutate atomic arrays, maps or structs: {', '.join(whole)}"
        raise Unusable(f"error applying patch: invalid ApplyConfiguration: {text}")
    try:
        merged: Object = apply.merge(shape, obj, config)
    except Mismatch as error:
        raise Unusable(f"error applying patch: failed to merge patch: {error}") from None
    return merged


def _misnamed(value: Any, name: str) -> Iterator[str]:
    """Objects whose type is not named after their place; lists and maps between them have no names."""
    if isinstance(value, Struct):
        if value.name != name:
            rule = "which matches field name path from root Object type"
            yield f"unexpected type name {quoted(value.name)}, expected {quoted(name)}, {rule}"
        for field, inner in value.items():
            yield from _misnamed(inner, f"{name}.{field}")
    elif isinstance(value, list | dict):
        for inner in value if isinstance(value, list) else value.values():
            yield from _misnamed(inner, name)


def _nulls(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """What was set to null: the reference takes it for a value of a type of its own."""
    if value is None:
        if shape.scalar in ("string", "numeric"):
            wanted = {"string": "string", "numeric": "numeric (int or float)"}[shape.scalar]
            got = {"string": "&value.valueUnstructured{Value:0}", "numeric": "structpb.NullValue"}[shape.scalar]
        else:
            wanted = shape.scalar or ("map" if shape.is_map else "list")
            got = "&{NULL_VALUE}"
        yield f"{path}: expected {wanted}, got {got}"
    elif isinstance(value, dict):
        for name, inner in value.items():
            if (part := shape.part(name) if shape.is_map else None) is not None:
                yield from _nulls(part, inner, f"{path}.{name}")


def _atomics(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """Paths of what can only be replaced as a whole, and therefore not be merged."""
    if isinstance(value, dict) and shape.is_map:
        if shape.atomic_map:
            yield path
        for name, inner in value.items():
            if name in shape.fields:
                yield from _atomics(shape.fields[name][1], inner, f"{path}.{name}")
    elif isinstance(value, list) and shape.is_list:
        if shape.atomic_list:
            yield path
        for index, inner in enumerate(value):
            yield from _atomics(shape.item, inner, f"{path}[{index}]")


def patched(obj: Object, operations: list[Any]) -> Object:
    """`obj` after a JSON patch; unchanged when one of its tests fails. Raises Unusable."""
    patch = [_operation(operation) for operation in operations]
    try:
        found: Object = json_patch.apply(encoding.copy(obj), patch)
    except json_patch.TestFailed:
        return obj
    except (json_patch.PatchFailed, json_patch.InvalidPatch) as error:
        raise Unusable(f"JSON Patch: {error}") from None
    return found


def _operation(value: Object) -> Object:
    """One operation as JSON has it."""
    found = {"op": value.get("op") or "", "path": value.get("path") or ""}
    if value.get("from"):
        found["from"] = value["from"]
    if "value" in value:
        root = value["value"]
        if faults := list(_misnamed(root, root.name)) if isinstance(root, Struct) else []:
            raise Unusable("type mismatch: " + "\n".join(faults))
        found["value"] = _json(root)
    return found


def _plain(value: Any) -> Any:
    """JSON data of what an expression built."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, bool | str | float) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    return _text(value)


def _json(value: Any) -> Any:
    """The same in JSON patches, whose numbers are those of protobuf's JSON."""
    if isinstance(value, dict):
        return {str(name): _json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    if isinstance(value, float) and value.is_integer() and abs(value) <= LARGEST:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if abs(value) <= LARGEST else str(int(value))
    return _plain(value)


def _text(value: Any) -> str:
    """Values that JSON has no type for. Raises Unusable for those that have no text."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Timestamp):
        return times.show_timestamp(value)
    if isinstance(value, Duration):
        return times.show_duration(value)
    assert isinstance(value, Opaque | Optional | TypeValue)
    reason = f"unsupported type conversion of {type_name(value)}"
    raise Unusable(f"JSONPath valueExpression evaluated to a type that could not marshal to JSON: {reason}")

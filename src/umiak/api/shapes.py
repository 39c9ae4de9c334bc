"""Shapes of kinds: what a schema says of how values are merged (kube-openapi's schemaconv)."""

from typing import TYPE_CHECKING

from umiak.objects.shapes import DEDUCED, UNTYPED, Shape

if TYPE_CHECKING:
    from umiak.api.schema import Schema

_SCALARS = {
    "string": Shape("string"),
    "bytes": Shape("string"),
    "integer": Shape("numeric"),
    "number": Shape("numeric"),
    "boolean": Shape("boolean"),
    "quantity": Shape("untyped"),
    "int-or-string": Shape("untyped"),
    "time": Shape("untyped"),
    "micro-time": Shape("untyped"),
}
_SHARED = {**_SCALARS, "raw": UNTYPED, "any": DEDUCED, "fields": DEDUCED}


def shape_of(schema: "Schema") -> Shape:
    """What `Schema.shape` is."""
    if schema.type == "string" and schema.format not in ("", "byte"):
        return _SCALARS["time"]
    if schema.type in _SHARED:
        return _SHARED[schema.type]
    if schema.type == "object":
        return Shape(is_map=True, atomic_map=schema.map_type == "atomic", load=lambda shape: _fields(shape, schema))
    if schema.type == "map":
        return Shape(is_map=True, atomic_map=schema.map_type == "atomic", load=lambda shape: _values(shape, schema))
    if schema.type == "list":
        return _list(schema)
    return DEDUCED  # the unions of JSONSchemaProps


def _fields(shape: Shape, schema: "Schema") -> None:
    shape.fields = {name: ("f:" + name, part.shape) for name, part in schema.properties.items()}
    others = getattr(schema, "values", None)  # of an object that preserves what it does not know
    shape.value = others.shape if others else None if shape.fields else DEDUCED


def _values(shape: Shape, schema: "Schema") -> None:
    shape.fields, shape.value = {}, schema.values.shape


def _list(schema: "Schema") -> Shape:
    atomic, keys = _relationship(schema)
    shape = Shape(is_list=True, atomic_list=atomic, keys=keys)
    shape.item = schema.items.shape
    for key in keys:
        declared = schema.items.properties.get(key)
        shape.key_defaults[key] = None if declared is None else declared.default
    return shape


def _relationship(schema: "Schema") -> tuple[bool, tuple[str, ...]]:
    """(whether the list is atomic, the keys of its items); a patch strategy counts where no list type is given."""
    if schema.list_type:
        return schema.list_type == "atomic", schema.list_keys if schema.list_type == "map" else ()
    if schema.patch_strategy in ("merge", "merge,retainKeys"):
        return False, (schema.patch_merge_key,) if schema.patch_merge_key else ()
    return True, ()

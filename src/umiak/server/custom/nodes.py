"""Structural schemas as nodes of `api.schema`, for whoever treats custom resources and built-in kinds alike:
server-side apply, field managers."""

from umiak.api.apiextensions._embedded import OBJECT_META
from umiak.api.compiled import definition
from umiak.api.schema import Schema
from umiak.objects.structural.prune import EMBEDDED, NOTHING, PRESERVE
from umiak.objects.structural.values import INT_OR_STRING
from umiak.objects.types import Object

_SIMPLE = ("string", "integer", "number", "boolean")
_META = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}


def root(schema: Object, definition_name: str, kind: str) -> Schema:
    """The node of a whole object; `definition_name` is OpenAPI's name for it."""
    node = Schema("object", lambda made: _fill(made, {**schema, EMBEDDED: True}), definition_name)
    node.struct = node.go_type = kind
    node.source = schema
    _mark(node, schema)
    return node


def node(schema: Object) -> Schema:
    """The node of any value. One whose type is not said is `any`: its values tell what it is."""
    made = Schema(_type(schema), lambda made: _fill(made, schema))
    _mark(made, schema)
    if made.type == "list":
        made.items = node(schema.get("items") or NOTHING)
    elif made.type == "map":
        others = schema["additionalProperties"]
        made.values = node(others if isinstance(others, dict) else NOTHING)
    return made


def _type(schema: Object) -> str:
    if schema.get(INT_OR_STRING):
        return "int-or-string"
    kind: str = schema.get("type") or ""
    if kind == "array":
        return "list"
    if kind == "object" or schema.get("properties"):
        return "map" if schema.get("additionalProperties") and not schema.get("properties") else "object"
    return kind if kind in _SIMPLE else "any"


def _mark(made: Schema, schema: Object) -> None:
    made.required = tuple(schema.get("required") or ())
    made.enum = tuple(schema.get("enum") or ())
    made.default = schema.get("default")
    made.format = schema.get("format") or ""
    made.list_type = schema.get("x-kubernetes-list-type") or ""
    made.list_keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    made.map_type = schema.get("x-kubernetes-map-type") or ""
    made.pointer = bool(schema.get("nullable"))
    made.omitempty = True
    if made.type == "object" and schema.get(PRESERVE):
        made.values = Schema("any")


def _fill(made: Schema, schema: Object) -> None:
    if schema.get(EMBEDDED):
        made.properties = {key: node(part) for key, part in _META.items()}
        made.properties["metadata"] = definition(OBJECT_META)
    for key, part in (schema.get("properties") or NOTHING).items():
        made.properties.setdefault(key, node(part))

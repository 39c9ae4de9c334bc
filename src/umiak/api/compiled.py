"""Reads the compiled file: schemas by definition name, built when first asked for, and the facts of discovery.

`scripts/compile-schema` writes the file; its keys are explained there and here.
"""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from umiak.api.schema import Schema

SCHEMA = Path(__file__).with_name("_compiled") / "schema.json"


class _Property(msgspec.Struct, rename={"type_": "t", "names": "g", "omitempty": "e", "omitzero": "z"}):
    type_: str
    """`*` pointer, `[]` list, `{}` map, then a basic type or `#` and a definition's name."""
    names: list[str] = []
    """Names of Go types, per level of `type_`, where they do not follow from the level below."""
    omitempty: bool = False
    omitzero: bool = False
    embedded: tuple[str, ...] = msgspec.field(default=(), name="in")
    required: bool = msgspec.field(default=False, name="r")
    default: Any = msgspec.field(default=None, name="d")
    item_default: Any = msgspec.field(default=None, name="id")
    enum: tuple[Any, ...] = ()
    list_type: str = msgspec.field(default="", name="lt")
    list_keys: tuple[str, ...] = msgspec.field(default=(), name="lk")
    map_type: str = msgspec.field(default="", name="mt")
    patch_strategy: str = msgspec.field(default="", name="ps")
    patch_merge_key: str = msgspec.field(default="", name="pk")


class _Definition(msgspec.Struct):
    go: str
    properties: dict[str, _Property] = msgspec.field(name="p")
    kinds: tuple[tuple[str, str, str], ...] = msgspec.field(default=(), name="k")
    map_type: str = msgspec.field(default="", name="mt")
    unions: tuple[Any, ...] = msgspec.field(default=(), name="u")


class SubresourceFacts(msgspec.Struct, array_like=True):
    name: str
    group: str
    version: str
    kind: str
    verbs: tuple[str, ...]


class ResourceFacts(msgspec.Struct):
    """What discovery says of a resource. `kind` is group, version and name of the kind it answers with; the group and
    version are empty when they are those of the resource."""

    plural: str
    singular: str
    kind: tuple[str, str, str]
    verbs: tuple[str, ...]
    namespaced: bool = False
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    hash: str = ""
    sub: tuple[SubresourceFacts, ...] = ()


class _File(msgspec.Struct):
    groups: list[tuple[str, list[str]]]
    resources: dict[str, msgspec.Raw]
    kinds: dict[str, str]
    definitions: dict[str, msgspec.Raw]


@cache
def _file() -> _File:
    data = SCHEMA.read_bytes()
    return msgspec.json.decode(data, type=_File)


def groups() -> list[tuple[str, list[str]]]:
    """Every group with its versions, in the order of discovery, preferred version first."""
    return _file().groups


@cache
def resources(api_version: str) -> tuple[ResourceFacts, ...]:
    """The resources of a group-version, in the order of discovery; none when it is not known."""
    raw = _file().resources.get(api_version)
    return msgspec.json.decode(raw, type=tuple[ResourceFacts, ...]) if raw else ()


@cache
def _definition(name: str) -> _Definition:
    return msgspec.json.decode(_file().definitions[name], type=_Definition)


def definition_names() -> list[str]:
    """All of OpenAPI's definitions, except the types that read themselves (quantities, times)."""
    return list(_file().definitions)


def definition_kinds(name: str) -> tuple[tuple[str, str, str], ...]:
    """The (group, version, kind)s that the definition describes."""
    return _definition(name).kinds


@cache
def definition(name: str) -> Schema:
    """The schema of an OpenAPI definition, e.g. `io.k8s.api.core.v1.Pod`. Raises KeyError."""
    if name not in _file().definitions:
        raise KeyError(name)
    return _object(name)


def schema(api_version: str, kind: str) -> Schema:
    """The schema of a kind by group-version, persisted or not (`v1` `Eviction` is `policy/v1`). Raises KeyError."""
    group, _, version = api_version.rpartition("/")
    return definition(_file().kinds[f"{group}/{version}/{kind}"])


def _object(name: str) -> Schema:
    """A node of its own, as each field has its own facts; properties are shared by all fields of the definition."""
    about = _definition(name)
    node = Schema("object", _load, name)
    node.struct = about.go.rpartition(".")[2]
    node.go_type = about.go
    node.map_type = about.map_type
    node.unions = about.unions
    node.required = tuple(n for n, p in about.properties.items() if p.required)
    return node


def _load(node: Schema) -> None:
    shared = _shared(node.definition)
    node.properties, node._plan, node.always = shared.properties, shared._plan, shared.always


@cache
def _shared(name: str) -> Schema:
    node = Schema("object")
    node.properties = {n: _field(p) for n, p in _definition(name).properties.items()}
    return node


def _field(about: _Property) -> Schema:
    node = _node(about.type_.removeprefix("*"), about.names)
    node.pointer = about.type_.startswith("*")
    node.omitempty, node.omitzero, node.embedded = about.omitempty, about.omitzero, about.embedded
    node.default, node.item_default, node.enum = about.default, about.item_default, about.enum
    node.list_type, node.list_keys = about.list_type, about.list_keys
    node.map_type = about.map_type or node.map_type
    node.patch_strategy, node.patch_merge_key = about.patch_strategy, about.patch_merge_key
    return node


_JSON_SCHEMA = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_BASIC = {
    "int32": ("integer", "int32"),
    "int64": ("integer", "int64"),
    "float64": ("number", "double"),
    "bool": ("boolean", ""),
}
_GO_NAMES = {
    "bytes": "[]uint8",
    "quantity": "resource.Quantity",
    "time": "v1.Time",
    "micro-time": "v1.MicroTime",
    "int-or-string": "intstr.IntOrString",
    "raw": "runtime.RawExtension",
    "fields": "v1.FieldsV1",
    "any": "v1.JSON",
}


def _node(expression: str, names: list[str]) -> Schema:
    own_name = names[0] if names else ""
    if expression.startswith(("[]", "{}")):
        inner = _node(expression[2:].removeprefix("*"), names[1:])
        inner.pointer = expression[2:3] == "*"
        node = Schema("list" if expression[0] == "[" else "map")
        if node.type == "list":
            node.items = inner
        else:
            node.values = inner
        node.go_type = own_name or ("[]" if node.type == "list" else "map[string]") + inner.go_type
        return node
    if expression.startswith("#"):
        return _object(expression[1:])
    kind, format = _BASIC.get(expression, (expression, ""))
    node = Schema(kind)
    node.format = format
    node.go_type = own_name or _GO_NAMES.get(expression, expression)
    if expression.startswith("schema-or-"):
        node.items = _object(_JSON_SCHEMA)
    return node

"""OpenAPI definitions of custom resources: the schema as its author wrote it, and what every object has besides.

OpenAPI 2 can say less; what it can not say is left out (apiextensions' `controller/openapi/v2`).
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from umiak.api.apiextensions._embedded import OBJECT_META
from umiak.api.common.cells import documented
from umiak.api.kind import Kind
from umiak.objects.structural.prune import EMBEDDED, PRESERVE
from umiak.objects.types import Object

LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
VERSION_TEXT = "APIVersion defines the versioned schema of this representation of an object."
KIND_TEXT = "Kind is a string value that names the REST resource this object represents, in CamelCase."
META_TEXT = "Standard object's metadata."
JUNCTORS = ("allOf", "anyOf", "oneOf", "not")
Reference = Callable[[str], Object]
"""A definition's name to the schema that refers to it."""


def digest(kinds: Iterable[Kind]) -> str:
    """Changes with anything that definitions of these kinds are made from; empty for built-in ones."""
    made_from = [
        (
            k.group,
            k.version,
            k.kind,
            k.plural,
            k.list_kind,
            k.namespaced,
            [p.name for p in k.subresources],
            k.schema.source,
        )
        for k in kinds
        if k.is_custom
    ]
    return hashlib.sha256(msgspec.json.encode(made_from)).hexdigest() if made_from else ""


def list_definition(kind: Kind) -> str:
    """The name of the definition of a kind's lists."""
    return kind.schema.definition.removesuffix(kind.kind) + kind.list_kind


def definitions(kinds: Iterable[Kind], reference: Reference, version: int) -> dict[str, Object]:
    """By name, for OpenAPI `version` 2 or 3."""
    found: dict[str, Object] = {}
    for kind in kinds:
        if kind.is_custom:
            found[kind.schema.definition] = _object(kind, reference, version)
            found[list_definition(kind)] = _list(kind, reference, version)
    return found


def explained(object_meta: Object) -> Object:
    """ObjectMeta with what the API's documentation says of the fields that tables show."""
    properties = {
        name: {"description": text, **part} if (text := documented(f"ObjectMeta.{name}")) else part
        for name, part in object_meta["properties"].items()
    }
    return {**object_meta, "properties": properties}


def _type_meta() -> dict[str, Object]:
    return {
        "apiVersion": {"description": VERSION_TEXT, "type": "string"},
        "kind": {"description": KIND_TEXT, "type": "string"},
    }


def _described(reference: Object, text: str, version: int) -> Object:
    """OpenAPI 3 wants nothing beside a reference."""
    return {"description": text, "allOf": [reference]} if version == 3 else {"description": text, **reference}


def _names(kind: Kind, name: str) -> list[Object]:
    return [{"group": kind.group, "kind": name, "version": kind.version}]


def _object(kind: Kind, reference: Reference, version: int) -> Object:
    source = kind.schema.source or {}
    schema: Object = {"type": "object"}
    if version == 3 or not source.get(PRESERVE):
        schema = _embedded(source if version == 3 else _plain(source), reference, version)
        meta = {"metadata": _described(reference(OBJECT_META), META_TEXT, version)}
        schema["properties"] = {**(schema.get("properties") or {}), **_type_meta(), **meta}
    return {**schema, "x-kubernetes-group-version-kind": _names(kind, kind.kind)}


def _list(kind: Kind, reference: Reference, version: int) -> Object:
    items = {"description": f"List of {kind.plural}.", "type": "array", "items": reference(kind.schema.definition)}
    about = _described(reference(LIST_META), "Standard list metadata.", version)
    return {
        "description": f"{kind.list_kind} is a list of {kind.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {**_type_meta(), "items": items, "metadata": about},
        "x-kubernetes-group-version-kind": _names(kind, kind.list_kind),
    }


def _embedded(schema: Object, reference: Reference, version: int) -> Object:
    """Says of embedded objects what all objects have."""

    def inner(part: Any) -> Any:
        return _embedded(part, reference, version) if isinstance(part, dict) else part

    found = dict(schema)
    if "properties" in found:
        found["properties"] = {name: inner(part) for name, part in found["properties"].items()}
    for field in ("items", "additionalProperties"):
        if field in found:
            found[field] = inner(found[field])
    if schema.get(EMBEDDED) and not (version == 2 and schema.get(PRESERVE)):
        meta = {"metadata": _described(reference(OBJECT_META), META_TEXT, version)}
        found["properties"] = {**(found.get("properties") or {}), **_type_meta(), **meta}
        wanted = found.get("required") or []
        found["required"] = [*wanted, *(name for name in ("kind", "apiVersion") if name not in wanted)]
    return found


def _plain(schema: Object) -> Object:
    """What of a schema OpenAPI 2 can say."""
    found = {key: value for key, value in schema.items() if key not in (*JUNCTORS, "nullable", "default")}
    if schema.get("nullable"):
        for key in ("type", "items", "properties"):
            found.pop(key, None)
    if schema.get(PRESERVE):
        for key in ("items", "properties"):
            found.pop(key, None)
        if found.get("type") == "object":
            del found["type"]
    if found.get("type") == "array" and "items" not in found:
        del found["type"]
    properties = found.get("properties") or {}
    optional = {name for name, part in properties.items() if part.get("nullable")}
    if optional & set(found.get("required") or ()):
        found["required"] = [name for name in found["required"] if name not in optional]
        if not found["required"]:
            del found["required"]
    if properties:
        found["properties"] = {name: _plain(part) for name, part in properties.items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = _plain(found[key])
    return found

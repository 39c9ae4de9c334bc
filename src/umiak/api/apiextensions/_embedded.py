"""Metadata of custom resources, and of objects embedded in them (apiextensions' `schema/objectmeta`)."""

from functools import cache
from typing import Any

import msgspec

from umiak.api import compiled, schema
from umiak.api.common.metadata import path_segment, validate_metadata
from umiak.objects import names
from umiak.objects.encoding import from_json
from umiak.objects.errors import FieldError, StatusError, invalid_value, required
from umiak.objects.structural.prune import EMBEDDED, NOTHING, additional
from umiak.objects.types import Object

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


class Malformed(ValueError):
    """Metadata can not be read as such; says why."""


@cache
def object_meta() -> schema.Schema:
    return compiled.definition(OBJECT_META)


def read_metadata(holder: Object) -> list[str]:
    """Reads `holder`'s metadata as ObjectMeta, in place; the paths of unknown fields below it. Raises Malformed."""
    if "metadata" not in holder:
        return []
    value = holder["metadata"]
    if value is None:
        holder["metadata"] = {}
        return []
    if not isinstance(value, dict):
        found = "array" if isinstance(value, list) else _word(value)
        raise Malformed(f"json: cannot unmarshal {found} into Go value of type v1.ObjectMeta")
    try:
        holder["metadata"], faults = schema.decode(object_meta(), value, "ObjectMeta", "v1")
    except StatusError:
        raise Malformed(_fault(value)) from None
    return [fault.removeprefix('unknown field "').removesuffix('"') for fault in faults]


def _fault(value: Object) -> str:
    """The first fault of unreadable metadata: the reference reads them from a map, whose keys come sorted."""
    try:
        schema.decode(object_meta(), from_json(msgspec.json.encode(value, order="sorted")), "ObjectMeta", "v1")
    except StatusError as error:
        return error.message.partition(" cannot be handled as a ObjectMeta: ")[2]
    raise AssertionError("the order of its keys makes no object readable")


def _word(value: Any) -> str:
    return "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"


def coerce(value: Any, node: Object | None, path: str = "") -> list[str]:
    """Reads the metadata of embedded objects, in place; the paths of what is unknown in it. Raises Malformed with the
    text of a whole cause."""
    unknown: list[str] = []
    _coerce(value, node, path, unknown)
    return sorted(unknown)


def _coerce(value: Any, node: Object | None, path: str, unknown: list[str]) -> None:
    if node is None:
        return
    if isinstance(value, dict):
        if node.get(EMBEDDED):
            _coerce_embedded(value, path, unknown)
        properties, others = node.get("properties") or NOTHING, additional(node)
        for key, item in value.items():
            if type(item) in (dict, list):
                _coerce(item, properties.get(key, others or None), f"{path}.{key}" if path else key, unknown)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _coerce(item, node.get("items"), f"{path}[{index}]", unknown)


def _coerce_embedded(value: Object, path: str, unknown: list[str]) -> None:
    for key in ("apiVersion", "kind"):
        if key in value and not isinstance(value[key], str):
            raise Malformed(str(invalid_value(_under(path, key), value[key], "must be a string")))
    shown = value.get("metadata")
    try:
        found = read_metadata(value)
    except Malformed as error:
        raise Malformed(str(invalid_value(_under(path, "metadata"), shown, str(error)))) from None
    unknown += [f"{_under(path, 'metadata')}.{field}" for field in found]
    if isinstance(value.get("metadata"), dict) and not value["metadata"].get("creationTimestamp"):
        value["metadata"].pop("creationTimestamp", None)


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def faults(value: Any, node: Object | None, path: str = "") -> list[FieldError]:
    """What is wrong with embedded objects."""
    if node is None:
        return []
    found: list[FieldError] = []
    if isinstance(value, dict):
        if node.get(EMBEDDED):
            found += _embedded_faults(value, path)
        properties, others = node.get("properties") or NOTHING, additional(node)
        for key, item in value.items():
            if type(item) not in (dict, list):
                continue
            if key in properties:
                found += faults(item, properties[key], _under(path, key))
            elif others:
                found += faults(item, others, f"{path}[{key}]")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += faults(item, node.get("items"), f"{path}[{index}]")
    return found


def _embedded_faults(value: Object, path: str) -> list[FieldError]:
    found = [required(_under(path, key)) for key in ("apiVersion", "kind") if key not in value]
    if "apiVersion" in value:
        found += _api_version(value["apiVersion"], _under(path, "apiVersion"))
    if "kind" in value:
        found += _kind(value["kind"], _under(path, "kind"))
    if isinstance(value.get("metadata"), dict):
        about = {**value["metadata"], "name": value["metadata"].get("name") or "fakename"}
        errors = validate_metadata({"metadata": about}, bool(about.get("namespace")), path_segment)
        prefix = f"{path}." if path else ""
        found += [FieldError(e.type, prefix + e.path, e.message) for e in errors]
    return found


def _api_version(value: Any, path: str) -> list[FieldError]:
    if not isinstance(value, str):
        return [invalid_value(path, value, "must be a string")]
    if not value:
        return [invalid_value(path, value, "must not be empty")]
    if value.count("/") > 1:
        return [invalid_value(path, value, f"unexpected GroupVersion string: {value}")]
    return []


def _kind(value: Any, path: str) -> list[FieldError]:
    if not isinstance(value, str):
        return [invalid_value(path, value, "must be a string")]
    if not value:
        return [invalid_value(path, value, "must not be empty")]
    if wrong := names.dns_1035_label(value.lower()):
        return [invalid_value(path, value, "may have mixed case, but should otherwise match: " + ",".join(wrong))]
    return []

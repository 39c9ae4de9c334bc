"""The form in which the reference keeps a definition for itself, as error texts show it.

What all versions say alike stands once beside them there, under an old name; and fields have the names of Go's structs.
"""

from collections.abc import Callable
from typing import Any

from umiak.api.internal import Shown
from umiak.objects.types import Object

SHARED = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
"""Fields of versions, and what they are called where all versions agree."""


def lifted(spec: Object) -> Object:
    """The specification with what all versions say alike taken out of them."""
    versions = [dict(version) for version in spec.get("versions") or ()]
    found = {**spec, "versions": versions or spec.get("versions")}
    for field, name in SHARED.items():
        found.pop(name, None)
        values = [version.get(field) or None for version in versions]
        if versions and all(value == values[0] for value in values):
            found[name] = values[0]
            for version in versions:
                version.pop(field, None)
    return found


def versions(found: list[Object] | None) -> Shown:
    """The versions of a lifted specification."""
    return Shown(None if found is None else [_struct(_VERSION, version) for version in found])


def schema(found: Object) -> Shown:
    return Shown(_schema(found))


def rule(found: Object) -> Shown:
    return Shown(_struct(_RULE, found))


Field = tuple[str, str, Any, Callable[[Any], Any] | None]
"""Name in Go, name in JSON, what an absent one is, how a present one is written."""


def _struct(fields: tuple[Field, ...], found: Object) -> Object:
    made = {}
    for name, field, absent, write in fields:
        value = found.get(field)
        made[name] = absent if value is None else write(value) if write else value
    return made


def _schema(found: Object) -> Object:
    return _struct(_SCHEMA, found)


def _schemas(found: list[Object]) -> list[Object] | None:
    return [_schema(part) for part in found] or None


def _properties(found: Object) -> Object:
    return {name: _schema(found[name]) for name in sorted(found)}


def _or_array(found: Any) -> Object:
    if isinstance(found, list):
        return {"Schema": None, "JSONSchemas": _schemas(found)}
    return {"Schema": _schema(found), "JSONSchemas": None}


def _or_bool(found: Any) -> Object:
    if isinstance(found, bool):
        return {"Allows": found, "Schema": None}
    return {"Allows": True, "Schema": _schema(found)}


def _dependencies(found: Object) -> Object:
    def write(part: Any) -> Object:
        if isinstance(part, list):
            return {"Schema": None, "Property": part}
        return {"Schema": _schema(part), "Property": None}

    return {name: write(found[name]) for name in sorted(found)}


def _documentation(found: Object) -> Object:
    return {"Description": found.get("description") or "", "URL": found.get("url") or ""}


def _number(found: float) -> float | int:
    return int(found) if isinstance(found, float) and found.is_integer() and abs(found) < 1e21 else found


def _sorted(found: Any) -> Any:
    """Maps come sorted from Go's encoder."""
    if isinstance(found, dict):
        return {key: _sorted(found[key]) for key in sorted(found)}
    return [_sorted(part) for part in found] if isinstance(found, list) else found


def _rules(found: list[Object]) -> list[Object] | None:
    return [_struct(_RULE, part) for part in found] or None


_RULE: tuple[Field, ...] = (
    ("Rule", "rule", "", None),
    ("Message", "message", "", None),
    ("MessageExpression", "messageExpression", "", None),
    ("Reason", "reason", None, None),
    ("FieldPath", "fieldPath", "", None),
    ("OptionalOldSelf", "optionalOldSelf", None, None),
)
_SCHEMA: tuple[Field, ...] = (
    ("ID", "id", "", None),
    ("Schema", "$schema", "", None),
    ("Ref", "$ref", None, None),
    ("Description", "description", "", None),
    ("Type", "type", "", None),
    ("Nullable", "nullable", False, None),
    ("Format", "format", "", None),
    ("Title", "title", "", None),
    ("Default", "default", None, _sorted),
    ("Maximum", "maximum", None, _number),
    ("ExclusiveMaximum", "exclusiveMaximum", False, None),
    ("Minimum", "minimum", None, _number),
    ("ExclusiveMinimum", "exclusiveMinimum", False, None),
    ("MaxLength", "maxLength", None, None),
    ("MinLength", "minLength", None, None),
    ("Pattern", "pattern", "", None),
    ("MaxItems", "maxItems", None, None),
    ("MinItems", "minItems", None, None),
    ("UniqueItems", "uniqueItems", False, None),
    ("MultipleOf", "multipleOf", None, _number),
    ("Enum", "enum", None, _sorted),
    ("MaxProperties", "maxProperties", None, None),
    ("MinProperties", "minProperties", None, None),
    ("Required", "required", None, None),
    ("Items", "items", None, _or_array),
    ("AllOf", "allOf", None, _schemas),
    ("OneOf", "oneOf", None, _schemas),
    ("AnyOf", "anyOf", None, _schemas),
    ("Not", "not", None, _schema),
    ("Properties", "properties", None, _properties),
    ("AdditionalProperties", "additionalProperties", None, _or_bool),
    ("PatternProperties", "patternProperties", None, _properties),
    ("Dependencies", "dependencies", None, _dependencies),
    ("AdditionalItems", "additionalItems", None, _or_bool),
    ("Definitions", "definitions", None, _properties),
    ("ExternalDocs", "externalDocs", None, _documentation),
    ("Example", "example", None, _sorted),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", None, None),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", False, None),
    ("XIntOrString", "x-kubernetes-int-or-string", False, None),
    ("XListMapKeys", "x-kubernetes-list-map-keys", None, None),
    ("XListType", "x-kubernetes-list-type", None, None),
    ("XMapType", "x-kubernetes-map-type", None, None),
    ("XValidations", "x-kubernetes-validations", None, _rules),
)
_COLUMN: tuple[Field, ...] = (
    ("Name", "name", "", None),
    ("Type", "type", "", None),
    ("Format", "format", "", None),
    ("Description", "description", "", None),
    ("Priority", "priority", 0, None),
    ("JSONPath", "jsonPath", "", None),
)
_SCALE: tuple[Field, ...] = (
    ("SpecReplicasPath", "specReplicasPath", "", None),
    ("StatusReplicasPath", "statusReplicasPath", "", None),
    ("LabelSelectorPath", "labelSelectorPath", None, None),
)
_PARTS: tuple[Field, ...] = (
    ("Status", "status", None, lambda found: {}),
    ("Scale", "scale", None, lambda found: _struct(_SCALE, found)),
)
_VERSION: tuple[Field, ...] = (
    ("Name", "name", "", None),
    ("Served", "served", False, None),
    ("Storage", "storage", False, None),
    ("Deprecated", "deprecated", False, None),
    ("DeprecationWarning", "deprecationWarning", None, None),
    ("Schema", "schema", None, lambda found: {"OpenAPIV3Schema": _or_none(found.get("openAPIV3Schema"))}),
    ("Subresources", "subresources", None, lambda found: _struct(_PARTS, found)),
    ("AdditionalPrinterColumns", "additionalPrinterColumns", None, lambda f: [_struct(_COLUMN, c) for c in f]),
    ("SelectableFields", "selectableFields", None, lambda f: [{"JSONPath": c.get("jsonPath") or ""} for c in f]),
)


def _or_none(found: Object | None) -> Object | None:
    return None if found is None else _schema(found)


def set_fields(found: Object) -> list[str]:
    """Go's names of what a schema says, in the order of the struct."""
    return [name for name, field, absent, write in _SCHEMA if found.get(field) is not None and found[field] != absent]

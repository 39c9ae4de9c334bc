"""Whether a schema is structural: says the type of everything it names, apart from conditions on values (KEP-1693).

Source: apiextensions' `pkg/apiserver/schema/{convert,validation,complete}.go`.
"""

from collections.abc import Callable, Iterator
from typing import Any

from umiak.objects import linear_regexp
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, required
from umiak.objects.go_regexp import InvalidPattern
from umiak.objects.structural.prune import EMBEDDED, PRESERVE
from umiak.objects.structural.values import INT_OR_STRING
from umiak.objects.types import Object

ROOT, ITEM, FIELD = "at the root", "for specified array items", "for specified object fields"
JUNCTORS = ("allOf", "anyOf", "oneOf")
EITHER = [{"type": "integer"}, {"type": "string"}]
UNSUPPORTED = (
    ("id", "id"),
    ("$schema", "schema"),
    ("$ref", "$ref"),
    ("patternProperties", "patternProperties"),
    ("dependencies", "dependencies"),
    ("additionalItems", "additionalItems"),
    ("definitions", "definitions"),
)
CLEAN = (
    ("type", "type", "must be empty to be structural"),
    ("default", "default", "must be undefined to be structural"),
    ("title", "title", "must be empty to be structural"),
    ("description", "description", "must be empty to be structural"),
    ("nullable", "nullable", "must be false to be structural"),
    (PRESERVE, PRESERVE, "must be false to be structural"),
    (EMBEDDED, EMBEDDED, "must be false to be structural"),
    (INT_OR_STRING, INT_OR_STRING, "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "x-kubernetes-validations", "must be empty to be structural"),
)
"""What a condition on values may not say, since it is no part of the structure."""


def unsupported(schema: Object) -> str:
    """Why a schema has no structure at all, in the reference's words; empty when it may have one."""
    for field, name in UNSUPPORTED:
        if schema.get(field):
            return f"OpenAPIV3Schema '{name}' is not supported"
    if schema.get(PRESERVE) is False:
        return f"internal error: '{PRESERVE}' must be true or undefined"
    if isinstance(schema.get("items"), list):
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    return next(filter(None, map(unsupported, parts(schema))), "")


RULES = "x-kubernetes-validations"
RuleCheck = Callable[[Any, Any], list[FieldError]]
"""(new, old) to what a schema's validation rules say; old is None where nothing was."""


def has_rules(schema: Object) -> bool:
    """Whether there are rules in a schema or below."""
    if schema.get(RULES):
        return True
    inner = [*(schema.get("properties") or {}).values(), *(schema.get("allOf") or ())]
    inner += [part for part in (schema.get("items"), schema.get("additionalProperties")) if isinstance(part, dict)]
    return any(map(has_rules, inner))


def parts(schema: Object) -> Iterator[Object]:
    """All schemas right inside one."""
    for field in ("items", "not", "additionalProperties"):
        if isinstance(schema.get(field), dict):
            yield schema[field]
    for field in JUNCTORS:
        yield from schema.get(field) or ()
    properties = schema.get("properties") or {}
    for name in sorted(properties):
        yield properties[name]


def faults(schema: Object, path: str) -> list[FieldError]:
    """Sorted by their texts."""
    found = [*_structure(schema, ROOT, path), *_counterparts(schema, schema, path, path)]
    return sorted(found, key=str)


def _structure(schema: Object, level: str, path: str) -> Iterator[FieldError]:
    kind, items, others = schema.get("type") or "", schema.get("items"), schema.get("additionalProperties")
    properties = schema.get("properties") or {}
    if kind == "array" and items is None:
        yield required(f"{path}.items", "must be specified")
    if items is not None:
        yield from _structure(items, ITEM, f"{path}.items")
    for name, inner in properties.items():
        yield from _structure(inner, FIELD, f"{path}.properties[{name}]")
    if others is not None:
        if level is ROOT:
            yield field_forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if isinstance(others, dict):
            yield from _structure(others, FIELD, f"{path}.additionalProperties")
    yield from _extensions(schema, path)
    first_all = (schema.get("allOf") or [{}])[0].get("anyOf")
    yield from _conditions(schema, path, schema.get("anyOf") == EITHER, first_all == EITHER)
    yield from _type(schema, kind, level, path)
    yield from _meta(schema, properties, level, path)
    if schema.get(EMBEDDED) and not schema.get(PRESERVE) and not properties:
        text = f"must not be empty if {EMBEDDED} is true without {PRESERVE}"
        yield required(f"{path}.properties", text)


def _extensions(schema: Object, path: str) -> Iterator[FieldError]:
    for field in (PRESERVE, EMBEDDED):
        if schema.get(INT_OR_STRING) and schema.get(field):
            yield invalid_value(f"{path}.{field}", True, f"must be false if {INT_OR_STRING} is true")


def _type(schema: Object, kind: str, level: str, path: str) -> Iterator[FieldError]:
    if schema.get(EMBEDDED) and kind != "object":
        text = f"must be object if {EMBEDDED} is true"
        yield invalid_value(f"{path}.type", kind, text) if kind else required(f"{path}.type", text)
    elif not kind and not schema.get(INT_OR_STRING) and not schema.get(PRESERVE):
        yield required(f"{path}.type", f"must not be empty {level}")
    if schema.get(EMBEDDED) and schema.get("additionalProperties") is not None:
        yield field_forbidden(f"{path}.additionalProperties", f"must not be used if {EMBEDDED} is set")
    if level is ROOT and kind and kind != "object":
        yield invalid_value(f"{path}.type", kind, "must be object at the root")


def _meta(schema: Object, properties: Object, level: str, path: str) -> Iterator[FieldError]:
    """Fields that every object has are what they are."""
    counts = level is ROOT or bool(schema.get(EMBEDDED))
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        found = (properties.get(name) or {}).get("type") or ""
        if name in properties and counts and found != wanted:
            yield invalid_value(f"{path}.properties[{name}].type", found, f"must be {wanted}")
    if level is ROOT and "metadata" in properties and not _says_names_only(properties["metadata"]):
        text = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield field_forbidden(f"{path}.properties[metadata]", text)


def _says_names_only(metadata: Object) -> bool:
    inner = set(metadata.get("properties") or ())
    said = {key for key, value in metadata.items() if value not in (None, "", [], {}) and value is not False}
    said |= {key for key in ("x-kubernetes-list-type", "x-kubernetes-map-type") if metadata.get(key) is not None}
    return inner <= {"name", "generateName"} and said <= {"type", "default", "properties"}


def _conditions(schema: Object, path: str, skip_any: bool, skip_first_all: bool) -> Iterator[FieldError]:
    """What stands in `allOf`, `anyOf`, `oneOf` and `not`, at any depth."""
    for field in JUNCTORS:
        if field == "anyOf" and skip_any:
            continue
        for index, inner in enumerate(schema.get(field) or ()):
            skip = field == "allOf" and index == 0 and skip_first_all
            yield from _condition(inner, f"{path}.{field}[{index}]", skip)
    if schema.get("not") is not None:
        yield from _condition(schema["not"], f"{path}.not", False)
    if pattern := schema.get("pattern"):
        try:
            linear_regexp.matcher(pattern)
        except InvalidPattern as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            yield invalid_value(f"{path}.pattern", pattern, text)


def _condition(schema: Object, path: str, skip_any: bool) -> Iterator[FieldError]:
    yield from _conditions(schema, path, skip_any, False)
    if isinstance(schema.get("items"), dict):
        yield from _condition(schema["items"], f"{path}.items", False)
    properties = schema.get("properties") or {}
    for name, inner in properties.items():
        yield from _condition(inner, f"{path}.properties[{name}]", False)
    if schema.get("additionalProperties"):
        yield field_forbidden(f"{path}.additionalProperties", "must be undefined to be structural")
    for field, name, text in CLEAN:
        if schema.get(field):
            yield field_forbidden(f"{path}.{name}", text)
    if "metadata" in properties:
        yield field_forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _counterparts(condition: Object, schema: Any, at: str, path: str) -> Iterator[FieldError]:
    """Conditions speak only of what the structure names; `schema` is its node at `at`, `condition` stands at `path`."""
    if schema is None:
        yield required(at, f"because it is defined in {path}")
        return
    if condition.get("not") is not None:
        yield from _counterpart(condition["not"], schema, at, f"{path}.not")
    for field in JUNCTORS:
        for index, inner in enumerate(condition.get(field) or ()):
            yield from _counterpart(inner, schema, at, f"{path}.{field}[{index}]")


def _counterpart(condition: Object, schema: Any, at: str, path: str) -> Iterator[FieldError]:
    if schema is None:
        yield required(at, f"because it is defined in {path}")
        return
    yield from _counterparts(condition, schema, at, path)
    if condition.get("items") is not None:
        yield from _counterpart(condition["items"], schema.get("items"), f"{at}.items", f"{path}.items")
    known = schema.get("properties") or {}
    for name, inner in (condition.get("properties") or {}).items():
        here, there = f"{at}.properties[{name}]", f"{path}.properties[{name}]"
        if name in known:
            yield from _counterpart(inner, known[name], here, there)
        else:
            yield required(here, f"because it is defined in {there}")

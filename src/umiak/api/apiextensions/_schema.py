"""What a definition's OpenAPI schema may not say (`ValidateCustomResourceDefinitionOpenAPISchema`)."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from umiak.api.apiextensions import _field_paths, _internal, _structural
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, not_supported, required
from umiak.objects.structural.prune import EMBEDDED, META_FIELDS, PRESERVE
from umiak.objects.types import Object

TYPES = ("array", "boolean", "integer", "number", "object", "string")
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
LIST_TYPE, LIST_KEYS, MAP_TYPE = "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type"
RULES = "x-kubernetes-validations"
DATA = "must have a default or be a required property"
UNIQUE_ITEMS = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"


class Around(msgspec.Struct, frozen=True):
    """What holds for a schema because of where it stands."""

    no_defaults: str | None = None
    """Why defaults are forbidden; None when they are not."""
    inside_meta: bool = False


ANYWHERE = Around()
MOST_KEYS = 256
"""Map keys of a list that are looked at: each fault shows all of them."""


def faults(schema: Object, path: str, around: Around = ANYWHERE, is_root: bool = True) -> list[FieldError]:
    return list(_faults(schema, path, around, is_root))


def _faults(schema: Object, path: str, around: Around, is_root: bool) -> Iterator[FieldError]:
    yield from _basics(schema, path, around)
    if schema.get("uniqueItems"):
        yield field_forbidden(f"{path}.uniqueItems", UNIQUE_ITEMS)
    yield from _parts(schema, path, around, is_root)
    if schema.get(PRESERVE) is False:
        yield invalid_value(f"{path}.{PRESERVE}", False, "must be true or undefined")
    yield from _map_type(schema, path)
    yield from _list_type(schema, path)
    yield from _keys_are_there(schema, path)
    for index, rule in enumerate(schema.get(RULES) or ()):
        yield from _rule(schema, rule, f"{path}.{RULES}[{index}]")


def _basics(schema: Object, path: str, around: Around) -> Iterator[FieldError]:
    kind = schema.get("type") or ""
    if kind and kind not in TYPES:
        yield not_supported(f"{path}.type", kind, TYPES)
    if schema.get("default") is not None and around.no_defaults is not None:
        yield field_forbidden(f"{path}.default", f"must not be set {around.no_defaults}".rstrip())
    for field in ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"):
        if schema.get(field) not in (None, "", {}):
            yield field_forbidden(f"{path}.{field}", f"{field} is not supported")
    if kind == "null":
        yield field_forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list):
        yield field_forbidden(f"{path}.items", "items must be a schema object and not an array")
    if around.inside_meta and schema.get(EMBEDDED):
        yield field_forbidden(f"{path}.{EMBEDDED}", "must not be used inside of resource meta")


def _parts(schema: Object, path: str, around: Around, is_root: bool) -> Iterator[FieldError]:
    others, properties = schema.get("additionalProperties"), schema.get("properties") or {}
    if others is not None:
        if properties and others is not True:
            text = "additionalProperties and properties are mutual exclusive"
            yield field_forbidden(f"{path}.additionalProperties", text)
        if isinstance(others, dict):
            why = "inside additionalProperties applying to object metadata"
            deeper = replace(around, no_defaults=why) if around.inside_meta else around
            yield from _faults(others, f"{path}.additionalProperties", deeper, False)
    for name in sorted(properties):
        inner = around
        if (is_root or schema.get(EMBEDDED)) and name in META_FIELDS:
            forbidden = f"in top-level {name}" if is_root else around.no_defaults
            inner = replace(around, inside_meta=True, no_defaults=forbidden)
        yield from _faults(properties[name], f"{path}.properties[{name}]", inner, False)
    if isinstance(schema.get("not"), dict):
        yield from _faults(schema["not"], f"{path}.not", around, False)
    for field in ("allOf", "oneOf", "anyOf"):
        for index, inside in enumerate(schema.get(field) or ()):
            yield from _faults(inside, f"{path}.{field}[{index}]", around, False)
    for name, inside in sorted((schema.get("definitions") or {}).items()):
        yield from _faults(inside, f"{path}.definitions[{name}]", around, False)
    yield from _items(schema.get("items"), f"{path}.items", around)


def _items(items: Any, path: str, around: Around) -> Iterator[FieldError]:
    if isinstance(items, dict):
        yield from _faults(items, path, around, False)
    for index, inside in enumerate(items if isinstance(items, list) else ()):
        yield from _faults(inside, f"{path}[{index}]", around, False)


def _wants_type(schema: Object, wanted: str, marker: str, path: str) -> Iterator[FieldError]:
    kind, text = schema.get("type") or "", f"must be {wanted} if {marker} is specified"
    yield invalid_value(f"{path}.type", kind, text) if kind else required(f"{path}.type", text)


def _map_type(schema: Object, path: str) -> Iterator[FieldError]:
    found = schema.get(MAP_TYPE)
    if found is None:
        return
    if schema.get("type") != "object":
        yield from _wants_type(schema, "object", MAP_TYPE, path)
    if found not in ("atomic", "granular"):
        yield not_supported(f"{path}.{MAP_TYPE}", found, ("atomic", "granular"))


def _list_type(schema: Object, path: str) -> Iterator[FieldError]:
    found, keys, items = schema.get(LIST_TYPE), schema.get(LIST_KEYS) or [], schema.get("items")
    if found is not None and schema.get("type") != "array":
        yield from _wants_type(schema, "array", LIST_TYPE, path)
    elif found == "set" and isinstance(items, dict):
        yield from _set_items(items, f"{path}.items")
    if found is not None and found not in ("atomic", "set", "map"):
        yield not_supported(f"{path}.{LIST_TYPE}", found, ("atomic", "set", "map"))
    if keys and found != "map":
        text = f"must be map if {LIST_KEYS} is non-empty"
        place = f"{path}.{LIST_TYPE}"
        yield required(place, text) if found is None else invalid_value(place, found, text)
    if found == "map":
        yield from _map_items(schema, keys, items, path)


def _set_items(items: Object, path: str) -> Iterator[FieldError]:
    text = f"must be atomic as item of a list with {LIST_TYPE}=set"
    if items.get("type") == "array" and items.get(LIST_TYPE) not in (None, "atomic"):
        yield invalid_value(f"{path}.{LIST_TYPE}", items[LIST_TYPE], text)
    if items.get("type") == "object" and items.get(MAP_TYPE) != "atomic":
        yield invalid_value(f"{path}.{MAP_TYPE}", items.get(LIST_TYPE), text)


def _map_items(schema: Object, keys: list[str], items: Any, path: str) -> Iterator[FieldError]:
    if not keys:
        yield required(f"{path}.{LIST_KEYS}", f"must not be empty if {LIST_TYPE} is map")
    if items is None:
        yield required(f"{path}.items", f"must have a schema if {LIST_TYPE} is map")
        return
    if isinstance(items, list):
        text = f"must only have a single schema if {LIST_TYPE} is map"
        yield invalid_value(f"{path}.items", items, text)
        return
    kind = items.get("type") or ""
    if kind != "object":
        text = f"must be object if parent array's {LIST_TYPE} is map"
        yield invalid_value(f"{path}.items.type", kind, text)
        return
    for index, key in enumerate(keys[:MOST_KEYS]):
        found = (items.get("properties") or {}).get(key)
        if found is None:
            yield invalid_value(f"{path}.{LIST_KEYS}", keys, "entries must all be names of item properties")
        elif found.get("type") in ("array", "object"):
            text = f"must be a scalar type if parent array's {LIST_TYPE} is map"
            yield invalid_value(f"{path}.items.properties[{key}].type", kind, text)
        if key in keys[:index]:
            yield invalid_value(f"{path}.{LIST_KEYS}", keys, "must not contain duplicate entries")


def _keys_are_there(schema: Object, path: str) -> Iterator[FieldError]:
    """Elements of sets and maps, and the keys of these, are never null or absent."""
    found, items = schema.get(LIST_TYPE), schema.get("items")
    if found not in ("set", "map") or not isinstance(items, dict):
        return
    if items.get("nullable"):
        yield field_forbidden(f"{path}.items.nullable", f"cannot be nullable when {LIST_TYPE} is {found}")
    for key in (schema.get(LIST_KEYS) or ()) if found == "map" else ():
        field = (items.get("properties") or {}).get(key)
        if field is None:
            continue
        place, begin = f"{path}.items.properties[{key}]", f"this property is in {LIST_KEYS}, so it "
        if key not in (items.get("required") or ()) and field.get("default") is None:
            yield required(f"{place}.default", begin + DATA)
        if field.get("nullable"):
            yield field_forbidden(f"{place}.nullable", begin + "cannot be nullable")


def _rule(schema: Object, rule: Object, path: str) -> Iterator[FieldError]:
    """What can be said of a rule without reading its expression."""
    text, message = rule.get("rule") or "", rule.get("message") or ""
    if not text.strip():
        yield required(f"{path}.rule", "rule is not specified")
    elif message and not message.strip():
        yield invalid_value(f"{path}.message", message, "must be non-empty if specified")
    elif _has_line_breaks(message.strip()):
        yield invalid_value(f"{path}.message", message, "must not contain line breaks")
    elif _has_line_breaks(text.strip()) and not message.strip():
        yield required(f"{path}.message", "message must be specified if rule contains line breaks")
    expression = rule.get("messageExpression") or ""
    if expression and not expression.strip():
        yield required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
    if rule.get("reason") is not None and rule["reason"] not in REASONS:
        yield not_supported(f"{path}.reason", rule["reason"], REASONS)
    yield from _rule_path(schema, rule.get("fieldPath") or "", f"{path}.fieldPath")


def _has_line_breaks(text: str) -> bool:
    return "\n" in text or "\r" in text


def _rule_path(schema: Object, found: str, path: str) -> Iterator[FieldError]:
    if not found:
        return
    if not found.strip():
        yield invalid_value(path, found, "must be non-empty if specified")
    if _has_line_breaks(found):
        yield invalid_value(path, found, "must not contain line breaks")
    if _structural.unsupported(schema):
        return
    try:
        _field_paths.resolve(found, schema)
    except _field_paths.NoSuchField:
        yield invalid_value(path, found, "must be a valid path")


ALLOWED_AT_ROOT = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern "
    "MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields "
    "XValidations"
)


def root_faults(schema: Object, path: str, has_status: bool) -> Iterator[FieldError]:
    """Next to a status subresource, a root says little more than its properties."""
    begin = f"{path}.openAPIV3Schema"
    for field in _internal.set_fields(schema) if has_status else ():
        if field == "Type":
            if schema["type"] != "object":
                text = 'only "object" is allowed as the type at the root of the schema if the status subresource is '
                yield invalid_value(f"{begin}.type", schema["type"], text + "enabled")
                break
        elif field not in ALLOWED_AT_ROOT.split():
            text = f"only [{ALLOWED_AT_ROOT}] fields are allowed at the root of the schema if the status subresource "
            yield invalid_value(begin, _internal.schema(schema), text + "is enabled")
            break
    if schema.get("nullable"):
        yield field_forbidden(f"{begin}.nullable", "nullable cannot be true at the root")

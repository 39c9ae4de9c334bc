"""Whether the schema in a CustomResourceDefinition is one that the server can work with.

Source: `k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation` and `pkg/apiserver/schema/validation.go`.
Expressions (`x-kubernetes-validations`) are only checked for being there.
"""

import re
from collections.abc import Iterator

from umiak.api.common.checks import Errors
from umiak.objects.errors import invalid_value, not_supported, required
from umiak.objects.types import Object

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_IMPLIED = {"metadata": "object", "kind": "string", "apiVersion": "string"}
_LISTS = ("atomic", "set", "map")
_FIELD, _ITEM = "must not be empty for specified object fields", "must not be empty for specified array items"


def openapi_schema(schema: Object, path: str, errors: Errors) -> None:
    """The whole schema of one version."""
    kind = schema.get("type") or ""
    if not kind:
        errors.append(required(f"{path}.type", "must not be empty at the root"))
    elif kind != "object":
        errors.append(invalid_value(f"{path}.type", kind, "must be object at the root"))
    for name, wanted in _IMPLIED.items():
        field = (schema.get("properties") or {}).get(name)
        if field is not None and (field.get("type") or "") != wanted:
            errors.append(
                invalid_value(f"{path}.properties[{name}].type", field.get("type") or "", f"must be {wanted}")
            )
    lists: Errors = []
    rules: Errors = []
    _node(schema, path, errors, lists, rules)
    errors += lists + rules


def _inside(schema: Object, path: str) -> Iterator[tuple[Object, str, str]]:
    """The schemas right below one, where they are, and what they lack without a type."""
    items, more = schema.get("items"), schema.get("additionalProperties")
    if isinstance(items, dict):
        yield items, f"{path}.items", _ITEM
    properties = schema.get("properties") or {}
    for name in sorted(properties):
        yield properties[name] or {}, f"{path}.properties[{name}]", _FIELD
    if isinstance(more, dict):
        yield more, f"{path}.additionalProperties", _FIELD


def _node(schema: Object, path: str, errors: Errors, lists: Errors, rules: Errors) -> None:
    kind = schema.get("type") or ""
    if kind and kind not in _TYPES:
        errors.append(not_supported(f"{path}.type", kind, _TYPES))
    if kind == "array" and schema.get("items") is None:
        errors.append(required(f"{path}.items", "must be specified"))
    if schema.get("pattern"):
        _pattern(schema["pattern"], f"{path}.pattern", errors)
    _list(schema, path, lists)
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        if not (rule.get("rule") or "").strip():
            rules.append(required(f"{path}.x-kubernetes-validations[{index}].rule", "rule is not specified"))
    for child, place, lacking in _inside(schema, path):
        if not (
            child.get("type")
            or child.get("x-kubernetes-int-or-string")
            or child.get("x-kubernetes-preserve-unknown-fields")
        ):
            errors.append(required(f"{place}.type", lacking))
        _node(child, place, errors, lists, rules)


def _pattern(pattern: str, path: str, errors: Errors) -> None:
    """Reports what no dialect allows; the dialect of the reference has forms that Python does not know."""
    try:
        re.compile(pattern)
    except re.error as fault:
        if "unterminated subpattern" in fault.msg:
            text = f"missing closing ): `{pattern}`"
        elif "unbalanced parenthesis" in fault.msg:
            text = f"unexpected ): `{pattern}`"
        elif "unterminated character set" in fault.msg:
            text = f"missing closing ]: `{pattern[fault.pos or 0 :]}`"
        else:
            return
        why = f"must be a valid regular expression, but isn't: error parsing regexp: {text}"
        errors.append(invalid_value(path, pattern, why))


def _list(schema: Object, path: str, errors: Errors) -> None:
    """`x-kubernetes-list-type` and what it asks of the list and its items."""
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or []
    if kind is None:
        if keys:
            text = "must be map if x-kubernetes-list-map-keys is non-empty"
            errors.append(required(f"{path}.x-kubernetes-list-type", text))
        return
    text = "must be array if x-kubernetes-list-type is specified"
    if not schema.get("type"):
        errors.append(required(f"{path}.type", text))
    elif schema["type"] != "array":
        errors.append(invalid_value(f"{path}.type", schema["type"], text))
    if kind not in _LISTS:
        errors.append(not_supported(f"{path}.x-kubernetes-list-type", kind, _LISTS))
    if kind != "map":
        return
    if not keys:
        text = "must not be empty if x-kubernetes-list-type is map"
        errors.append(required(f"{path}.x-kubernetes-list-map-keys", text))
    items = schema.get("items")
    if isinstance(items, dict):
        if items.get("type") != "object":
            text = "must be object if parent array's x-kubernetes-list-type is map"
            errors.append(invalid_value(f"{path}.items.type", items.get("type") or "", text))
            return
        for index, key in enumerate(keys):
            if key not in (items.get("properties") or {}):
                text = "entries must all be names of item properties"
                errors.append(invalid_value(f"{path}.x-kubernetes-list-map-keys[{index}]", key, text))

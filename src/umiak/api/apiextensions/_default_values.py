"""Whether the defaults in a structural schema are values of that schema (apiextensions' `schema/defaulting`)."""

from collections.abc import Callable, Iterator
from typing import Any

from umiak.api.apiextensions import _embedded as embedded
from umiak.api.apiextensions._structural import has_rules
from umiak.objects.encoding import copy
from umiak.objects.errors import FieldError, invalid_value
from umiak.objects.structural import values
from umiak.objects.structural.prune import EMBEDDED, META_FIELDS, prune
from umiak.objects.types import Object

Surround = Callable[[Any], Any]
"""Builds the object around a value: `spec.a` of 1 is `{"spec": {"a": 1}}`."""


def faults(schema: Object, path: str, must_be_pruned: bool = True) -> list[FieldError]:
    """What is wrong with any default below a root schema."""
    root = {**schema, EMBEDDED: True}
    return list(_faults(root, path, root, _whole, False, must_be_pruned))


def _whole(value: Any) -> Any:
    return {"kind": "Validation", "apiVersion": "validation/v1", **value}


def _faults(
    schema: Object, path: str, root: Object, surround: Surround, inside_meta: bool, must_be_pruned: bool
) -> Iterator[FieldError]:
    if schema.get(EMBEDDED):
        root, surround, inside_meta = schema, _whole, False
    if schema.get("default") is not None:
        value, here = copy(schema["default"]), f"{path}.default"
        if inside_meta:
            yield from _in_metadata(schema, value, here, root, surround)
        else:
            yield from _plain(schema, value, here, must_be_pruned, schema is root)
    if isinstance(schema.get("items"), dict):
        yield from _faults(schema["items"], f"{path}.items", root, _element(surround), inside_meta, must_be_pruned)
    properties = schema.get("properties") or {}
    for name in sorted(properties):
        inner = inside_meta or (bool(schema.get(EMBEDDED)) and name in META_FIELDS)
        where = f"{path}.properties[{name}]"
        yield from _faults(properties[name], where, root, _field(surround, name), inner, must_be_pruned)


def _field(surround: Surround, name: str) -> Surround:
    return lambda value: surround({name: value})


def _element(surround: Surround) -> Surround:
    return lambda value: surround([value])


def _plain(schema: Object, value: Any, path: str, must_be_pruned: bool, is_root: bool) -> Iterator[FieldError]:
    pruned = copy(value)
    prune(pruned, schema, bool(schema.get(EMBEDDED)))
    if must_be_pruned and pruned != value:
        yield invalid_value(path, value, "must not have unknown fields")
    try:
        embedded.coerce(copy(value), schema, path)
    except embedded.Malformed as error:
        place, _, text = str(error).partition(": ")
        yield FieldError("FieldValueInvalid", place, text)
        return
    found = embedded.faults(value, schema, path)
    yield from found or _against_schema(schema, value, path, is_root)


def _against_schema(schema: Object, value: Any, path: str, is_root: bool) -> list[FieldError]:
    """Rules hold for a default that stays, and for one that comes anew."""
    found = values.faults(schema, value, at=path)
    if found or not has_rules(schema):
        return found
    from umiak.api.apiextensions._evaluation import rules  # brings the expression language

    check = rules(schema, is_root=is_root, path=path)
    return [] if check is None else check(value, value) or check(value, None)


def _in_metadata(schema: Object, value: Any, path: str, root: Object, surround: Surround) -> Iterator[FieldError]:
    obj = surround(value)
    begin = "must result in valid metadata"
    try:
        embedded.coerce(obj, root)
    except embedded.Malformed as error:
        yield invalid_value(path, value, f"{begin}: {error}")
        return
    if found := embedded.faults(obj, root):
        texts = ", ".join(map(str, found))
        yield invalid_value(path, value, f"{begin}: [{texts}]" if len(found) > 1 else f"{begin}: {texts}")
        return
    yield from _against_schema(schema, value, path, schema is root)

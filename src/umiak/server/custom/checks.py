"""What makes a custom resource invalid: its schema, its scale, objects inside it, lists with repetitions, its rules."""

from collections.abc import Callable
from typing import Any

import msgspec

from umiak.api.apiextensions import _embedded as embedded
from umiak.api.apiextensions._structural import RuleCheck, has_rules
from umiak.objects import names
from umiak.objects.errors import FieldError, invalid_value
from umiak.objects.go_text import plain, quoted, type_name
from umiak.objects.structural.lists import repetitions
from umiak.objects.structural.values import NO_PATH, UNKNOWN, faults
from umiak.objects.types import Object
from umiak.server.metadata import STANDARD_FINALIZERS

Rules = Callable[[Object], RuleCheck | None]
"""A schema to the check of its `x-kubernetes-validations`; None when it has none."""

AboutCheck = Callable[[Object, Object | None], list[FieldError]]

MAX_INT32 = 2**31 - 1
BLOCKING = {
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
}
UNCHECKED = (
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete "
    "validation"
)


def rules_of(schema: Object) -> RuleCheck | None:
    """Evaluates rules; the expression language is loaded with the first schema that has any."""
    if not has_rules(schema):
        return None
    from umiak.api.apiextensions._evaluation import rules

    return rules(schema)


class Checks(msgspec.Struct, frozen=True):
    """The checks of one version; `scale` is the definition's scale subresource, if any."""

    schema: Object
    scale: Object | None
    rules: RuleCheck | None
    about: AboutCheck = lambda new, old: []
    """What is wrong with metadata: the server tells it anyhow, but rules wait until it is mended, too."""

    def create(self, obj: Object) -> list[FieldError]:
        found = [*faults(self.schema, obj), *self._scale_spec(obj), *self._scale_status(obj)]
        found += embedded.faults(obj, self.schema)
        found += repetitions(self.schema, obj)
        return [*found, *self._rules(found, obj, None)]

    def update(self, new: Object, old: Object) -> list[FieldError]:
        """What was wrong before and stayed as it was is let pass."""
        found = [*faults(self.schema, new, old), *self._scale_spec(new), *self._scale_status(new)]
        found += embedded.faults(new, self.schema)
        if not repetitions(self.schema, old):
            found += repetitions(self.schema, new)
        return [*found, *self._rules(found, new, old)]

    def status(self, new: Object, old: Object) -> list[FieldError]:
        found: list[FieldError] = []
        inner = (self.schema.get("properties") or {}).get("status")
        if "status" in new and inner is not None:
            found += faults(inner, new["status"], old.get("status", UNKNOWN), "status")
        found += self._scale_status(new)
        if not repetitions(self.schema, old):
            found += repetitions(self.schema, new)
        return [*found, *self._rules(found, new, old)]

    def _rules(self, found: list[FieldError], new: Object, old: Object | None) -> list[FieldError]:
        if self.rules is None:
            return []
        if any(fault.type in BLOCKING for fault in (*found, *self.about(new, old))):
            return [invalid_value(NO_PATH, None, UNCHECKED)]
        return self.rules(new, old)

    def _scale_spec(self, obj: Object) -> list[FieldError]:
        return _replicas(obj, self.scale["specReplicasPath"]) if self.scale else []

    def _scale_status(self, obj: Object) -> list[FieldError]:
        if not self.scale:
            return []
        found = _replicas(obj, self.scale["statusReplicasPath"])
        if path := self.scale.get("labelSelectorPath"):
            _, wrong = _nested(obj, path, str, "string")
            found += [invalid_value(path, "", wrong)] if wrong else []
        return found


def _nested(obj: Object, path: str, wanted: type, name: str) -> tuple[Any, str]:
    """(the value at a dotted path, what is wrong with it); None where there is none."""
    value: Any = obj
    parts = path.removeprefix(".").split(".")
    for index, part in enumerate(parts):
        if value is None:
            return None, ""
        if not isinstance(value, dict):
            walked = "." + ".".join(parts[: index + 1])
            why = f"{plain(value)} is of the type {type_name(value)}, expected map[string]interface{{}}"
            return None, f"{walked} accessor error: {why}"
        if part not in value:
            return None, ""
        value = value[part]
    if type(value) is not wanted:
        found = "<nil>" if value is None else type_name(value)
        return None, f".{'.'.join(parts)} accessor error: {plain(value)} is of the type {found}, expected {name}"
    return value, ""


def _replicas(obj: Object, path: str) -> list[FieldError]:
    value, wrong = _nested(obj, path, int, "int64")
    if wrong:
        return [invalid_value(path, 0, wrong)]
    if value is None:
        return []
    if value < 0:
        return [invalid_value(path, value, "should be a non-negative integer")]
    if value > MAX_INT32:
        return [invalid_value(path, value, f"should be less than or equal to {MAX_INT32}")]
    return []


def finalizer_warnings(new: Object, old: Object | None) -> list[str]:
    """Finalizers of a custom resource may have any name; some are warned of."""
    before = set() if old is None else set(old["metadata"].get("finalizers") or ())
    added = sorted(set(new["metadata"].get("finalizers") or ()) - before)
    return [text for name in added for text in _finalizer(name)]


def _finalizer(name: str) -> list[str]:
    begin = f"metadata.finalizers: {quoted(name)}: "
    found = [begin + text for text in names.label_key(name)]
    if "/" not in name and name not in STANDARD_FINALIZERS:
        including = " including a path (/)" if "." in name else ""
        found.append(
            f"{begin}prefer a domain-qualified finalizer name{including} to avoid accidental conflicts with other "
            "finalizer writers"
        )
    return found

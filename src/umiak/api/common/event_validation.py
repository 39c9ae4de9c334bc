"""Validates Events of both versions; the older one is only strict about what came after it.

Source: `pkg/apis/core/validation/events.go`.
"""

from typing import Any

from umiak.api.common.checks import Errors, check
from umiak.api.common.metadata import IMMUTABLE, label_key
from umiak.api.internal import Shown, shown
from umiak.objects.errors import FieldError, invalid_value, required
from umiak.objects.types import Object

_MISMATCH = "does not match event.namespace"
_LIMITS = (("reportingInstance", 128), ("action", 128), ("reason", 128))


def legacy(obj: Object, about: str, controller: str) -> list[FieldError]:
    """What holds for every Event; `about` and `controller` are what a version calls those fields.

    The reference names the object's field as the older version does, whatever the request's version.
    """
    errors: Errors = []
    namespace = (obj.get("metadata") or {}).get("namespace") or ""
    its = (obj.get(about) or {}).get("namespace") or ""
    path = "involvedObject.namespace"
    if not obj.get("eventTime"):
        if (its and its != namespace) or (not its and namespace not in ("", "default")):
            errors.append(invalid_value(path, its, _MISMATCH))
        return errors
    if not its and namespace not in ("default", "kube-system"):
        errors.append(invalid_value(path, its, _MISMATCH))
    if not obj.get(controller):
        errors.append(required(controller))
    check(label_key, obj.get(controller) or "", controller, errors)
    for field, limit in _LIMITS:
        value = obj.get(field) or ""
        if not value:
            errors.append(required(field))
        if len(value.encode()) > limit:
            errors.append(invalid_value(field, "", f"can have at most {limit} characters"))
    if len((obj.get("message") or obj.get("note") or "").encode()) > 1024:
        errors.append(invalid_value("message", "", "can have at most 1024 characters"))
    return errors


def strict(obj: Object) -> list[FieldError]:
    """What else holds for Events of events.k8s.io/v1."""
    errors: Errors = []
    _series(obj.get("series"), errors)
    if not obj.get("eventTime"):
        errors.append(required("eventTime"))
    if obj.get("type") not in ("Normal", "Warning"):
        errors.append(invalid_value("type", "", f"has invalid value: {obj.get('type') or ''}"))
    for field in ("FirstTimestamp", "LastTimestamp", "Count", "Source"):
        if obj.get(f"deprecated{field}"):
            errors.append(invalid_value(field[0].lower() + field[1:], "", "needs to be unset"))
    return errors


def _series(series: Object | None, errors: Errors) -> None:
    if series is None:
        return
    if (series.get("count") or 0) < 2:
        errors.append(invalid_value("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        errors.append(required("series.lastObservedTime"))


_FIXED = ("reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "reason", "type", "eventTime")
_FIXED_TOO = ("action", "related", "reportingComponent", "reportingInstance")


_FORMS = {
    "involvedObject": "core.ObjectReference",
    "related": "*core.ObjectReference",
    "source": "core.EventSource",
    "firstTimestamp": "meta.Time",
    "lastTimestamp": "meta.Time",
    "eventTime": "meta.MicroTime",
    "count": "int32",
}


def _printed(field: str, value: Any) -> Shown:
    return shown(_FORMS.get(field, "string"), value)


def strict_update(new: Object, old: Object) -> list[FieldError]:
    """Through events.k8s.io/v1 only the series of an Event may change. Both come in the form of core/v1."""
    errors: Errors = []
    if new.get("series") != old.get("series"):
        _series(new.get("series"), errors)
    for field in ("involvedObject", *_FIXED, *_FIXED_TOO):
        if (new.get(field) or None) != (old.get(field) or None):
            named = "reportingController" if field == "reportingComponent" else field
            errors.append(invalid_value(named, _printed(field, new.get(field)), IMMUTABLE))
    return errors

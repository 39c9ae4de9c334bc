"""Event (events.k8s.io/v1): the same objects as core/v1 Events, in newer words."""

from umiak.api.common.event_table import columns
from umiak.api.common.event_validation import legacy, strict, strict_update
from umiak.api.common.metadata import path_segment, validate_metadata
from umiak.api.events._versions import from_core, to_core
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    return [*_legacy(obj), *validate_metadata(obj, True), *strict(obj)]


def _legacy(obj: Object) -> list[FieldError]:
    return legacy(obj, "regarding", "reportingController")


def validate_update(new: Object, old: Object) -> list[FieldError]:
    return [*_legacy(new), *strict_update(to_core(new), to_core(old))]


KIND = builtin(
    "events.k8s.io/v1",
    "Event",
    validate=validate,
    validate_update=validate_update,
    validate_name=path_segment,
    free=("regarding.name", "regarding.resourceVersion", "note"),
    checks_metadata=True,
    judges_updates_alone=True,
    to_storage=to_core,
    from_storage=from_core,
    storage_group="core",
    storage_version="v1",
    columns=columns(
        "regarding",
        "deprecatedSource",
        "deprecatedFirstTimestamp",
        "deprecatedLastTimestamp",
        "deprecatedCount",
        "note",
    ),
    selectable={
        "reason": lambda obj: obj.get("reason") or "",
        "reportingController": lambda obj: obj.get("reportingController") or "",
        "type": lambda obj: obj.get("type") or "",
        **{
            f"regarding.{name}": lambda obj, name=name: (obj.get("regarding") or {}).get(name) or ""
            for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        },
    },
    creates_on_update=True,
)

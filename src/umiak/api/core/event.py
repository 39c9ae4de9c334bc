"""Event (core/v1): what happened to an object, and how often."""

from umiak.api.common.event_table import columns
from umiak.api.common.event_validation import legacy
from umiak.api.common.metadata import path_segment
from umiak.api.registry import builtin
from umiak.objects.types import Object


def _about(field: str) -> object:
    return lambda obj: (obj.get("involvedObject") or {}).get(field) or ""


def _field(name: str) -> object:
    return lambda obj: obj.get(name) or ""


def source(obj: Object) -> str:
    return (obj.get("source") or {}).get("component") or obj.get("reportingComponent") or ""


KIND = builtin(
    "v1",
    "Event",
    validate=lambda obj: legacy(obj, "involvedObject", "reportingComponent"),
    validate_name=path_segment,
    free=("involvedObject.name", "involvedObject.resourceVersion", "message"),
    checks_metadata=True,
    columns=columns("involvedObject", "source", "firstTimestamp", "lastTimestamp", "count", "message"),
    selectable={
        **{
            f"involvedObject.{name}": _about(name)
            for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        },
        "reason": _field("reason"),
        "reportingComponent": _field("reportingComponent"),
        "source": source,
        "type": _field("type"),
    },
    creates_on_update=True,
)

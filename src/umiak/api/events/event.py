"""Event (events.k8s.io/v1): the same objects as core/v1 Events, in newer words."""

from umiak.api.common.event_table import columns
from umiak.api.common.event_validation import legacy, strict
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError
from umiak.objects.types import Object

OLDER_WORDS = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_NEWER_WORDS = {older: newer for newer, older in OLDER_WORDS.items()}


def to_storage(obj: Object) -> Object:
    """Events are kept in the form of core/v1."""
    return {**{OLDER_WORDS.get(k, k): v for k, v in obj.items()}, "apiVersion": "v1"}


def from_storage(obj: Object) -> Object:
    return {**{_NEWER_WORDS.get(k, k): v for k, v in obj.items()}, "apiVersion": "events.k8s.io/v1"}


def validate(obj: Object) -> list[FieldError]:
    return legacy(obj, "regarding", "reportingController") + strict(obj)


KIND = builtin(
    "events.k8s.io/v1",
    "Event",
    validate=validate,
    to_storage=to_storage,
    from_storage=from_storage,
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

"""An Event in its two versions: kept as core/v1 says it, shown in events.k8s.io/v1 with newer names."""

from umiak.objects.types import Object

_NEWER = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_OLDER = {newer: older for older, newer in _NEWER.items()}
_WRITTEN_WHEN_EMPTY = {"reportingComponent": "", "reportingInstance": "", "involvedObject": {}}
"""Fields of core/v1 that are there even when empty; in events.k8s.io/v1 only the times and objects are."""
_OMITTED_WHEN_EMPTY = ("reportingController", "reportingInstance")


def to_core(event: Object) -> Object:
    """From events.k8s.io/v1 to v1; shares what is inside."""
    older = {_OLDER.get(name, name): value for name, value in event.items()}
    for name, empty in _WRITTEN_WHEN_EMPTY.items():
        older.setdefault(name, empty if isinstance(empty, str) else {})
    return older | {"apiVersion": "v1"}


def from_core(event: Object) -> Object:
    """From v1 to events.k8s.io/v1; shares what is inside."""
    newer = {_NEWER.get(name, name): value for name, value in event.items()}
    for name in _OMITTED_WHEN_EMPTY:
        if not newer.get(name):
            newer.pop(name, None)
    return newer | {"apiVersion": "events.k8s.io/v1"}

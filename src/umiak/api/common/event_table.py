"""The table of Events, whose two versions call the same fields differently."""

from typing import Any

from umiak.api.common.cells import column, reads, since
from umiak.api.kind import Column
from umiak.objects.types import Object


def columns(about: str, source: str, first: str, last: str, count: str, message: str) -> tuple[Column, ...]:
    """The columns, given what a version calls its fields."""

    def first_seen(obj: Object, now: float) -> Any:
        return since(obj.get(first) or obj.get("eventTime"), now)

    def last_seen(obj: Object, now: float) -> Any:
        if obj.get("series"):
            return since(obj["series"].get("lastObservedTime"), now)
        return since(obj[last], now) if obj.get(last) else first_seen(obj, now)

    def occurrences(obj: Object, now: float) -> Any:
        if obj.get("series"):
            return obj["series"].get("count") or 0
        return obj.get(count) or 1

    def target(obj: Object, now: float) -> Any:
        ref = obj.get(about) or {}
        kind, name = (ref.get("kind") or "").lower(), ref.get("name")
        return f"{kind}/{name}" if name else kind

    def origin(obj: Object, now: float) -> Any:
        given = obj.get(source) or {}
        component = given.get("component") or obj.get("reportingComponent") or obj.get("reportingController") or ""
        instance = given.get("host") or obj.get("reportingInstance") or ""
        return f"{component}, {instance}" if instance else component

    return (
        column("Last Seen", last_seen, "Event.lastTimestamp"),
        column("Type", reads("type"), "Event.type"),
        column("Reason", reads("reason"), "Event.reason"),
        column("Object", target, "Event.involvedObject"),
        column("Subobject", reads(about, "fieldPath"), "ObjectReference.fieldPath", wide=True),
        column("Source", origin, "Event.source", wide=True),
        column("Message", lambda obj, now: (obj.get(message) or "").strip(), "Event.message"),
        column("First Seen", first_seen, "Event.firstTimestamp", wide=True),
        column("Count", occurrences, "Event.count", wide=True),
        column("Name", reads("metadata", "name"), "ObjectMeta.name", format="name", wide=True),
    )

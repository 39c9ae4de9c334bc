"""Events of events.k8s.io/v1 as client-go's newer recorder writes them, which kube-scheduler uses (KEP-383).

Who did what to whom counts, not the words: told again within six minutes, an event becomes a series. Its second time is
written at once, later ones when the series is over.
"""

from collections import OrderedDict
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from umiak.api.events.event import KIND
from umiak.api.kind import Kind
from umiak.objects import meta
from umiak.objects.types import Object

OVER_AFTER = timedelta(minutes=6)
REMEMBERED = 4096
Parts = tuple[object, ...]


class Told(msgspec.Struct, frozen=True):
    """An event about to be written. `name` is the Event object's, `since` when it was first told."""

    component: str
    instance: str
    about: Object
    type: str
    reason: str
    action: str
    message: str
    at: datetime
    name: str
    since: datetime
    related: Object | None = None
    count: int = 1

    @property
    def kind(self) -> Kind:
        return KIND

    @property
    def key(self) -> Parts:
        """Equal for events that make a series."""
        return (self.component, self.instance, self.type, self.reason, self.action, *self._objects())

    def _objects(self) -> Parts:
        return tuple(sorted(self.about.items())), tuple(sorted((self.related or {}).items()))

    @property
    def namespace(self) -> str:
        return self.about.get("namespace") or "default"

    def as_object(self) -> Object:
        made: Object = {
            "apiVersion": KIND.api_version,
            "kind": KIND.kind,
            "metadata": {"name": self.name, "namespace": self.namespace},
            "eventTime": meta.format_micro_time(self.since),
            "reportingController": self.component,
            "reportingInstance": self.instance,
            "action": self.action,
            "reason": self.reason,
            "regarding": self.about,
            "note": self.message,
            "type": self.type,
        }
        if self.related:
            made["related"] = self.related
        return made | (self.as_patch() if self.count > 1 else {})

    def as_patch(self) -> Object:
        return {"series": {"count": self.count, "lastObservedTime": meta.format_micro_time(self.at)}}


class Series:
    """Decides what of the events told is written now."""

    def __init__(self) -> None:
        self._known: OrderedDict[Parts, Told] = OrderedDict()
        """By the time they were last told."""

    def judge(self, event: Told, now: datetime) -> list[Told]:
        """What to write: series that are over, and this one if it is new or told for the second time."""
        due, key = self._ended(now), event.key
        known = self._known.pop(key, None)
        current = event if known is None else replace(known, count=known.count + 1, at=event.at)
        self._known[key] = current
        return [*due, current] if current.count <= 2 else due

    def _ended(self, now: datetime) -> list[Told]:
        due = []
        while self._known:
            key, oldest = next(iter(self._known.items()))
            if now - oldest.at <= OVER_AFTER and len(self._known) < REMEMBERED:
                break
            del self._known[key]
            due += [oldest] if oldest.count > 2 else []
        return due

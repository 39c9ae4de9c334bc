"""Writes core/v1 Events about objects as client-go's EventRecorder does: counted, combined, filtered, dropped.

- The same event again only raises the count of the first one, by patch.
- From the tenth different message of one reason about one object within ten minutes on, they are combined into one.
- Of one source about one object 25 are let through at once, then one in five minutes.
- 1,000 wait for the server at most; a write that cannot reach it is tried 12 times, 10 seconds apart.
"""

import asyncio
import logging
import re
import socket
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Generic, TypeVar

import msgspec
from msgspec.structs import replace

from umiak.api.core.event import KIND as EVENT
from umiak.api.kind import Kind
from umiak.client.contract import Client, Unreachable
from umiak.kit.clock import Clock
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.reconcile.queue import TokenBucket
from umiak.reconcile.series import Series, Told

log = logging.getLogger(__name__)
QUEUE_LENGTH = 1000
AT_ONCE = 16
"""So many writes may be under way: with one after the other a scheduler's events fall behind and are dropped."""
REMEMBERED = 4096
BURST, PER_SECOND = 25.0, 1 / 300
COMBINE_FROM = 10
COMBINE_WITHIN = timedelta(minutes=10)
TRIES, PAUSE = 12, 10.0
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
COMBINED = "(combined from similar events): "

V = TypeVar("V")
Parts = tuple[str, ...]


class Recent(Generic[V]):
    """A dict that forgets what was used longest ago."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._kept: OrderedDict[Parts, V] = OrderedDict()

    def get(self, key: Parts) -> V | None:
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: Parts, value: V) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)


class Observed(msgspec.Struct, frozen=True):
    """An event about to be written. `name` is the Event object's, `since` when it was first seen."""

    component: str
    host: str
    about: Object
    type: str
    reason: str
    message: str
    at: datetime
    name: str
    since: datetime
    count: int = 1
    combined: bool = False
    """Whether it stands for several with different messages; client-go does not say who reports those."""

    @property
    def kind(self) -> Kind:
        return EVENT

    @property
    def source(self) -> Parts:
        return (self.component, self.host, *(self.about.get(f, "") for f in ("kind", "namespace", "name", "uid")))

    @property
    def similar(self) -> Parts:
        return (*self.source, self.about.get("apiVersion", ""), self.type, self.reason)

    @property
    def same(self) -> Parts:
        return (*self.similar, self.about.get("fieldPath", ""), self.message)

    @property
    def namespace(self) -> str:
        return self.about.get("namespace") or "default"

    def as_object(self) -> Object:
        source = {"component": self.component} | ({"host": self.host} if self.host else {})
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "involvedObject": self.about,
            "reason": self.reason,
            "message": self.message,
            "source": source,
            "firstTimestamp": meta.format_time(self.since),
            "lastTimestamp": meta.format_time(self.at),
            "count": self.count,
            "type": self.type,
            "eventTime": None,
            "reportingComponent": "" if self.combined else self.component,
            "reportingInstance": "" if self.combined else self.host,
        }

    def as_patch(self) -> Object:
        return {"count": self.count, "lastTimestamp": meta.format_time(self.at), "message": self.message}


def event_name(name: str, stamp: int) -> str:
    """`name.` and the nanoseconds since the epoch in hexadecimal; a UUID when that cannot name an object."""
    text = f"{name}.{stamp:x}"
    if len(text) <= 253 and SUBDOMAIN.fullmatch(text):
        return text
    return str(uuid.uuid5(uuid.NAMESPACE_OID, text))


class Stamps:
    """Nanoseconds since the epoch, no two alike: the clock has but microseconds, and names are made of them."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, now: datetime) -> int:
        nanoseconds = (now - datetime.fromtimestamp(0, now.tzinfo)) // timedelta(microseconds=1) * 1000
        self._last = max(self._last + 1, nanoseconds)
        return self._last


def reference(about: Object) -> Object:
    """An ObjectReference to an object; one that is a reference already (it may have a fieldPath) stays."""
    if "metadata" not in about:
        return about
    found = {
        "kind": about.get("kind", ""),
        "namespace": meta.namespace(about),
        "name": meta.name(about),
        "uid": meta.uid(about),
        "apiVersion": about.get("apiVersion", ""),
        "resourceVersion": meta.resource_version(about),
    }
    return {k: v for k, v in found.items() if v}


class _Similar(msgspec.Struct):
    """The different messages of one reason, and when the last was seen."""

    last: datetime
    messages: dict[Parts, None] = msgspec.field(default_factory=dict)


class _Written(msgspec.Struct, frozen=True):
    name: str
    since: datetime
    count: int


class Correlator:
    """Decides what becomes of an event: dropped, combined, counted or written as it is."""

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._buckets: Recent[TokenBucket] = Recent()
        self._similar: Recent[_Similar] = Recent()
        self._written: Recent[_Written] = Recent()

    def judge(self, event: Observed, now: datetime) -> Observed | None:
        """None when it is spam; `count` above 1 when an earlier Event is to be patched."""
        event, key = self._combine(event, now)
        seen = self._written.get(key)
        if seen is not None:
            event = replace(event, name=seen.name, since=seen.since, count=seen.count + 1)
        self._written.put(key, _Written(event.name, event.since, event.count))
        return event if self._lets_through(event, now) else None

    def _lets_through(self, event: Observed, now: datetime) -> bool:
        bucket = self._buckets.get(event.source)
        if bucket is None:
            bucket = TokenBucket(PER_SECOND, BURST)
            self._buckets.put(event.source, bucket)
        return bucket.try_take(now.timestamp())

    def _combine(self, event: Observed, now: datetime) -> tuple[Observed, Parts]:
        group = self._similar.get(event.similar)
        if group is None or now - group.last > COMBINE_WITHIN:
            group = _Similar(now)
        group.last = now
        group.messages[(event.message,)] = None
        self._similar.put(event.similar, group)
        if len(group.messages) < COMBINE_FROM:
            return event, event.same
        del group.messages[next(iter(group.messages))]
        name = event_name(event.about.get("name", ""), self._stamps.next(now))
        combined = replace(event, message=COMBINED + event.message, name=name, at=now, since=now, combined=True)
        return combined, event.similar


class Source(msgspec.Struct, frozen=True):
    """One component's view of the writer (`reconcile.contract.Recorder`)."""

    writer: "EventWriter"
    component: str
    host: str = ""

    def event(self, about: Object, type: str, reason: str, message: str) -> None:
        now = self.writer.clock.now()
        target = reference(about)
        name = event_name(target.get("name", ""), self.writer.stamps.next(now))
        self.writer.add(Observed(self.component, self.host, target, type, reason, message, now, name, now))

    def report(
        self, about: Object, type: str, reason: str, action: str, note: str, related: Object | None = None
    ) -> None:
        """The same as an Event of events.k8s.io; `related` is an object that plays a part in it."""
        now, target = self.writer.clock.now(), reference(about)
        name = event_name(target.get("name", ""), self.writer.stamps.next(now))
        instance = f"{self.component}-{self.host or socket.gethostname()}"
        other = None if related is None else reference(related)
        self.writer.add(Told(self.component, instance, target, type, reason, action, note, now, name, now, other))


class EventWriter:
    """Takes events at once and writes them in the background, some at once; those of one Event object in order."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self.clock = clock
        self.stamps = Stamps()
        self.dropped = 0
        """How many were thrown away because too many were waiting."""
        self._client = client
        self._waiting: asyncio.Queue[Observed | Told] = asyncio.Queue(QUEUE_LENGTH)
        self._correlator = Correlator(self.stamps)
        self._series = Series()

    def source(self, component: str, host: str = "") -> Source:
        return Source(self, component, host)

    def add(self, event: Observed | Told) -> None:
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        """Writes until cancelled."""
        slots, writing = asyncio.Semaphore(AT_ONCE), dict[tuple[str, str], asyncio.Task[None]]()
        async with asyncio.TaskGroup() as tasks:
            while True:
                for event in self._due(await self._waiting.get()):
                    await slots.acquire()
                    name = (event.namespace, event.name)
                    task = tasks.create_task(self._deliver_after(writing.get(name), event))
                    writing[name] = task
                    task.add_done_callback(partial(_over, slots, writing, name))

    def _due(self, event: Observed | Told) -> Sequence[Observed | Told]:
        """What is to be written now that this was told."""
        now = self.clock.now()
        if isinstance(event, Told):
            return self._series.judge(event, now)
        observed = self._correlator.judge(event, now)
        return [] if observed is None else [observed]

    async def _deliver_after(self, earlier: "asyncio.Task[None] | None", event: Observed | Told) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        await self._deliver(event)

    async def _deliver(self, event: Observed | Told) -> None:
        for attempt in range(TRIES):
            try:
                await self._write(event)
                return
            except StatusError as error:
                log.debug("server rejected event about %s: %s", event.about.get("name"), error)
                return
            except Unreachable as error:
                log.debug("cannot write event (try %d): %s", attempt + 1, error)
            await self.clock.sleep(PAUSE)

    async def _write(self, event: Observed | Told) -> None:
        if event.count > 1:
            try:
                await self._client.patch(event.kind, event.name, event.namespace, event.as_patch(), type="strategic")
                return
            except StatusError as error:
                if error.code != 404:
                    raise
        await self._client.create(event.kind, event.as_object())


def _over(
    slots: asyncio.Semaphore,
    writing: "dict[tuple[str, str], asyncio.Task[None]]",
    name: tuple[str, str],
    done: "asyncio.Task[None]",
) -> None:
    slots.release()
    if writing.get(name) is done:
        del writing[name]

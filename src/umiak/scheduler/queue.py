"""Pods that wait for a node: ready ones by priority, failed ones backing off, hopeless ones until something changes.

A pod that does not fit anywhere is looked at again only after an event that a plugin which rejected it listens for
(KEP-4247), or after five minutes.
"""

import heapq
import itertools
from collections.abc import Iterable

import msgspec

from umiak.kit.backoff import Backoff
from umiak.objects.meta import Key
from umiak.scheduler.contract import Event
from umiak.scheduler.pods import PodView

BACKOFF = Backoff(first=1.0, limit=10.0)
"""Without a configuration that says podInitialBackoffSeconds and podMaxBackoffSeconds."""
FLUSH_AFTER = 300.0
"""Seconds after which a pod is tried again though nothing seems to have changed."""


class Waiting(msgspec.Struct):
    """One pod in the queue. Times are monotonic seconds."""

    pod: PodView
    since: float
    attempts: int = 0
    ready_at: float = 0.0
    failed_at: float = 0.0
    rejected_by: frozenset[str] = frozenset()
    seen_events: int = 0
    """How many events had happened when its last attempt began."""


class Queue(msgspec.Struct):
    """`retry_on` says for each plugin which events may help a pod that it rejected."""

    retry_on: dict[str, frozenset[Event]]
    backoff: Backoff = BACKOFF
    _active: list[tuple[int, float, int, Key]] = msgspec.field(default_factory=list)
    _backing_off: list[tuple[float, int, Key]] = msgspec.field(default_factory=list)
    _parked: dict[Key, Waiting] = msgspec.field(default_factory=dict)
    _all: dict[Key, Waiting] = msgspec.field(default_factory=dict)
    _active_keys: set[Key] = msgspec.field(default_factory=set)
    _numbers: "itertools.count[int]" = msgspec.field(default_factory=itertools.count)
    _events: list[Event] = msgspec.field(default_factory=list)
    _event_base: int = 0

    def __len__(self) -> int:
        return len(self._all)

    def add(self, pod: PodView, now: float) -> None:
        """A pod without a node that is new or changed. A change of the pod itself may help it."""
        known = self._all.get(pod.key)
        if known is not None and known.pod.uid == pod.uid:
            known.pod = pod
            if pod.key in self._parked:
                self._wake(pod.key, now)
            return
        self._all[pod.key] = Waiting(pod, now)
        self._activate(pod.key)

    def remove(self, key: Key) -> None:
        self._all.pop(key, None)
        self._parked.pop(key, None)
        self._active_keys.discard(key)

    def park(self, key: Key) -> None:
        """Sets a gated pod aside without an attempt."""
        waiting = self._all.get(key)
        if waiting is not None:
            self._active_keys.discard(key)
            waiting.rejected_by = frozenset({"SchedulingGates"})
            waiting.failed_at = float("inf")
            self._parked[key] = waiting

    def _activate(self, key: Key) -> None:
        waiting = self._all[key]
        if key not in self._active_keys:
            self._active_keys.add(key)
            heapq.heappush(self._active, (-waiting.pod.priority, waiting.since, next(self._numbers), key))

    def pop(self, now: float) -> Waiting | None:
        """The next pod to try: the most important, then the one that waited longest."""
        self._advance(now)
        while self._active:
            key = heapq.heappop(self._active)[3]
            if key in self._active_keys and key in self._all:
                self._active_keys.discard(key)
                waiting = self._all[key]
                waiting.attempts += 1
                waiting.seen_events = self._event_base + len(self._events)
                return waiting
        return None

    def _advance(self, now: float) -> None:
        while self._backing_off and self._backing_off[0][0] <= now:
            _, _, key = heapq.heappop(self._backing_off)
            if key in self._all and key not in self._parked:
                self._activate(key)

    def next_wake(self) -> float | None:
        """When a pod that backs off becomes ready; None: nothing is timed."""
        return self._backing_off[0][0] if self._backing_off else None

    def failed(self, waiting: Waiting, rejected_by: Iterable[str], now: float) -> None:
        """Puts a pod back that found no node. `rejected_by` empty: an error; then it just backs off."""
        key = waiting.pod.key
        current = self._all.get(key)
        if current is not waiting:
            return
        waiting.rejected_by = frozenset(rejected_by)
        waiting.failed_at = now
        waiting.ready_at = now + self.backoff.wait(waiting.attempts)
        meanwhile = self._events_since(waiting.seen_events)
        if not waiting.rejected_by or self._helps(waiting, meanwhile):
            self._back_off(key)
        else:
            self._parked[key] = waiting

    def _events_since(self, seen: int) -> list[Event]:
        return self._events[max(0, seen - self._event_base) :]

    def _back_off(self, key: Key) -> None:
        heapq.heappush(self._backing_off, (self._all[key].ready_at, next(self._numbers), key))

    def _helps(self, waiting: Waiting, events: Iterable[Event]) -> bool:
        wanted = [self.retry_on.get(name, frozenset()) for name in waiting.rejected_by]
        return any(event in each for event in events for each in wanted)

    def happened(self, event: Event, now: float) -> None:
        """Something changed in the cluster: wakes the parked pods that it may help."""
        self._events.append(event)
        if len(self._events) > 10_000:
            del self._events[:5_000]
            self._event_base += 5_000
        for key in [k for k, w in self._parked.items() if self._helps(w, (event,))]:
            self._wake(key, now)

    def flush(self, now: float) -> None:
        """Wakes pods that have been parked for very long."""
        for key in [k for k, w in self._parked.items() if now - w.failed_at > FLUSH_AFTER]:
            self._wake(key, now)

    def _wake(self, key: Key, now: float) -> None:
        waiting = self._parked.pop(key)
        if waiting.ready_at > now:
            self._back_off(key)
        else:
            self._activate(key)

    def done(self, key: Key) -> None:
        """The pod was bound."""
        self.remove(key)

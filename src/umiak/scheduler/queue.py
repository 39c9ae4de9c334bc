"""Pods that wait for a node: ready ones by priority, failed ones backing off, hopeless ones until something changes.

A pod that does not fit anywhere is looked at again only after an event that a plugin which rejected it listens for
and whose hint says that it can help (KEP-4247), or after five minutes.
"""

import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping

import msgspec

from umiak.kit.backoff import Backoff
from umiak.objects.meta import Key
from umiak.scheduler.contract import Cycle, Event, Hint
from umiak.scheduler.news import News, of_waiting
from umiak.scheduler.pods import PodView

BACKOFF = Backoff(first=1.0, limit=10.0)
"""Without a configuration that says podInitialBackoffSeconds and podMaxBackoffSeconds."""
MOST_MISSED = 1000
"""Changes that are remembered for a pod whose attempt is under way; of more it is believed that one helps."""
CREATED, FAILED = "UnscheduledPodAdd", "ScheduleAttemptFailure"
"""Why pods come into a queue, beside the events that help them."""
FLUSH_AFTER = 300.0
"""Seconds after which a pod is tried again though nothing seems to have changed."""


class Waiting(msgspec.Struct):
    """One pod in the queue. Times are monotonic seconds."""

    pod: PodView
    since: float
    attempts: int = 0
    began: float = 0.0
    """When its last attempt did."""
    ready_at: float = 0.0
    failed_at: float = 0.0
    rejected_by: frozenset[str] = frozenset()
    missed: list[News] | None = None
    """What has happened since its last attempt began, while that is under way; after MOST_MISSED nothing is added."""
    flushed: bool = False
    """Its last attempt was for no other reason than that it had waited for so long."""
    gated: bool = False
    """Parked before any attempt, by a plugin that does not let it into the queue yet."""


class Queue(msgspec.Struct):
    """`retry_on` says for each plugin which events may help a pod that it rejected; `ask` makes the cycle that hints
    look at; `admit` names the plugin that does not let a pod be tried yet, or nothing."""

    retry_on: Mapping[str, Mapping[Event, Hint]]
    ask: Callable[[PodView], Cycle]
    admit: Callable[[PodView], str] = lambda pod: ""
    backoff: Backoff = BACKOFF
    entered: Callable[[str, str], None] = lambda queue, event: None
    """Told of each pod that comes into a queue (`active`, `backoff`, `unschedulable`, `gated`), and why it does."""
    _active: list[tuple[int, float, int, Key]] = msgspec.field(default_factory=list)
    _backing_off: list[tuple[float, int, Key]] = msgspec.field(default_factory=list)
    _parked: dict[Key, Waiting] = msgspec.field(default_factory=dict)
    _parked_by: dict[str, dict[Key, Waiting]] = msgspec.field(default_factory=dict)
    _all: dict[Key, Waiting] = msgspec.field(default_factory=dict)
    _active_keys: set[Key] = msgspec.field(default_factory=set)
    _tried: dict[Key, Waiting] = msgspec.field(default_factory=dict)
    """Those whose attempt is under way."""
    _numbers: "itertools.count[int]" = msgspec.field(default_factory=itertools.count)
    _listeners: dict[Event, list[str]] = msgspec.field(default_factory=dict)
    _schedulers: set[str] = msgspec.field(default_factory=set)
    """Those that ever had a pod rejected."""

    def __post_init__(self) -> None:
        for plugin, events in self.retry_on.items():
            for event in events:
                self._listeners.setdefault(event, []).append(plugin)

    def __len__(self) -> int:
        return len(self._all)

    def counts(self) -> dict[str, int]:
        """How many pods wait, by the reference's name of the queue."""
        gated = sum(waiting.gated for waiting in self._parked.values())
        backing_off = len(self._all) - len(self._active_keys) - len(self._parked) - len(self._tried)
        unschedulable = len(self._parked) - gated
        return {
            "active": len(self._active_keys),
            "backoff": backing_off,
            "unschedulable": unschedulable,
            "gated": gated,
        }

    def add(self, pod: PodView, now: float) -> None:
        """A pod without a node that is new or changed. A change of the pod itself may help it."""
        known = self._all.get(pod.key)
        if known is None or known.pod.uid != pod.uid:
            self.remove(pod.key)
            self._all[pod.key] = Waiting(pod, now)
            self._activate(pod.key, CREATED)
            return
        news = of_waiting(known.pod, pod)
        known.pod = pod
        helping = next((each for each in news if self._helps(known, each)), None) if pod.key in self._parked else None
        if helping is not None:
            self._wake(pod.key, now, helping.event.value)
        elif known.missed is not None:
            known.missed += news

    def remove(self, key: Key) -> None:
        self._all.pop(key, None)
        self._tried.pop(key, None)
        self._unpark(key)
        self._active_keys.discard(key)

    def _park(self, waiting: Waiting, rejected_by: Iterable[str]) -> None:
        waiting.rejected_by = frozenset(rejected_by)
        self._parked[waiting.pod.key] = waiting
        for plugin in waiting.rejected_by:
            self._parked_by.setdefault(plugin, {})[waiting.pod.key] = waiting

    def _unpark(self, key: Key) -> Waiting | None:
        waiting = self._parked.pop(key, None)
        if waiting is not None:
            waiting.gated = False
            for plugin in waiting.rejected_by:
                self._parked_by[plugin].pop(key, None)
        return waiting

    def _activate(self, key: Key, event: str) -> None:
        waiting = self._all[key]
        held_by = self.admit(waiting.pod)
        if held_by:
            waiting.gated = True
            self._park(waiting, (held_by,))
            self.entered("gated", event)
        elif key not in self._active_keys:
            self._active_keys.add(key)
            self.entered("active", event)
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
                waiting.began = now
                waiting.missed = []
                self._tried[key] = waiting
                return waiting
        return None

    def _advance(self, now: float) -> None:
        while self._backing_off and self._backing_off[0][0] <= now:
            _, _, key = heapq.heappop(self._backing_off)
            if key in self._all and key not in self._parked and key not in self._tried:
                self._activate(key, "BackoffComplete")

    def next_wake(self) -> float | None:
        """When a pod that backs off becomes ready; None: nothing is timed."""
        return self._backing_off[0][0] if self._backing_off else None

    def failed(self, waiting: Waiting, rejected_by: Iterable[str], now: float) -> None:
        """Puts a pod back that found no node. `rejected_by` empty: an error; then it just backs off."""
        key, missed = waiting.pod.key, waiting.missed or []
        if self._all.get(key) is not waiting:
            return
        self._tried.pop(key, None)
        self._unpark(key)  # it was parked by its refusal, and then telling of that failed
        waiting.missed = None
        waiting.rejected_by = frozenset(rejected_by)
        waiting.failed_at = now
        waiting.flushed = False
        waiting.ready_at = now + self.backoff.wait(waiting.attempts)
        lost_count = len(missed) >= MOST_MISSED
        if not waiting.rejected_by or lost_count or any(self._helps(waiting, news) for news in missed):
            self._back_off(key, FAILED)
        else:
            self._park(waiting, waiting.rejected_by)
            self.entered("unschedulable", FAILED)

    def _back_off(self, key: Key, event: str) -> None:
        self.entered("backoff", event)
        heapq.heappush(self._backing_off, (self._all[key].ready_at, next(self._numbers), key))

    def _helps(self, waiting: Waiting, news: News) -> bool:
        return any(
            plugin in waiting.rejected_by and self._hint(plugin, waiting, news)
            for plugin in self._listeners.get(news.event, ())
        )

    def _hint(self, plugin: str, waiting: Waiting, news: News) -> bool:
        return self.retry_on[plugin][news.event](self.ask(waiting.pod), news.old, news.new)

    def happened(self, news: News, now: float) -> None:
        """Something changed in the cluster: wakes the parked pods that it may help."""
        listeners = self._listeners.get(news.event, ())
        for tried in self._tried.values() if listeners else ():
            if tried.missed is not None and len(tried.missed) < MOST_MISSED:
                tried.missed.append(news)
        for plugin in listeners:
            parked = self._parked_by.get(plugin)
            if parked:
                for key in [k for k, waiting in parked.items() if self._hint(plugin, waiting, news)]:
                    self._wake(key, now, news.event.value)

    def flush(self, now: float) -> None:
        """Wakes pods that have been parked for very long."""
        stuck = [k for k, w in self._parked.items() if not w.gated and now - w.failed_at > FLUSH_AFTER]
        for key in stuck:
            self._all[key].flushed = True
            self._wake(key, now, "UnschedulableTimeout")

    def _wake(self, key: Key, now: float, event: str) -> None:
        waiting = self._parked[key]
        if waiting.gated:
            waiting.since = now
        self._unpark(key)
        if waiting.ready_at > now:
            self._back_off(key, event)
        else:
            self._activate(key, event)

    def rejections(self) -> Mapping[tuple[str, str], int]:
        """How many pods each plugin rejects, by plugin and scheduler."""
        found = {(plugin, name): 0 for plugin in self._parked_by for name in self._schedulers}
        for plugin, parked in self._parked_by.items():
            for waiting in parked.values():
                self._schedulers.add(waiting.pod.scheduler)
                key = (plugin, waiting.pod.scheduler)
                found[key] = found.get(key, 0) + 1
        return found

    def done(self, waiting: Waiting) -> None:
        """The pod was bound, or is gone. One of the same name that came meanwhile stays."""
        if self._all.get(waiting.pod.key) is waiting:
            self.remove(waiting.pod.key)

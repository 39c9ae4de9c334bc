"""The truth: every object as the store has it, with what it was before, and who wrote each change."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar

import msgspec

from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.store.contract import Event
from umiak.store.logged import Done
from umiak.store.memory import MemoryStore
from umiak.testing.chaos.plan import Plan

ACTOR: ContextVar[str] = ContextVar("actor", default="cluster")
"""The process or person at work, e.g. `controllers-a`."""
DEED: ContextVar[str] = ContextVar("deed", default="")
"""What it is about, e.g. `replicaset`."""
KEPT = 64
"""Versions kept of each object."""


class Version(msgspec.Struct, frozen=True):
    """An object from `since` on; it ended with the next one, or with `until`."""

    since: float
    object: Object


class Change(msgspec.Struct, frozen=True):
    """One committed write. `new` is None when the object is gone; `last` is its final state."""

    at: float
    actor: str
    deed: str
    kind: str
    key: Key
    old: Object | None
    new: Object | None
    last: Object

    @property
    def uid(self) -> str:
        return meta.uid(self.last)

    @property
    def begins_deletion(self) -> bool:
        """The object is on its way out, or out at once, and was not before."""
        return not meta.is_being_deleted(self.old or {}) and (self.new is None or meta.is_being_deleted(self.new))


class Ledger(MemoryStore):
    """A store that notes whose every write is."""

    def __init__(self) -> None:
        super().__init__()
        self.authors: dict[int, tuple[str, str]] = {}

    def _submit(self, events: Sequence[Event], done: Done) -> None:
        super()._submit(events, done)
        for event in events:
            self.authors[event.revision] = (ACTOR.get(), DEED.get())


class World(msgspec.Struct):
    """`time` tells the true time in seconds. Objects handed out are shared: read only."""

    plan: Plan
    time: Callable[[], float]
    by_kind: dict[str, dict[Key, Object]] = msgspec.field(default_factory=dict)
    past: dict[str, deque[Version]] = msgspec.field(default_factory=dict)
    """Versions of each uid, oldest first."""
    gone: dict[str, float] = msgspec.field(default_factory=dict)
    """When each uid ceased to be."""
    running: dict[str, dict[str, Key]] = msgspec.field(default_factory=dict)
    """Per machine the pods (uid and name) whose containers run there, whatever the API says."""
    ever_owned: dict[str, dict[str, None]] = msgspec.field(default_factory=dict)
    """Uids of all that a controller (by uid) ever had."""
    ended_by: dict[str, set[str]] = msgspec.field(default_factory=dict)
    """By deed (a controller, `evict`) the uids of the objects whose end it began."""
    crowded: bool = False
    """Two leaders have been at work at once: what only one can know, such as how many pods it made, is off."""
    calm_since: float | None = None
    """When faults and users ended; None while they go on."""

    def take(self, event: Event, author: tuple[str, str]) -> Change:
        obj: Object = msgspec.json.decode(event.entry.value)
        kind, key, uid = obj["kind"], meta.key(obj), meta.uid(obj)
        table = self.by_kind.setdefault(kind, {})
        old = table.get(key)
        if event.deleted:
            table.pop(key, None)
            self.gone[uid] = self.time()
        else:
            table[key] = obj
            self.past.setdefault(uid, deque(maxlen=KEPT)).append(Version(self.time(), obj))
        if controller := meta.controller_of(obj):
            self.ever_owned.setdefault(controller["uid"], {})[uid] = None
        change = Change(self.time(), *author, kind, key, old, None if event.deleted else obj, obj)
        if change.begins_deletion:
            self.ended_by.setdefault(change.deed, set()).add(uid)
        return change

    def objects(self, kind: str) -> Iterator[Object]:
        return iter(list(self.by_kind.get(kind, {}).values()))

    def get(self, kind: str, key: Key) -> Object | None:
        return self.by_kind.get(kind, {}).get(key)

    def lately(self, kind: str, seconds: float) -> Iterator[Object]:
        """Those that are there, and the last state of those that ceased to be within so many seconds."""
        yield from self.objects(kind)
        for uid, at in self.gone.items():
            if at >= self.time() - seconds and self.past[uid][-1].object["kind"] == kind:
                yield self.past[uid][-1].object

    def owned(self, kind: str, uid: str) -> list[Object]:
        """Those whose controller has this uid."""
        return [o for o in self.objects(kind) if (meta.controller_of(o) or {}).get("uid") == uid]

    def lately_owned(self, kind: str, uid: str) -> list[Object]:
        """As `owned`, and what ceased to be so recently that somebody may still believe in it."""
        return [o for o in self.lately(kind, self.patience) if (meta.controller_of(o) or {}).get("uid") == uid]

    @property
    def patience(self) -> float:
        """How old what a part acts upon may be."""
        return self.plan.staleness

    def recent(self, uid: str, seconds: float | None = None) -> list[Object]:
        """What the object was at any time within the last so many seconds (or `patience`), oldest first."""
        since = self.time() - (self.patience if seconds is None else seconds)
        versions, found = list(self.past.get(uid, ())), []
        for number, version in enumerate(versions):
            ended = versions[number + 1].since if number + 1 < len(versions) else self.gone.get(uid)
            if ended is None or ended >= since:
                found.append(version.object)
        return found

    def ever_recently(self, obj: Object, holds: Callable[[Object], bool]) -> bool:
        """Whether somebody with old news may believe it of `obj`."""
        return holds(obj) or any(holds(version) for version in self.recent(meta.uid(obj)))

    def most(self, obj: Object, number: Callable[[Object], int]) -> int:
        return max(number(version) for version in [obj, *self.recent(meta.uid(obj))])

    def least(self, obj: Object, number: Callable[[Object], int]) -> int:
        return min(number(version) for version in [obj, *self.recent(meta.uid(obj))])

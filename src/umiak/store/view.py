"""What readers of a store see: the newest committed state in memory, watches of it, and history behind it.

A `View` learns of commits by `_apply`; who writes, and where, is for the classes made of it. Everything happens on one
event loop.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from umiak.store.contract import Cancel, Compacted, Entry, Event, FutureRevision, Range, Sink, Unreadable
from umiak.store.index import Index


class History(Protocol):
    """Committed changes since the last compaction."""

    def changes(self, prefix: str, after: int, until: int) -> list[Event]:
        """Changes under `prefix` with after < revision <= until."""
        ...

    def state(self, prefix: str, start: str, limit: int, revision: int) -> tuple[list[Entry], int]:
        """Entries as they were at `revision`, and how many remain after the page."""
        ...


class _Watch:
    """One sink and what the commit being told holds for it."""

    __slots__ = ("batch", "sink")

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.batch: list[Event] = []


def _prefixes(key: str) -> Iterator[str]:
    """All that a watch of `key` may be registered under: every folder above it, and the key itself."""
    at = key.find("/")
    while at >= 0:
        yield key[: at + 1]
        at = key.find("/", at + 1)
    yield key


class Seals(msgspec.Struct, frozen=True):
    """What is known of values that are sealed on the disk: keys that could not be opened, with the reason, and those
    that are sealed in a way that is not used any more."""

    unreadable: dict[str, str] = msgspec.field(default_factory=dict)
    stale: set[str] = msgspec.field(default_factory=set)

    def check(self, key: str) -> None:
        """Raises Unreadable."""
        if (reason := self.unreadable.get(key)) is not None:
            raise Unreadable(key, reason)

    def check_all(self, prefix: str) -> None:
        """Raises Unreadable when something below `prefix` is."""
        for key in self.unreadable:
            if key.startswith(prefix):
                self.check(key)


class View:
    """The reading half of a `Store`."""

    def __init__(self, index: Index, history: History, revision: int, oldest: int, seals: Seals | None = None) -> None:
        """`seals` where values are sealed on the disk."""
        self._index = index
        self._history = history
        self._revision = revision
        self._oldest = oldest
        self._seals = seals
        self._watches: dict[str, list[_Watch]] = {}

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def oldest(self) -> int:
        return self._oldest

    async def get(self, key: str) -> Entry | None:
        if self._seals is not None:
            self._seals.check(key)
        return self._index.entries.get(key)

    def peek(self, key: str) -> Entry | None:
        """As `contract.Store`."""
        if self._seals is not None and key in self._seals.unreadable:
            return None
        return self._index.entries.get(key)

    def is_stale(self, key: str) -> bool:
        """As `contract.Store`."""
        return self._seals is not None and key in self._seals.stale

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        if self._seals is not None:
            self._seals.check_all(prefix)
        if revision in (0, self._revision):
            entries, remaining = self._index.page(prefix, start, limit)
        else:
            self._check_known(revision)
            entries, remaining = self._history.state(prefix, start, limit, revision)
            self._check_known(revision)  # another process may have compacted it away meanwhile
        return Range(entries, revision or self._revision, remaining)

    def reopen(self, covers: Callable[[str], bool]) -> None:
        """Values are sealed in another way now: what could not be opened is tried again, and all others that the
        sealing `covers` are stale."""
        if self._seals is None:
            return
        for key in list(self._seals.unreadable):
            with suppress(Unreadable):
                entries, _ = self._history.state(key, "", 0, self._revision)
                for entry in entries:
                    if entry.key == key:
                        self._index.put(entry)
                del self._seals.unreadable[key]
        self._seals.stale.update(key for key in self._index.entries if covers(key))

    def count(self, prefix: str) -> int:
        return self._index.count(prefix)

    def changes(self, root: str) -> int:
        return self._index.changes(root)

    def _check_known(self, revision: int) -> None:
        if revision < self.oldest:
            raise Compacted(self.oldest)
        if revision > self._revision:
            raise FutureRevision(f"revision {revision} is newer than {self._revision}")

    def _apply(self, events: Sequence[Event]) -> None:
        """Takes a commit, or the next part of one, into what is read from now on."""
        for event in events:
            if event.deleted:
                self._index.remove(event.entry.key)
            else:
                self._index.put(event.entry)
        if self._seals is not None:
            self._seals.stale.difference_update(event.entry.key for event in events)
        self._revision = events[-1].revision

    def _tell(self, events: Sequence[Event]) -> None:
        told: dict[_Watch, None] = {}
        for event in events:
            for prefix in _prefixes(event.entry.key):
                for watch in self._watches.get(prefix, ()):
                    watch.batch.append(event)
                    told[watch] = None
        for watch in told:
            batch, watch.batch = watch.batch, []
            watch.sink(batch)

    def watch(self, prefix: str, after: int, sink: Sink) -> Cancel:
        self._check_known(after)
        if after < self._revision:
            past = self._history.changes(prefix, after, self._revision)
            self._check_known(after)
            if past:
                sink(past)
        watch = _Watch(sink)
        self._watches.setdefault(prefix, []).append(watch)

        def cancel() -> None:
            watches = self._watches.get(prefix, [])
            if watch in watches:
                # A new list, so that a sink may cancel its own watch while being told.
                self._watches[prefix] = [w for w in watches if w is not watch]
                if not self._watches[prefix]:
                    del self._watches[prefix]

        return cancel

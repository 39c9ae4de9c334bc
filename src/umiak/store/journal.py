"""Where a store's changes are kept: the small part in which backends differ."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import msgspec

from umiak.store.contract import Entry, Event
from umiak.store.view import History


class Loaded(msgspec.Struct, frozen=True):
    """What a journal held when it was opened."""

    revision: int
    oldest: int
    entries: Iterable[Entry]


class Journal(History, Protocol):
    """Changes in the order of their revisions. Called by one `LoggedStore`, on its event loop."""

    def load(self, until: int | None = None) -> Loaded:
        """What there is; only what was there at `until` where that is given."""
        ...

    async def append(self, events: Sequence[Event]) -> None:
        """All or nothing, durable on return. Raises Unwritable."""
        ...

    def still(self) -> AbstractAsyncContextManager[None]:
        """Nothing is being written inside, by no thread."""
        ...

    async def compact(self, oldest: int, revision: int) -> None:
        """Forgets changes that are superseded at `revision`; `oldest` is where the last compaction ended."""
        ...

    async def close(self) -> None: ...


class MemoryJournal:
    """Keeps changes in a list; for tests and short-lived servers."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._oldest = 1

    def load(self, until: int | None = None) -> Loaded:
        return Loaded(revision=1, oldest=1, entries=())

    async def append(self, events: Sequence[Event]) -> None:
        self._events.extend(events)

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        yield

    def _slice(self, after: int, until: int) -> list[Event]:
        low = bisect_right(self._events, after, key=lambda e: e.revision)
        high = bisect_right(self._events, until, key=lambda e: e.revision)
        return self._events[low:high]

    def changes(self, prefix: str, after: int, until: int) -> list[Event]:
        return [e for e in self._slice(after, until) if e.entry.key.startswith(prefix)]

    def state(self, prefix: str, start: str, limit: int, revision: int) -> tuple[list[Entry], int]:
        newest = {e.entry.key: e for e in self.changes(prefix, 0, revision)}
        keys = sorted(k for k, e in newest.items() if not e.deleted and k >= start)
        page = keys[:limit] if limit else keys
        return [newest[k].entry for k in page], len(keys) - len(page)

    async def compact(self, oldest: int, revision: int) -> None:
        past = self._slice(0, revision)
        newest = {e.entry.key: e for e in past}
        kept = [e for e in past if newest[e.entry.key] is e and not e.deleted]
        self._events = kept + self._events[len(past) :]

    async def close(self) -> None:
        self._events.clear()

"""The store itself: judges writes, groups them into commits, and shows what is committed.

Everything happens on one event loop. A write is judged at once against `_pending` (called but not yet durable) and
the index (durable), given the next revision, and waits for the commit that carries it. While one commit is on its way
to the disk the next gathers: that is the whole of group commit. Readers and watchers see a change after its commit.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from umiak.store.contract import Entry, Event, Mismatch, Render, StoreError, Unwritable
from umiak.store.index import Index
from umiak.store.journal import Journal
from umiak.store.sealing import SealedJournal
from umiak.store.view import View

LARGEST_COMMIT = 256
"""Writes; more would let the first writer of a batch wait for too many others."""


class Done(Protocol):
    """Learns what became of a write; a future is one."""

    def done(self) -> bool:
        """Whether nobody wants to know any more."""
        ...

    def set_result(self, result: Entry, /) -> None: ...

    def set_exception(self, exception: Exception, /) -> None: ...


class Relay(Protocol):
    """Told what other processes have to know; must not raise or block."""

    def published(self, revision: int) -> None:
        """Called before anybody hears of a commit, with its last revision."""
        ...

    def committed(self, events: Sequence[Event]) -> None:
        """Called when those who wait for the commit here are about to go on."""
        ...

    def failed(self) -> None:
        """What was pending is given up."""
        ...

    def compacted(self, oldest: int) -> None:
        """Called before anything is forgotten."""
        ...


class NoRelay:
    """There are no other processes."""

    def published(self, revision: int) -> None: ...

    def committed(self, events: Sequence[Event]) -> None: ...

    def failed(self) -> None: ...

    def compacted(self, oldest: int) -> None: ...


class LoggedStore(View):
    """A `Store` over a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        index = Index()
        loaded = journal.load()
        for entry in loaded.entries:
            index.put(entry)
        self._sealed = journal if isinstance(journal, SealedJournal) else None
        seals = self._sealed.seals if self._sealed else None
        super().__init__(index, journal, loaded.revision, loaded.oldest, seals)
        self.relay: Relay = NoRelay()
        self._assigned = loaded.revision
        self._pending: dict[str, Event] = {}
        self._queue: list[tuple[Sequence[Event], Done]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def behind(self) -> bool:
        return False

    async def caught_up(self) -> None:
        """What is acknowledged is seen here first."""

    async def latest(self, key: str) -> Entry | None:
        return self._judged(key)

    def _judged(self, key: str) -> Entry | None:
        if self._seals is not None:
            self._seals.check(key)
        event = self._pending.get(key)
        if event is None:
            return self._index.entries.get(key)
        return None if event.deleted else event.entry

    async def put(self, key: str, render: Render, *, expect: int | None = None) -> Entry:
        done: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self.submit_put(key, render, expect, done)
        return await done

    def submit_put(self, key: str, render: Render, expect: int | None, done: Done) -> int:
        """As `put`, for who does not wait: the revision that it gets if nothing fails. Raises Mismatch."""
        if expect == 0 and self._seals is not None and key in self._seals.unreadable:
            raise Mismatch(key, None)  # it is there, whatever it is
        current = self._judged(key)
        if expect is not None and expect != (current.modified if current else 0):
            raise Mismatch(key, current)
        revision = self._assigned + 1
        value = render(revision)
        entry = Entry(key, value, current.created if current else revision, revision)
        self._submit((Event(entry, current, deleted=False),), done)
        return revision

    async def delete(
        self, key: str, *, expect: int | None = None, render: Render | None = None, parting: bool = False
    ) -> Entry:
        done: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self.submit_delete(key, render, expect, done, parting)
        return await done

    def submit_delete(
        self, key: str, render: Render | None, expect: int | None, done: Done, parting: bool = False
    ) -> int:
        """As `delete`, for who does not wait: the last revision that it gets if nothing fails. Raises Mismatch."""
        current = self._judged(key)
        if current is None or (expect is not None and expect != current.modified):
            raise Mismatch(key, current)
        revision = self._assigned + 1
        events: list[Event] = []
        if parting and render:
            entry = Entry(key, render(revision), current.created, revision)
            events.append(Event(entry, current, deleted=False))
            current, revision = entry, revision + 1
        value = render(revision) if render else current.value
        events.append(Event(Entry(key, value, current.created, revision), current, deleted=True))
        self._submit(events, done)
        return revision

    def _submit(self, events: Sequence[Event], done: Done) -> None:
        """All in one commit; `done` learns of the last, which is about the same key."""
        if self._closed:
            raise Unwritable("the store is closed")
        if self._sealed is not None:
            for event in events:
                self._sealed.seal(event)
        last = events[-1]
        self._assigned = last.revision
        self._pending[last.entry.key] = last
        self._queue.append((events, done))
        if self._flusher is None:
            self._flusher = asyncio.get_running_loop().create_task(self._flush(), name="store commits")

    async def _flush(self) -> None:
        try:
            while self._queue:
                batch = self._queue[:LARGEST_COMMIT]
                del self._queue[:LARGEST_COMMIT]
                await self._commit(batch)
        finally:
            self._flusher = None

    async def _commit(self, batch: Sequence[tuple[Sequence[Event], Done]]) -> None:
        events = [event for together, _ in batch for event in together]
        try:
            await self._journal.append(events)
        except StoreError as error:
            self._give_up(batch, error)
            return
        except BaseException as error:
            self._give_up(batch, error)  # nobody may wait for ever because of our bug
            raise
        self._apply(events)
        for event in events:
            if self._pending.get(event.entry.key) is event:
                del self._pending[event.entry.key]
        self.relay.published(events[-1].revision)
        for together, done in batch:  # who waits goes on when this has returned, and before watchers are written to
            if not done.done():
                done.set_result(together[-1].entry)
        self.relay.committed(events)
        self._tell(events)

    def _give_up(self, batch: Sequence[tuple[Sequence[Event], Done]], error: BaseException) -> None:
        """Fails the batch and all that was judged against it. Their revisions were never seen and stay unused."""
        for _, done in [*batch, *self._queue]:
            if not done.done():
                done.set_exception(Unwritable(str(error)))
        self._queue.clear()
        self._pending.clear()
        self.relay.failed()

    def is_pending(self, key: str) -> bool:
        """Whether a write of `key` is on its way to the disk."""
        return key in self._pending

    def still(self) -> AbstractAsyncContextManager[None]:
        """Nothing is on its way to the disk inside; writes wait."""
        return self._journal.still()

    async def compact(self, revision: int) -> None:
        self._check_known(revision)
        before, self._oldest = self._oldest, revision
        self.relay.compacted(revision)
        await self._journal.compact(before, revision)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._flusher is not None:
            await self._flusher
        await self._journal.close()

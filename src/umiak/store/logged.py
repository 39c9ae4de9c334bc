"""The store itself: judges writes, groups them into commits, answers reads from memory, feeds watches.

Everything happens on one event loop. A write is judged at once against `_pending` (called but not yet durable) and
the index (durable), given the next revision, and waits for the commit that carries it. While one commit is on its way
to the disk the next gathers: that is the whole of group commit. Readers and watchers see a change after its commit.
"""

import asyncio
from collections.abc import Iterator, Sequence

from umiak.store.contract import (
    Cancel,
    Compacted,
    Entry,
    Event,
    FutureRevision,
    Mismatch,
    Range,
    Render,
    Sink,
    StoreError,
    Unwritable,
)
from umiak.store.index import Index
from umiak.store.journal import Journal

LARGEST_COMMIT = 256
"""Events; more would let the first writer of a batch wait for too many others."""


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


class LoggedStore:
    """A `Store` over a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._index = Index()
        loaded = journal.load()
        for entry in loaded.entries:
            self._index.put(entry)
        self._revision = loaded.revision
        self._oldest = loaded.oldest
        self._assigned = loaded.revision
        self._pending: dict[str, Event] = {}
        self._queue: list[tuple[Event, asyncio.Future[Entry]]] = []
        self._flusher: asyncio.Task[None] | None = None
        self._watches: dict[str, list[_Watch]] = {}
        self._closed = False

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def oldest(self) -> int:
        return self._oldest

    async def get(self, key: str) -> Entry | None:
        return self._index.entries.get(key)

    async def latest(self, key: str) -> Entry | None:
        return self._judged(key)

    def _judged(self, key: str) -> Entry | None:
        event = self._pending.get(key)
        if event is None:
            return self._index.entries.get(key)
        return None if event.deleted else event.entry

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        if revision in (0, self._revision):
            entries, remaining = self._index.page(prefix, start, limit)
        else:
            self._check_known(revision)
            entries, remaining = self._journal.state(prefix, start, limit, revision)
        return Range(entries, revision or self._revision, remaining)

    def count(self, prefix: str) -> int:
        return self._index.count(prefix)

    def _check_known(self, revision: int) -> None:
        if revision < self._oldest:
            raise Compacted(self._oldest)
        if revision > self._revision:
            raise FutureRevision(f"revision {revision} is newer than {self._revision}")

    async def put(self, key: str, render: Render, *, expect: int | None = None) -> Entry:
        current = self._judged(key)
        if expect is not None and expect != (current.modified if current else 0):
            raise Mismatch(key, current)
        revision = self._assigned + 1
        value = render(revision)
        entry = Entry(key, value, current.created if current else revision, revision)
        return await self._submit(Event(entry, current, deleted=False))

    async def delete(self, key: str, *, expect: int | None = None, render: Render | None = None) -> Entry:
        current = self._judged(key)
        if current is None or (expect is not None and expect != current.modified):
            raise Mismatch(key, current)
        revision = self._assigned + 1
        value = render(revision) if render else current.value
        return await self._submit(Event(Entry(key, value, current.created, revision), current, deleted=True))

    def _submit(self, event: Event) -> asyncio.Future[Entry]:
        if self._closed:
            raise Unwritable("the store is closed")
        loop = asyncio.get_running_loop()
        self._assigned = event.revision
        self._pending[event.entry.key] = event
        done: asyncio.Future[Entry] = loop.create_future()
        self._queue.append((event, done))
        if self._flusher is None:
            self._flusher = loop.create_task(self._flush(), name="store commits")
        return done

    async def _flush(self) -> None:
        try:
            while self._queue:
                batch = self._queue[:LARGEST_COMMIT]
                del self._queue[:LARGEST_COMMIT]
                await self._commit(batch)
        finally:
            self._flusher = None

    async def _commit(self, batch: Sequence[tuple[Event, "asyncio.Future[Entry]"]]) -> None:
        events = [event for event, _ in batch]
        try:
            await self._journal.append(events)
        except StoreError as error:
            self._give_up(batch, error)
            return
        except BaseException as error:
            self._give_up(batch, error)  # nobody may wait for ever because of our bug
            raise
        self._apply(events)
        for event, done in batch:
            if not done.done():
                done.set_result(event.entry)

    def _give_up(self, batch: Sequence[tuple[Event, "asyncio.Future[Entry]"]], error: BaseException) -> None:
        """Fails the batch and all that was judged against it. Their revisions were never seen and stay unused."""
        for _, done in [*batch, *self._queue]:
            if not done.done():
                done.set_exception(Unwritable(str(error)))
        self._queue.clear()
        self._pending.clear()

    def _apply(self, events: Sequence[Event]) -> None:
        for event in events:
            key = event.entry.key
            if event.deleted:
                self._index.remove(key)
            else:
                self._index.put(event.entry)
            if self._pending.get(key) is event:
                del self._pending[key]
        self._revision = events[-1].revision
        self._tell(events)

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
        if after < self._revision and (past := self._journal.changes(prefix, after, self._revision)):
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

    async def compact(self, revision: int) -> None:
        self._check_known(revision)
        before, self._oldest = self._oldest, revision
        await self._journal.compact(before, revision)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._flusher is not None:
            await self._flusher
        await self._journal.close()

"""Values that lie on the disk in another form than in memory, e.g. encrypted: between a journal and what reads it.

The store holds its newest state in memory in plain form, as its readers need it; only what is written to a file is
sealed. What can not be opened is not lost: it stays on the disk, and whoever asks for it hears why.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from umiak.store.contract import Entry, Event, Unreadable
from umiak.store.journal import Journal, Loaded
from umiak.store.view import History, Seals


class Transformer(Protocol):
    """Turns values into what is stored, and back."""

    def seal(self, key: str, value: bytes) -> bytes:
        """Raises Unsealable."""
        ...

    def open(self, key: str, sealed: bytes) -> tuple[bytes, bool]:
        """(the value, whether it would be sealed in another way now). Raises Unreadable."""
        ...


class LoadableHistory(History, Protocol):
    def load(self, until: int | None = None) -> Loaded: ...


class OpenedHistory:
    """The history of a file whose values are sealed."""

    def __init__(self, history: LoadableHistory, transformer: Transformer) -> None:
        self._history = history
        self._transformer = transformer
        self.seals = Seals()

    def load(self, until: int | None = None) -> Loaded:
        loaded = self._history.load(until)
        return Loaded(loaded.revision, loaded.oldest, self._opened(loaded.entries))

    def _opened(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            try:
                value, stale = self._transformer.open(entry.key, entry.value)
            except Unreadable as error:
                self.seals.unreadable[entry.key] = error.reason
                continue
            if stale:
                self.seals.stale.add(entry.key)
            yield Entry(entry.key, value, entry.created, entry.modified)

    def _entry(self, entry: Entry) -> Entry:
        value, _ = self._transformer.open(entry.key, entry.value)
        return Entry(entry.key, value, entry.created, entry.modified)

    def changes(self, prefix: str, after: int, until: int) -> list[Event]:
        """Raises Unreadable."""
        return [
            Event(self._entry(event.entry), self._entry(event.previous) if event.previous else None, event.deleted)
            for event in self._history.changes(prefix, after, until)
        ]

    def state(self, prefix: str, start: str, limit: int, revision: int) -> tuple[list[Entry], int]:
        """Raises Unreadable."""
        entries, remaining = self._history.state(prefix, start, limit, revision)
        return [self._entry(entry) for entry in entries], remaining


class SealedJournal(OpenedHistory):
    """A journal whose values are sealed. Values come sealed already (`seal`), so that only their writer suffers when
    that fails."""

    def __init__(self, journal: Journal, transformer: Transformer) -> None:
        super().__init__(journal, transformer)
        self._journal = journal

    def seal(self, event: Event) -> None:
        """Raises Unsealable."""
        event.sealed = self._transformer.seal(event.entry.key, event.entry.value)

    async def append(self, events: Sequence[Event]) -> None:
        await self._journal.append(events)

    def still(self) -> AbstractAsyncContextManager[None]:
        return self._journal.still()

    async def compact(self, oldest: int, revision: int) -> None:
        await self._journal.compact(oldest, revision)

    async def close(self) -> None:
        await self._journal.close()

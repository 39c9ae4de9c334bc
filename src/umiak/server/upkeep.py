"""Keeps the store from growing for ever: history is forgotten, and events go after an hour.

Both with the reference's figures (etcd's compactor in apiserver, `--event-ttl`): every five minutes history ends where
the store was five minutes before, so that every watch and every page of a list has at least that long.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator

from umiak.api.core import event
from umiak.kit.clock import Clock
from umiak.server import stored
from umiak.store.contract import Entry, Mismatch, Store, StoreError

log = logging.getLogger(__name__)
INTERVAL = 300.0
EVENT_LIFE = 3600.0
"""Seconds since an event was last written."""
PAGE = 500
"""Events looked at, and at most deleted, in one go."""


class Upkeep:
    """Entries tell their revision and not their time, so it notes now and then which revision there was. After a
    restart, what is older counts from then."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._marks: deque[tuple[float, int]] = deque([(clock.monotonic(), store.revision)])

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                await self.once()
            except StoreError as error:
                log.warning("upkeep of the store, again in %d s: %s", INTERVAL, error)

    async def once(self) -> None:
        now = self._clock.monotonic()
        _, before = self._marks[-1]
        self._marks.append((now, self._store.revision))
        if before > self._store.oldest:
            await self._store.compact(before)
        await self._remove_events(self._revision_at(now - EVENT_LIFE))

    def _revision_at(self, moment: float) -> int:
        """The newest noted revision of that time or before; 0 when none is that old."""
        found = 0
        while self._marks and self._marks[0][0] <= moment:
            _, found = self._marks[0]
            if len(self._marks) == 1 or self._marks[1][0] > moment:
                break
            self._marks.popleft()
        return found

    async def _remove_events(self, until: int) -> None:
        """Those that were not written since the revision `until`."""
        if not until:
            return
        async for page in self._pages():
            old = [entry for entry in page if entry.modified <= until]
            await asyncio.gather(*(self._remove(entry) for entry in old))

    async def _pages(self) -> AsyncIterator[list[Entry]]:
        start = ""
        while True:
            page = await self._store.range(event.KIND.store_prefix(), start=start, limit=PAGE)
            if page.entries:
                yield page.entries
            if not page.remaining:
                return
            start = page.entries[-1].key + "\0"

    async def _remove(self, entry: Entry) -> None:
        with contextlib.suppress(Mismatch):  # written again, or gone
            await self._store.delete(entry.key, expect=entry.modified, render=stored.restamp(entry))

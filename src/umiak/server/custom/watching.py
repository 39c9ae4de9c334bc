"""Watches of custom resources that a webhook converts: events wait for it, in their order."""

import asyncio
import logging
from collections.abc import Sequence

from umiak.server.call import Call
from umiak.server.custom.conversion import NotConverted
from umiak.server.custom.version_store import VersionStore
from umiak.server.options import ListOptions
from umiak.server.selection import Selection, prefix
from umiak.server.verbs.watch import Watcher
from umiak.store.contract import Entry, Event

log = logging.getLogger(__name__)
TRY_AGAIN = 1.0
"""Seconds after which a webhook that failed is asked again. Until then nothing is told, as in the reference, whose
cache waits for the webhook, too."""


class ConvertedWatcher(Watcher):
    """Needs a task while there is something to convert."""

    def __init__(self, call: Call, options: ListOptions, wanted: Selection, view: VersionStore) -> None:
        super().__init__(call, options, wanted)
        self._view = view
        self._at_first: tuple[list[Entry], int] = [], 0
        self._waiting: list[Event] = []
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None

    async def look(self) -> None:
        """Reads what there is beforehand, when the watch is to begin with that. Raises StatusError 429."""
        root, key = prefix(self.kind, self.call.namespace, self.wanted)
        found = await self._view.range(root)
        self._at_first = [entry for entry in found.entries if not key or entry.key == key], found.revision

    def present(self, root: str, key: str) -> tuple[list[Entry], int]:
        return self._at_first

    def _sink(self, events: Sequence[Event]) -> None:
        self._waiting += events
        self._waiting_bytes += sum(len(event.entry.value) for event in events)
        if self._waiting_bytes > self.call.app.settings.watch_backlog:
            self.stream.abort()
        elif self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._tell())

    async def _tell(self) -> None:
        while self._waiting:
            events = list(self._waiting)
            try:
                converted = await self._view.events(events)
            except NotConverted as error:
                log.warning("watch of %s: %s", self.kind, error)
                await self.call.app.clock.sleep(TRY_AGAIN)
                continue
            del self._waiting[: len(events)]
            self._waiting_bytes -= sum(len(event.entry.value) for event in events)
            super()._sink(converted)

    def newest(self) -> int:
        return self.seen if self._waiting else super().newest()

    def _ended(self) -> None:
        super()._ended()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

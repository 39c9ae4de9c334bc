"""Keeps one kind's table in step with the server: list, watch, and again when the watch is lost.

Timings are those of client-go's reflector: watches end by themselves after 5 to 10 minutes; after a failure wait
0.8 s, 1.6 s, ... 30 s, each time with as much again of chance. A watch that breaks is taken up where it was; only
when the server has forgotten that place (410) is everything listed anew, and the difference told as changes.
"""

import asyncio
import logging
import random
from collections.abc import Iterable
from typing import Protocol

from umiak.api.kind import Kind
from umiak.client.contract import Client, RawEvent, Unreachable
from umiak.kit.backoff import Backoff
from umiak.kit.clock import Clock
from umiak.objects.errors import StatusError
from umiak.reconcile.cache import Tables, identity

RECONNECT = Backoff(first=0.8, limit=30.0)
SHORTEST_WATCH = 300
log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where an informer puts what it hears; `umiak.reconcile.cache.Table` is one."""

    @property
    def position(self) -> int: ...

    def replace(self, bodies: list[bytes], version: int) -> None: ...

    def saw(self, body: bytes) -> None: ...

    def saw_deleted(self, body: bytes) -> None: ...

    def saw_bookmark(self, body: bytes) -> None: ...


class Informer:
    """Fills `table`. `run` returns only when cancelled."""

    def __init__(
        self,
        kind: Kind,
        table: Sink,
        client: Client,
        clock: Clock,
        chance: random.Random,
        *,
        metadata_only: bool = False,
        fields: str = "",
    ) -> None:
        """`fields` selects which objects to follow."""
        self.kind = kind
        self.table = table
        self.synced = asyncio.Event()
        """Set once the first list is in the table."""
        self.failing: str = ""
        """Why the last list or watch failed; empty while all is well."""
        self._client, self._clock, self._random = client, clock, chance
        self._metadata_only = metadata_only
        self._fields = fields
        self._version = ""
        self._failures = 0

    async def run(self) -> None:
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except (StatusError, Unreachable) as error:
                await self._recover(error)

    async def _list(self) -> None:
        listed = await self._client.raw_list(self.kind, fields=self._fields, metadata_only=self._metadata_only)
        self.table.replace(listed.items, int(listed.resource_version or 0))
        self._version = listed.resource_version
        self.failing = ""
        self.synced.set()

    async def _watch(self) -> None:
        """Follows until the server ends the watch. One that ends at once counts as a failure, lest we spin."""
        began = self._clock.monotonic()
        some = False
        events = self._client.raw_watch(
            self.kind,
            resource_version=self._version,
            timeout=int(SHORTEST_WATCH * (1 + self._random.random())),
            metadata_only=self._metadata_only,
            fields=self._fields,
        )
        async for event in events:
            some = True
            self._failures = 0
            self._take(event)
        if not some and self._clock.monotonic() - began < 1:
            raise Unreachable(f"watch of {self.kind.plural} ended before it began")
        self.failing = ""

    def _take(self, event: RawEvent) -> None:
        if event.type == "DELETED":
            self.table.saw_deleted(event.object)
        elif event.type == "BOOKMARK":
            self.table.saw_bookmark(event.object)
        else:
            self.table.saw(event.object)
        self._version = str(self.table.position)

    async def _recover(self, error: StatusError | Unreachable) -> None:
        """Forgets the place when the server has; waits, unless that was all and is the first time."""
        self._failures += 1
        if isinstance(error, StatusError) and error.code == 410 and self._version:
            self._version = ""
            if self._failures == 1:
                return
        if str(error) != self.failing:
            # a server that restarts ends the watches of all kinds at once: no reason to alarm anybody
            level = logging.INFO if isinstance(error, Unreachable) else logging.WARNING
            log.log(level, "cannot follow %s: %s", self.kind.plural, error)
            self.failing = str(error)
        wait = RECONNECT.wait(self._failures) * (1 + self._random.random())
        if isinstance(error, StatusError):
            wait = max(wait, float(error.retry_after))
        await self._clock.sleep(wait)


class Informers:
    """One informer per kind, started once, for as long as `tasks` lives."""

    def __init__(self, tables: Tables, client: Client, clock: Clock, chance: random.Random) -> None:
        self.tables = tables
        self._client, self._clock, self._random = client, clock, chance
        self._running: dict[tuple[str, str, str], Informer] = {}

    def start(self, kinds: Iterable[Kind], tasks: asyncio.TaskGroup) -> None:
        for kind in kinds:
            if identity(kind) not in self._running:
                informer = Informer(kind, self.tables.ensure(kind), self._client, self._clock, self._random)
                self._running[identity(kind)] = informer
                tasks.create_task(informer.run(), name=f"informer {kind.plural}")

    async def synced(self, kinds: Iterable[Kind]) -> None:
        """Returns once the first list of each of `kinds` is in."""
        for kind in kinds:
            await self._running[identity(kind)].synced.wait()

    @property
    def failing(self) -> dict[str, str]:
        """Kinds that cannot be followed at the moment, and why."""
        return {kind[2]: i.failing for kind, i in self._running.items() if i.failing}

"""Which node ports are taken, and by whom; free ones by chance, away from the band meant for wishes (KEP-3668).

Services in the store say what is taken. While a service is on its way there, its ports are claimed by a key each, with
compare-and-swap, so that no two processes or machines that share the store give the same one. A claim that was left
behind by a crash counts for a minute.
"""

import random
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from umiak.kit.clock import Clock
from umiak.store.contract import Mismatch, Store

FIRST_GUESS = 32769
"""What a dry run shows as the port it would have given."""
CLAIM_LIFE = 60.0
"""Seconds; longer than any request takes."""


class Full(Exception):
    """Every port is taken."""

    def __str__(self) -> str:
        return "range is full"


class Refused(Exception):
    """The wanted port cannot be had; the text is the reference's."""


def static_band(size: int) -> int:
    """How many ports at the start of a range are given by chance only when all others are taken."""
    return 0 if size <= 16 else min(max(16, size // 32), 128)


class Claims:
    """Ports promised to writes that are not stored yet, by anybody who shares the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def make(self, port: int) -> bool:
        """Whether the port is ours until `end`. Everything stored before is known here by then."""
        now = self._clock.now().timestamp()
        entry = await self._store.latest(_key(port))
        if entry is not None and float(entry.value) > now - CLAIM_LIFE:
            return False
        try:
            expect = 0 if entry is None else entry.modified
            await self._store.put(_key(port), lambda revision: b"%f" % now, expect=expect)
        except Mismatch:
            return False
        return True

    async def end(self, port: int) -> None:
        with suppress(Mismatch):  # it took so long that somebody thought it dead
            await self._store.delete(_key(port))


def _key(port: int) -> str:
    """Beside all kinds: no group has such a name."""
    return f"/-/nodeports/{port}"


class NodePorts:
    """Ports by the service that has them."""

    def __init__(self, first: int, last: int, chance: random.Random) -> None:
        self._first, self._last = first, last
        self._chance = chance
        self._of: dict[str, frozenset[int]] = {}
        self._users: dict[int, int] = {}  # how many stored services have a port

    def service_changed(self, key: str, ports: frozenset[int]) -> None:
        """`ports` are those that the stored service has now; none when it is gone."""
        for port in self._of.pop(key, frozenset()):
            self._users[port] -= 1
            if not self._users[port]:
                del self._users[port]
        if ports:
            self._of[key] = ports
        for port in ports:
            self._users[port] = self._users.get(port, 0) + 1

    def is_taken(self, port: int) -> bool:
        return port in self._users

    async def take(self, claims: Claims, port: int) -> None:
        """Raises Refused."""
        if not self._first <= port <= self._last:
            span = f"{self._first}-{self._last}"
            raise Refused(f"provided port is not in the valid range. The range of valid ports is {span}")
        if not await self._claim(claims, port):
            raise Refused("provided port is already allocated")

    async def take_any(self, claims: Claims) -> int:
        """Raises Full."""
        for port in self._candidates():
            if await self._claim(claims, port):
                return port
        raise Full

    async def _claim(self, claims: Claims, port: int) -> bool:
        if self.is_taken(port) or not await claims.make(port):
            return False
        if self.is_taken(port):  # whoever claimed it before us has stored his service meanwhile
            await claims.end(port)
            return False
        return True

    def _candidates(self) -> Iterator[int]:
        """Every port: the upper part first, each part from anywhere on."""
        band = self._first + static_band(self._last - self._first + 1)
        for start, end in ((band, self._last + 1), (self._first, band)):
            if size := end - start:
                offset = self._chance.randrange(size)
                yield from (start + (offset + step) % size for step in range(size))


class PortWork(msgspec.Struct):
    """What one write does to ports; undone as a whole."""

    ports: NodePorts
    claims: Claims
    dry_run: bool
    taken: list[int] = msgspec.field(default_factory=list)

    async def take(self, port: int) -> None:
        """Raises Refused. A dry run does not look at the range."""
        if not self.dry_run:
            await self.ports.take(self.claims, port)
        elif self.ports.is_taken(port) or port in self.taken:
            raise Refused("provided port is already allocated")
        self.taken.append(port)

    async def take_any(self) -> int:
        """Raises Full."""
        port = max([FIRST_GUESS - 1, *self.taken]) + 1 if self.dry_run else await self.ports.take_any(self.claims)
        self.taken.append(port)
        return port

    async def finish(self) -> None:
        """The claims end, whatever came of the write: what is stored is counted by then."""
        taken, self.taken = ([] if self.dry_run else self.taken), []
        for port in taken:
            await self.claims.end(port)

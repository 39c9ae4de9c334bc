"""Asks other name servers what is not ours, and remembers their answers for a while."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from umiak.kit.clock import Clock
from umiak.network.dns import wire
from umiak.network.dns.wire import Query

TRY_SECONDS = 2.0
LONGEST_CACHED = 30
"""Seconds, as `cache 30` in kubeadm's Corefile."""
CACHE_ENTRIES = 10_000
MOST_WAITING = 1_000
"""Queries under way at once; one more is refused (`max_concurrent` there)."""


def servers(resolv_conf: Path) -> list[str]:
    """The name servers of a resolv.conf; none when it cannot be read."""
    try:
        lines = resolv_conf.read_text().splitlines()
    except OSError:
        return []
    return [parts[1] for line in lines if len(parts := line.split()) >= 2 and parts[0] == "nameserver"][:3]


class _Exchange(asyncio.DatagramProtocol):
    """One question on one socket of its own: a fresh port and id make answers hard to forge."""

    def __init__(self, query: bytes) -> None:
        self.query = query
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.sendto(self.query)  # type: ignore[attr-defined]

    def datagram_received(self, data: bytes, addr: object) -> None:
        same_id = data[:2] == self.query[:2]
        if same_id and len(data) >= 12 and data[2] & 0x80 and not self.answer.done():
            self.answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _over_udp(server: str, query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, exchange = await loop.create_datagram_endpoint(lambda: _Exchange(query), remote_addr=(server, 53))
    try:
        return await asyncio.wait_for(exchange.answer, TRY_SECONDS)
    finally:
        transport.close()


async def _over_tcp(server: str, query: bytes) -> bytes:
    async with asyncio.timeout(TRY_SECONDS):
        reader, writer = await asyncio.open_connection(server, 53)
        try:
            writer.write(len(query).to_bytes(2, "big") + query)
            size = int.from_bytes(await reader.readexactly(2), "big")
            return await reader.readexactly(size)
        finally:
            writer.close()


def lifetime(message: bytes) -> int:
    """Seconds that an answer may be remembered: the smallest TTL in it, 0 when it is an error or cannot be read."""
    code = message[3] & 0xF
    if code not in (wire.NOERROR, wire.NXDOMAIN) or message[2] & 0x02:
        return 0
    counts = [int.from_bytes(message[i : i + 2], "big") for i in (4, 6, 8)]
    smallest = LONGEST_CACHED
    try:
        at = 12
        for _ in range(counts[0]):
            at = wire.read_name(message, at)[1] + 4
        for _ in range(counts[1] + counts[2]):
            at = wire.read_name(message, at)[1]
            smallest = min(smallest, int.from_bytes(message[at + 4 : at + 8], "big"))
            at += 10 + int.from_bytes(message[at + 8 : at + 10], "big")
    except (wire.Malformed, IndexError):
        return 0
    return smallest


class Upstream:
    """Forwards to `addresses` in turn. Never raises: what cannot be had is answered SERVFAIL."""

    def __init__(self, addresses: Sequence[str], clock: Clock, chance: random.Random) -> None:
        self.addresses = list(addresses)
        self._clock = clock
        self._chance = chance
        self._cache: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._waiting = 0

    async def resolve(self, query: Query, raw: bytes, *, limit: int) -> bytes:
        kept = self._remembered(query)
        if kept is None:
            if self._waiting >= MOST_WAITING:
                return wire.write_answer(query, wire.REFUSED, authoritative=False)
            self._waiting += 1
            try:
                kept = await self._ask(raw)
            finally:
                self._waiting -= 1
            if kept is None:
                return wire.write_answer(query, wire.SERVFAIL, authoritative=False)
            self._remember(query, kept)
        if len(kept) > limit:
            return wire.truncated(query)
        return query.id.to_bytes(2, "big") + kept[2:]

    def _remembered(self, query: Query) -> bytes | None:
        found = self._cache.get(self._key(query))
        if found and found[0] > self._clock.monotonic():
            return found[1]
        return None

    @staticmethod
    def _key(query: Query) -> bytes:
        return query.question + (b"e" if query.edns else b"-")

    def _remember(self, query: Query, message: bytes) -> None:
        seconds = lifetime(message)
        if seconds:
            self._cache[self._key(query)] = (self._clock.monotonic() + seconds, message)
            if len(self._cache) > CACHE_ENTRIES:
                self._cache.popitem(last=False)

    async def _ask(self, raw: bytes) -> bytes | None:
        number = self._chance.randrange(65536).to_bytes(2, "big")
        question = number + raw[2:]
        for server in self.addresses:
            try:
                message = await _over_udp(server, question)
                if message[2] & 0x02:  # truncated
                    message = await _over_tcp(server, question)
                return message
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                continue
        return None

"""Listens on UDP and TCP. The hot path answers from a cache of whole messages without making a task."""

import asyncio
from collections.abc import Sequence
from typing import cast

from umiak.network.dns import wire
from umiak.network.dns.answer import answer
from umiak.network.dns.upstream import Upstream
from umiak.network.dns.zone import Zone

CACHED_ANSWERS = 10_000
TURNS = 8
"""How many rotations of one answer are kept."""
TCP_CONNECTIONS = 200
TCP_IDLE_SECONDS = 10.0


class Resolver:
    """Answers one message; shared by all listeners."""

    def __init__(self, zone: Zone, upstream: Upstream) -> None:
        self.zone = zone
        self.upstream = upstream
        self._answers: dict[tuple[bytes, int], bytes | None] = {}
        self._version = -1
        self._turn = 0

    def now(self, data: bytes, *, udp: bool) -> bytes | None:
        """The answer if it can be given at once; None when upstream must be asked; empty: say nothing."""
        if self._version != self.zone.version or len(self._answers) > CACHED_ANSWERS:
            self._answers.clear()
            self._version = self.zone.version
        self._turn = (self._turn + 1) % TURNS
        key = (data[2:], self._turn if udp else -1 - self._turn)
        if key in self._answers:
            kept = self._answers[key]
            return None if kept is None else data[:2] + kept[2:]
        made = self._make(data, udp)
        self._answers[key] = made
        return made

    def _make(self, data: bytes, udp: bool) -> bytes | None:
        try:
            query = wire.read_query(data)
            return answer(query, self.zone, turn=self._turn, limit=query.udp_size if udp else 65535)
        except wire.Malformed:
            return wire.failure(data, wire.FORMERR)

    async def later(self, data: bytes, *, udp: bool) -> bytes:
        query = wire.read_query(data)
        return await self.upstream.resolve(query, data, limit=query.udp_size if udp else 65535)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self.resolver.now(data, udp=True)
        if reply:
            self.transport.sendto(reply, addr)
        elif reply is None:
            task = asyncio.ensure_future(self._forward(data, addr))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _forward(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(await self.resolver.later(data, udp=True), addr)


class DnsServer:
    """Cluster DNS on some addresses of this machine."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self.port = 0
        self._udp: list[asyncio.DatagramTransport] = []
        self._tcp: list[asyncio.Server] = []
        self._connections = 0

    async def start(self, addresses: Sequence[str], port: int) -> None:
        """Raises OSError when an address or port cannot be had."""
        loop = asyncio.get_running_loop()
        for address in addresses:
            server = await asyncio.start_server(self._serve_tcp, address, port)
            self._tcp.append(server)
            self.port = server.sockets[0].getsockname()[1]
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _Udp(self.resolver), local_addr=(address, self.port)
            )
            self._udp.append(transport)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        try:
            while self._connections <= TCP_CONNECTIONS:
                async with asyncio.timeout(TCP_IDLE_SECONDS):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    data = await reader.readexactly(size)
                reply = self.resolver.now(data, udp=False)
                if reply is None:
                    reply = await self.resolver.later(data, udp=False)
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the client went away or was silent for too long
        finally:
            self._connections -= 1
            writer.close()

    async def close(self) -> None:
        for server in self._tcp:
            server.close()
        for transport in self._udp:
            transport.close()

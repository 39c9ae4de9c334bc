"""Each connection goes to whoever has fewest."""

import asyncio
import socket
from dataclasses import dataclass, field

from umiak.kit.clock import RealClock
from umiak.kit.http.server import Limits, Server, plain_error, serve
from umiak.kit.http.spread import Spread, listen
from umiak.testing.patience import LONG, until_so


@dataclass
class Taker:
    """Keeps what it gets."""

    willing: bool = True
    sockets: list[socket.socket] = field(default_factory=list)

    @property
    def open(self) -> int:
        return len(self.sockets)

    def take(self, sock: socket.socket) -> bool:
        if self.willing:
            self.sockets.append(sock)
        return self.willing


async def connected(spread: Spread, count: int) -> list[socket.socket]:
    return [await asyncio.to_thread(socket.create_connection, ("127.0.0.1", spread.port), LONG) for _ in range(count)]


async def test_connections_are_spread_evenly_and_not_to_who_can_not():
    takers = [Taker(), Taker(), Taker(willing=False)]
    spread = Spread(listen("127.0.0.1", 0), lambda: takers)
    clients = await connected(spread, 10)
    await until_so(lambda: sum(t.open for t in takers) == 10)
    assert [t.open for t in takers] == [5, 5, 0]
    for sock in takers[0].sockets:
        sock.close()
    takers[0].sockets.clear()
    clients += await connected(spread, 5)
    await until_so(lambda: takers[0].open == 5)
    assert takers[1].open == 5, "who lost all gets the next"
    spread.close()
    for sock in [*clients, *takers[0].sockets, *takers[1].sockets]:
        sock.close()


async def test_an_adopted_connection_is_served_and_its_end_counted():
    ended: list[int] = []

    def handler(request, exchange):
        exchange.reply(200, [], request.peer_address.encode())

    server = Server(handler, Limits(), plain_error, RealClock())
    server.on_end = lambda: ended.append(1)
    taker = Taker()
    spread = Spread(listen("127.0.0.1", 0), lambda: [taker])
    reader, writer = await asyncio.open_connection("127.0.0.1", spread.port)
    await until_so(lambda: taker.open == 1)
    server.adopt(taker.sockets.pop(), None)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"127.0.0.1" in await reader.read()
    writer.close()
    await until_so(lambda: ended == [1])
    spread.close()
    await server.close()


async def test_a_connection_that_is_shed_ends_with_its_next_answer():
    def handler(request, exchange):
        exchange.reply(200, [], b"x")

    server = await serve(handler, "127.0.0.1", 0)
    pairs = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
    await until_so(lambda: server.connections == 3)
    server.shed(1)
    server.shed(1)
    answers = []
    for reader, writer in pairs:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answers.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()
    assert [b"Connection: close" in answer for answer in answers].count(True) == 2
    await server.close()

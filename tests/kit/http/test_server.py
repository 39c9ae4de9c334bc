"""The server over real loopback sockets, spoken to byte by byte."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest

from umiak.kit.http.connection import Connection
from umiak.kit.http.exchange import Pieces
from umiak.kit.http.server import Duplex, Exchange, Handler, HttpRequest, Limits, Server, Stream, serve
from umiak.testing.patience import LONG

QUICK = Limits(linger=0.01)


class Wire:
    """A raw client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One answer with a Content-Length or in chunks."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        status = int(head[0].split()[1])
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, await self.chunks()
        return status, headers, await self.reader.readexactly(int(headers.get("content-length", "0")))

    async def chunk(self) -> bytes:
        size = int((await self.reader.readuntil(b"\r\n")).strip(), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def chunks(self) -> bytes:
        pieces: list[bytes] = []
        while piece := await self.chunk():
            pieces.append(piece)
        return b"".join(pieces)

    async def rest(self) -> bytes:
        return await self.reader.read()


@asynccontextmanager
async def serving(
    handler: Handler, limits: Limits = QUICK
) -> AsyncIterator[tuple[Server, Callable[[], Awaitable[Wire]]]]:
    server = await serve(handler, "127.0.0.1", 0, limits=limits)
    wires: list[Wire] = []

    async def connect() -> Wire:
        wires.append(Wire(*await asyncio.open_connection("127.0.0.1", server.port)))
        return wires[-1]

    try:
        yield server, connect
    finally:
        for wire in wires:
            wire.writer.close()
            await asyncio.gather(wire.writer.wait_closed(), return_exceptions=True)
        await server.close(0)
        await asyncio.sleep(0)


def echo(request: HttpRequest, exchange: Exchange) -> None:
    text = f"{request.method} {request.target} {len(request.body)}"
    exchange.reply(200, [("X-Test", "yes")], text.encode())


async def slow_echo(request: HttpRequest, exchange: Exchange) -> None:
    await asyncio.sleep(0.001)
    echo(request, exchange)


@pytest.mark.parametrize("handler", [echo, slow_echo])
async def test_keep_alive_and_pipelining_in_order(handler: Handler) -> None:
    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(100)))
        for i in range(100):
            status, headers, body = await wire.answer()
            assert (status, headers["x-test"], body) == (200, "yes", b"GET /%d 0" % i)


@pytest.mark.parametrize(
    ("sent", "target"),
    [
        (b"GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /a?b=c 0"),
        (b"GET http://x/a?b HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /a?b 0"),
        (b"GET http://x?b HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /?b 0"),
        (b"GET http://x HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / 0"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS * 0"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", b"POST / 3"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b"POST / 0"),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            b"POST / 3",
        ),
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / 0"),
    ],
)
async def test_accepts(sent: bytes, target: bytes) -> None:
    async with serving(echo) as (_, connect):
        wire = await connect()
        for byte in sent:  # however it is cut
            wire.send(bytes([byte]))
        assert (await wire.answer())[2] == target
        wire.send(sent)
        assert (await wire.answer())[2] == target


REFUSED = [
    (400, b"GET / HTTP/1.1\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\nabc"),
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
    (501, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n"),
    (400, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n"),
    (400, b"GET / HTTP/1.1\nHost: a\n\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX\x00: a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\nX(y): a\r\n\r\n"),
    (400, b"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n"),
    (400, b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET a HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"GET ftp://x/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"CONNECT x:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (400, b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    (505, b"GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    (417, b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n"),
    (413, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"),
    (413, b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"a" * 1001),
    (413, b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n"),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 2000 + b"\r\n\r\n"),
    (431, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 500 + b"\r\n"),
    (431, b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
]


@pytest.mark.parametrize(("status", "sent"), REFUSED, ids=lambda v: repr(v)[:70] if isinstance(v, bytes) else None)
async def test_refuses_and_closes(status: int, sent: bytes) -> None:
    """Nothing behind a refused request is taken for another one; what came before it is answered first."""
    seen: list[str] = []

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        seen.append(request.target)
        echo(request, exchange)

    async with serving(handler, Limits(linger=0.01, max_body=1000, max_header_bytes=1500)) as (_, connect):
        wire = await connect()
        wire.send(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n" + sent + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await wire.answer())[0] == 200
        refused, headers, _ = await wire.answer()
        assert (refused, headers["connection"]) == (status, "close")
        assert await wire.rest() == b""
        assert seen == ["/first"]


async def test_endless_header_is_bounded() -> None:
    """A header line that never ends is refused although the parser has not seen its end."""
    async with serving(echo, Limits(linger=LONG, max_header_bytes=10_000)) as (_, connect):
        wire = await connect()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        for _ in range(20):
            wire.send(b"a" * 1000)
            await asyncio.sleep(0)
        assert (await wire.answer())[0] == 431


async def test_expect_continue() -> None:
    async with serving(echo) as (_, connect):
        wire = await connect()
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"abc")
        assert (await wire.answer())[2] == b"POST / 3"


async def test_continue_waits_for_the_earlier_answer() -> None:
    async with serving(slow_echo) as (_, connect):
        wire = await connect()
        wire.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n")
        wire.send(b"POST /2 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert (await wire.answer())[2] == b"GET /1 0"
        assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        wire.send(b"abc")
        assert (await wire.answer())[2] == b"POST /2 3"


@pytest.mark.parametrize(
    ("sent", "connection", "closes"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "close", True),
        (b"GET / HTTP/1.0\r\n\r\n", "close", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", None, False),
    ],
)
async def test_persistence(sent: bytes, connection: str | None, closes: bool) -> None:
    async with serving(echo) as (_, connect):
        wire = await connect()
        wire.send(sent)
        _, headers, _ = await wire.answer()
        assert headers.get("connection") == connection
        if closes:
            assert await wire.rest() == b""
        else:
            wire.send(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await wire.answer())[2] == b"GET /2 0"


async def test_head_and_bodiless_statuses() -> None:
    def handler(request: HttpRequest, exchange: Exchange) -> None:
        exchange.reply(int(request.target[1:]), [], b"four")

    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send(b"HEAD /200 HTTP/1.1\r\nHost: a\r\n\r\nGET /204 HTTP/1.1\r\nHost: a\r\n\r\n")
        wire.send(b"GET /200 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, none, full = (await wire.rest()).split(b"HTTP/1.1 ")[1:]
        assert b"Content-Length: 4" in head and head.endswith(b"\r\n\r\n")
        assert none.startswith(b"204 No Content") and b"Content-Length" not in none
        assert full.endswith(b"\r\n\r\nfour")


async def test_headers_and_date() -> None:
    seen: list[HttpRequest] = []

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        seen.append(request)
        exchange.reply(200, [])

    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send("GET / HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nx-two: 2\r\nName: Zoë\r\n\r\n".encode())
        _, headers, _ = await wire.answer()
        assert headers["date"].endswith(" gmt")
    assert seen[0].headers == {"host": ["a"], "x-two": ["1", "2"], "name": ["Zoë"]}
    assert (seen[0].peer_address, seen[0].http_version) == ("127.0.0.1", "1.1")


async def test_trailers_do_not_pose_as_headers() -> None:
    seen: list[HttpRequest] = []

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        seen.append(request)
        exchange.reply(200, [])

    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: x\r\n\r\n")
        await wire.answer()
    assert "authorization" not in seen[0].headers


@pytest.mark.parametrize("bad", ["a\r\nSet-Cookie: x", "a\nb", "a\rb"])
async def test_no_line_breaks_in_answers(bad: str, caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: HttpRequest, exchange: Exchange) -> None:
        exchange.reply(200, [("X", bad)])

    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await wire.answer())[0] == 500
    assert "line break" in caplog.text


async def test_failing_and_forgetful_handlers_answer_500(caplog: pytest.LogCaptureFixture) -> None:
    def breaks(request: HttpRequest, exchange: Exchange) -> None:
        raise KeyError("oops")

    async def breaks_later(request: HttpRequest, exchange: Exchange) -> None:
        raise KeyError("oops")

    def forgets(request: HttpRequest, exchange: Exchange) -> None:
        return None

    for handler in (breaks, breaks_later, forgets):
        async with serving(handler) as (_, connect):
            wire = await connect()
            wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await wire.answer())[0] == 500
    assert caplog.text.count("GET /") == 3


async def test_stream_in_chunks() -> None:
    streams: list[Stream] = []

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        streams.append(exchange.start(200, []))

    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await wire.reader.readuntil(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head
        streams[0].write(b"one")
        assert await wire.chunk() == b"one"
        streams[0].write(b"x" * 100_000)
        assert await wire.chunk() == b"x" * 100_000
        streams[0].close()
        assert await wire.chunk() == b""
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await wire.reader.readuntil(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("version", "headers", "body"),
    [(b"1.0", [], b"onetwo"), (b"1.1", [("Content-Length", "6")], b"onetwo")],
    ids=["old client", "length known"],
)
async def test_stream_without_chunks(version: bytes, headers: list[tuple[str, str]], body: bytes) -> None:
    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        stream = exchange.start(200, headers)
        stream.write(b"one")
        await stream.drain()
        stream.write(b"two")
        stream.close()

    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send(b"GET / HTTP/%b\r\nHost: a\r\nConnection: close\r\n\r\n" % version)
        assert (await wire.rest()).split(b"\r\n\r\n", 1)[1] == body


async def test_stream_learns_that_the_client_left() -> None:
    ended = asyncio.Event()

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        exchange.start(200, []).on_close.append(ended.set)

    async with serving(handler) as (server, connect):
        wire = await connect()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await wire.reader.readuntil(b"\r\n\r\n")
        wire.writer.close()
        await asyncio.wait_for(ended.wait(), LONG)
        assert server.connections == 0


async def test_task_is_cancelled_when_the_client_leaves() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await started.wait()
        wire.writer.close()
        await asyncio.wait_for(cancelled.wait(), LONG)


async def test_broken_stream_is_not_ended_properly(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        exchange.start(200, []).write(b"half")
        await asyncio.sleep(0.001)
        raise KeyError("oops")

    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with suppress(ConnectionResetError):
            assert not (await wire.rest()).endswith(b"0\r\n\r\n")


async def test_long_body_is_made_as_the_client_takes_it() -> None:
    made: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(200):
            made.append(number)
            yield bytes([number]) * 100_000

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        exchange.reply(200, [], Pieces(200 * 100_000, pieces))

    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        for _ in range(2):
            await wire.reader.readuntil(b"\r\n\r\n")
            status, _, body = await wire.answer()
            assert (status, body) == (200, b"".join(pieces()))
        del made[:]
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.05)
        assert len(made) < 200  # the client has not read anything


async def test_slow_reader_makes_the_writer_wait() -> None:
    full = asyncio.Event()
    done = asyncio.Event()
    size = 64 * 1024 * 300

    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        stream = exchange.start(200, [])
        for _ in range(300):
            stream.write(b"x" * 64 * 1024)
            if stream.buffered > 128 * 1024:
                full.set()
            assert stream.buffered < 1024 * 1024
            await stream.drain()
        stream.close()
        done.set()

    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.02)
        assert not done.is_set()
        assert len((await wire.answer())[2]) == size
        assert done.is_set()


async def test_upgrade_hands_over_the_bytes_already_read() -> None:
    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        duplex = exchange.upgrade([("Upgrade", "shout")])
        while data := await duplex.read():
            duplex.write(data.upper())
        duplex.close()

    async with serving(handler) as (server, connect):
        wire = await connect()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nhello ")
        head = await wire.reader.readuntil(b"\r\n\r\n")
        assert head == b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n"
        wire.send(b"there")
        assert await wire.reader.readexactly(11) == b"HELLO THERE"
        assert server.connections == 1
        wire.writer.write_eof()
        assert await wire.rest() == b""
        assert server.connections == 0


async def test_declined_upgrade_goes_on_in_http() -> None:
    async with serving(slow_echo) as (_, connect):
        wire = await connect()
        for i in range(3):
            wire.send(b"GET /%d HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" % i)
        wire.send(b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n")
        for want in (b"GET /0 0", b"GET /1 0", b"GET /2 0", b"GET /last 0"):
            assert (await wire.answer())[2] == want


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "framed",
    [
        b"Content-Length: %d\r\n\r\n%b" % (len(SMUGGLED), SMUGGLED),
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
    ],
)
async def test_body_of_an_upgrade_request_is_a_body(framed: bytes) -> None:
    """llhttp stops before it; taken for the next request it would be a smuggled one."""
    async with serving(echo) as (_, connect):
        wire = await connect()
        wire.send(b"POST /1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" + framed)
        wire.send(b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await wire.answer())[2] == b"POST /1 %d" % len(SMUGGLED)
        assert (await wire.answer())[2] == b"GET /2 0"


async def test_hijack_writes_nothing_and_needs_an_upgrade_request(caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: HttpRequest, exchange: Exchange) -> None:
        duplex: Duplex = exchange.hijack()
        duplex.write(b"raw")
        duplex.close()

    async with serving(handler) as (_, connect):
        wire = await connect()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        assert await wire.rest() == b"raw"
        wire = await connect()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await wire.answer())[0] == 500


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHo", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na"]
)
async def test_slow_clients_are_cut_off(sent: bytes) -> None:
    async with serving(echo, Limits(header_timeout=0.02, body_timeout=0.02, idle_timeout=0.02)) as (_, connect):
        wire = await connect()
        wire.send(sent)
        with pytest.raises(ConnectionError):
            assert await asyncio.wait_for(wire.rest(), LONG) == b""
            raise ConnectionError


async def test_too_many_connections() -> None:
    async with serving(echo, Limits(max_connections=1, linger=0.01)) as (_, connect):
        first = await connect()
        first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await first.answer())[0] == 200
        assert (await (await connect()).answer())[0] == 503


async def test_close_lets_answers_finish() -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        started.set()
        await release.wait()
        echo(request, exchange)

    async with serving(handler) as (server, connect):
        idle, busy = await connect(), await connect()
        busy.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await started.wait()
        closing = asyncio.create_task(server.close(1))
        assert await idle.rest() == b""
        release.set()
        status, headers, _ = await busy.answer()
        assert (status, headers["connection"]) == (200, "close")
        await closing
        assert server.connections == 0


async def test_close_breaks_what_does_not_end() -> None:
    def handler(request: HttpRequest, exchange: Exchange) -> None:
        exchange.start(200, [])

    async with serving(handler) as (server, connect):
        wire = await connect()
        wire.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await wire.reader.readuntil(b"\r\n\r\n")
        await server.close(0.01)
        await asyncio.sleep(0)
        assert server.connections == 0


class Held(asyncio.Transport):
    """Can be looked after."""


@pytest.mark.parametrize("upgraded", [False, True])
async def test_a_transport_goes_with_its_connection(upgraded: bool) -> None:
    """One for TLS knows its protocol for good, and holds large buffers."""
    async with serving(echo) as (server, _):
        transport = Held()
        connection: Connection | Duplex = Duplex(transport) if upgraded else Connection(server)
        connection.connection_made(transport)
        seen = weakref.ref(transport)
        connection.connection_lost(None)
        del transport
        assert seen() is None
        if isinstance(connection, Duplex):
            assert connection.buffered == 0

"""The client against our own server, and against wires that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from umiak.kit.http.client import HttpClient, HttpError
from umiak.kit.http.server import Exchange, Handler, HttpRequest, serve
from umiak.testing.patience import until_so


@asynccontextmanager
async def talking(handler: Handler) -> AsyncIterator[HttpClient]:
    server = await serve(handler, "127.0.0.1")
    client = HttpClient(f"http://127.0.0.1:{server.port}")
    try:
        yield client
    finally:
        await client.close()
        await server.close(0)
        await asyncio.sleep(0)


@asynccontextmanager
async def scripted(*answers: bytes | None) -> AsyncIterator[tuple[HttpClient, list[bytes]]]:
    """A server that gives one connection after the other one of `answers`, then closes it; None: closes unasked."""
    left, asked = list(answers), []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = left.pop(0)
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if answer:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    client = HttpClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield client, asked
    finally:
        await client.close()
        server.close()
        await asyncio.sleep(0)


def describe(request: HttpRequest, exchange: Exchange) -> None:
    about = f"{request.method} {request.target} {len(request.body)} {request.headers.get('x-test', ['-'])[0]}"
    exchange.reply(200, [("X-Answer", "a"), ("X-Answer", "b")], about.encode())


async def test_request() -> None:
    async with talking(describe) as client:
        status, headers, body = await client.request("POST", "/a?b=c", {"X-Test": "t"}, b"12345")
        assert (status, headers["x-answer"], body) == (200, "a, b", b"POST /a?b=c 5 t")


async def test_keeps_connections() -> None:
    peers: list[Exchange] = []

    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        peers.append(exchange)
        await asyncio.sleep(0)
        describe(request, exchange)

    server = await serve(handler, "127.0.0.1")
    client = HttpClient(f"http://127.0.0.1:{server.port}", max_connections=2)
    await asyncio.gather(*(client.request("GET", f"/{i}") for i in range(20)))
    assert (len(peers), server.connections) == (20, 2)
    await client.close()
    await server.close(0)


async def test_head_large_bodies_and_no_content() -> None:
    def handler(request: HttpRequest, exchange: Exchange) -> None:
        exchange.reply(
            204 if request.target == "/none" else 200, [], b"" if request.target == "/none" else b"x" * 500_000
        )

    async with talking(handler) as client:
        assert await client.request("HEAD", "/") == (200, (await client.request("HEAD", "/"))[1], b"")
        assert len((await client.request("GET", "/"))[2]) == 500_000
        assert (await client.request("GET", "/none"))[::2] == (204, b"")


async def test_stream_pieces_then_reuse() -> None:
    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        stream = exchange.start(200, [("X", "y")])
        for piece in (b"one", b"two", b"three"):
            stream.write(piece)
            await asyncio.sleep(0.001)
        stream.close()

    async with talking(handler) as client:
        async with await client.stream("GET", "/") as answer:
            assert (answer.status, answer.headers["x"]) == (200, "y")
            assert b"".join([piece async for piece in answer]) == b"onetwothree"
        assert (await client.request("GET", "/"))[2] == b"onetwothree"


async def test_unread_stream_holds_the_server() -> None:
    written = 0

    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        nonlocal written
        stream = exchange.start(200, [])
        while not stream.closed:
            stream.write(b"x" * 65536)
            written += 65536
            await stream.drain()
            await asyncio.sleep(0)

    async with talking(handler) as client, await client.stream("GET", "/") as answer:
        before = -1
        while written != before:  # until nothing more gets through
            before = written
            await asyncio.sleep(0.03)
        assert written < 64 * 1024 * 1024
        del answer


async def test_broken_stream_raises() -> None:
    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        stream = exchange.start(200, [])
        stream.write(b"half")
        await asyncio.sleep(0.005)
        stream.abort()

    async with talking(handler) as client, await client.stream("GET", "/") as answer:
        with pytest.raises(HttpError):
            await answer.read()


async def test_upgrade() -> None:
    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        if request.target == "/no":
            exchange.reply(403, [], b"not you")
            return
        duplex = exchange.upgrade([("Upgrade", "echo")])
        duplex.write(b"hello ")
        duplex.write(await duplex.read_exactly(3))
        duplex.close()

    async with talking(handler) as client:
        status, headers, duplex = await client.upgrade("POST", "/", {"Upgrade": "echo"})
        assert (status, headers["upgrade"]) == (101, "echo")
        duplex.write(b"you")
        assert await duplex.read_exactly(9) == b"hello you"
        assert await duplex.read() == b""
        duplex.close()
        status, _, duplex = await client.upgrade("POST", "/no", {"Upgrade": "echo"})
        assert (status, await duplex.read(), await duplex.read()) == (403, b"not you", b"")


async def test_timeout() -> None:
    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        await asyncio.Event().wait()

    async with talking(handler) as client:
        with pytest.raises(HttpError, match="no answer within"):
            await client.request("GET", "/", timeout=0.01)


async def test_nobody_there(tmp_path: Path) -> None:
    client = HttpClient("http://localhost", unix_socket=str(tmp_path / "none"))
    with pytest.raises(HttpError, match="no connection"):
        await client.request("GET", "/")


async def test_unix_socket(tmp_path: Path) -> None:
    server = await serve(describe, unix_socket=str(tmp_path / "s"))
    client = HttpClient("http://localhost/prefix/", unix_socket=str(tmp_path / "s"))
    assert (await client.request("GET", "/a"))[2] == b"GET /prefix/a 0 -"
    await client.close()
    await server.close(0)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nold", b"old"),
    ],
)
async def test_reads(answer: bytes, body: bytes) -> None:
    async with scripted(answer) as (client, _):
        assert (await client.request("GET", "/"))[2] == body


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100,
    ],
)
async def test_fails_clearly(answer: bytes | None) -> None:
    async with scripted(answer) as (client, _):
        with pytest.raises(HttpError):
            await client.request("GET", "/")


@pytest.mark.parametrize(
    ("method", "asked_again"), [("GET", True), ("DELETE", True), ("POST", False), ("PATCH", False)]
)
async def test_stale_connection(method: str, asked_again: bool) -> None:
    """A kept connection that breaks as it is used again: harmless requests are sent once more."""
    seen: list[str] = []

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        seen.append(request.method)
        if len(seen) == 2:
            exchange._connection.transport.abort()
            exchange.answered = True
            return
        describe(request, exchange)

    async with talking(handler) as client:
        await client.request("GET", "/")
        if asked_again:
            assert (await client.request(method, "/"))[0] == 200
        else:
            with pytest.raises(HttpError):
                await client.request(method, "/")
        assert seen == ["GET", method] + [method] * asked_again


@pytest.mark.parametrize(
    "make", [lambda c: c.request("GET", "/ x"), lambda c: c.request("GET", "/", {"A": "b\r\nC: d"})]
)
async def test_no_injection(make: Callable[[HttpClient], object]) -> None:
    client = HttpClient("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="line break"):
        await make(client)  # type: ignore[misc]


@asynccontextmanager
async def wired(*pieces: bytes, later: tuple[bytes, ...] = ()) -> AsyncIterator[HttpClient]:
    """A server that answers every request with `pieces`, each sent by itself, and after the first of a connection with
    `later` instead when that is given."""

    over: list[asyncio.Event] = []

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now, done = pieces, asyncio.Event()
        over.append(done)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                for piece in now:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.001)
                now = later or now
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    client = HttpClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield client
    finally:
        await client.close()
        for done in over:
            await done.wait()
        server.close()
        await asyncio.sleep(0)


async def outcome(client: HttpClient) -> tuple[object, ...]:
    """Of two requests, so that the second finds an idle connection; or that it went wrong."""
    try:
        return (await client.request("GET", "/"), await client.request("GET", "/"))
    except HttpError:
        return ("failed",)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b:c\r\nx-a:  d \r\n\r\nhi", id="plain"),
        pytest.param(b"HTTP/1.1 201 Created\r\ncontent-length:0\r\n\r\n", id="no body"),
        pytest.param(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", id="no content"),
        pytest.param(b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nno", id="a refusal"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", id="chunks"),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", id="continue first"
        ),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", id="two lengths"),
        pytest.param(b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nhi", id="no header"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", id="a list of lengths"),
        pytest.param(b"HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\nhi", id="no status"),
    ],
)
async def test_an_answer_in_one_piece_is_what_it_is_in_many(answer) -> None:
    async with wired(answer) as whole, wired(*(answer[i : i + 7] for i in range(0, len(answer), 7))) as pieces:
        assert await outcome(whole) == await outcome(pieces)


async def test_an_answer_that_is_late_on_a_connection_that_was_idle() -> None:
    async with wired(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", later=(b"HTTP/1.1 200 OK\r\n",)) as client:
        assert (await client.request("GET", "/"))[0] == 200
        with pytest.raises(HttpError, match=r"no answer within 0\.05 s"):
            await client.request("GET", "/", timeout=0.05)
        assert (await client.request("GET", "/"))[0] == 200  # on a new connection


async def test_more_than_the_answer_ends_the_connection() -> None:
    plain = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with wired(plain, b"and more") as client:
        assert (await client.request("GET", "/"))[0] == 200
        await until_so(lambda: all(connection.lost for connection in client._idle), every=0.001)
        assert (await client.request("GET", "/"))[0] == 200

"""SPDY streams over a real connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from umiak.kit import spdy_session
from umiak.kit.http.client import HttpClient
from umiak.kit.http.duplex import Duplex
from umiak.kit.http.server import Exchange, HttpRequest, serve
from umiak.kit.spdy_session import SessionClosed, SpdySession, negotiate
from umiak.testing.patience import LONG


@asynccontextmanager
async def wires() -> AsyncIterator[tuple[Duplex, Duplex]]:
    """Client's and server's end of one upgraded connection."""
    ends: asyncio.Queue[Duplex] = asyncio.Queue()

    def handler(request: HttpRequest, exchange: Exchange) -> None:
        ends.put_nowait(exchange.upgrade([("Upgrade", "SPDY/3.1")]))

    server = await serve(handler, "127.0.0.1")
    client = HttpClient(f"http://127.0.0.1:{server.port}")
    _, _, near = await client.upgrade("POST", "/", {"Upgrade": "SPDY/3.1"})
    far = await ends.get()
    yield near, far
    near.abort()
    far.abort()
    await client.close()
    await server.close(0)
    await asyncio.sleep(0)


@asynccontextmanager
async def sessions() -> AsyncIterator[tuple[SpdySession, SpdySession]]:
    async with (
        wires() as (near, far),
        SpdySession(near, client=True) as client,
        SpdySession(far, client=False) as server,
    ):
        yield client, server


async def opened(client: SpdySession, server: SpdySession, **headers: str) -> tuple[spdy_session.SpdyStream, ...]:
    near, far = await asyncio.gather(client.open_stream(headers), server.accept_stream())
    assert far is not None
    return near, far


async def read_all(stream: spdy_session.SpdyStream) -> bytes:
    pieces = []
    while piece := await stream.read():
        pieces.append(piece)
    return b"".join(pieces)


async def test_both_ways_and_half_close() -> None:
    async with sessions() as (client, server):
        near, far = await opened(client, server, streamtype="stdin")
        assert far.headers == {"streamtype": "stdin"}
        near.write(b"hello")
        near.close_write()
        assert await read_all(far) == b"hello"
        far.write(b"x" * 200_000)
        far.close_write()
        assert len(await read_all(near)) == 200_000
        assert not near.was_reset
        assert await client.ping()


async def test_server_opens_streams_too() -> None:
    async with sessions() as (client, server):
        near, far = await opened(server, client, a="b")
        near.write(b"1")
        assert (near.number, await far.read()) == (2, b"1")


async def test_large_transfer_with_a_slow_reader() -> None:
    """The writer is held up, nothing is lost, memory stays bounded."""
    size = 8 * 1024 * 1024
    async with sessions() as (client, server):
        near, far = await opened(client, server)

        async def write() -> None:
            for _ in range(size // 65536):
                near.write(b"y" * 65536)
                await near.drain()
            near.close_write()

        writing = asyncio.create_task(write())
        await asyncio.sleep(0.02)
        assert not writing.done()
        assert far._unread_bytes < 2 * 1024 * 1024
        assert len(await read_all(far)) == size
        await writing


async def test_reset_is_seen_on_the_other_side() -> None:
    async with sessions() as (client, server):
        near, far = await opened(client, server)
        gone = asyncio.Event()
        near.on_close.append(gone.set)
        far.reset()
        assert await near.read() == b""
        assert near.was_reset and gone.is_set()
        near.write(b"ignored")
        with pytest.raises(ConnectionResetError):
            await near.drain()


async def test_refused_stream() -> None:
    async with sessions() as (client, server):

        async def refuse() -> None:
            stream = await server.accept_stream(reply=False)
            assert stream is not None
            stream.reset()

        with pytest.raises(SessionClosed, match="refused"):
            await asyncio.gather(client.open_stream({}), refuse())


async def test_end_of_the_session_ends_everything() -> None:
    async with wires() as (near, far), SpdySession(far, client=False) as server:
        async with SpdySession(near, client=True) as client:
            ours, theirs = await opened(client, server)
        await asyncio.wait_for(server.closed.wait(), LONG)
        assert await theirs.read() == b""
        assert await server.accept_stream() is None
        assert await server.accept_stream() is None
        assert ours.was_reset
        with pytest.raises(SessionClosed):
            await client.open_stream({})


async def test_a_peer_that_speaks_something_else() -> None:
    async with wires() as (near, far), SpdySession(far, client=False) as server:
        near.write(b"\x80\x02garbage garbage")
        await asyncio.wait_for(server.closed.wait(), LONG)


async def test_no_reply_in_time() -> None:
    async with sessions() as (client, _):
        with pytest.raises(SessionClosed, match="did not answer"):
            await client.open_stream({}, timeout=0.01)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["v4.channel.k8s.io", "v3.channel.k8s.io"], "v4.channel.k8s.io"),
        (["v5.channel.k8s.io, v4.channel.k8s.io"], "v4.channel.k8s.io"),
        (["x"], ""),
        ([], ""),
    ],
)
def test_negotiate(offered: list[str], chosen: str) -> None:
    assert negotiate(offered, ["v4.channel.k8s.io", "v3.channel.k8s.io"]) == chosen

"""WebSockets between our own two sides and against the websockets library's own client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from umiak.kit import websocket
from umiak.kit.http.client import HttpClient
from umiak.kit.http.duplex import Duplex
from umiak.kit.http.server import Exchange, HttpRequest, Server, serve
from umiak.kit.spdy_session import SpdySession
from umiak.kit.websocket import CHANNEL_V4, CHANNEL_V5, Channels, HandshakeError, Tunnel, WebSocket
from umiak.testing.patience import LONG

Talk = Callable[[WebSocket], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk, *subprotocols: str) -> AsyncIterator[tuple[Server, websocket.Upgrade]]:
    async def handler(request: HttpRequest, exchange: Exchange) -> None:
        try:
            socket = websocket.accept(request, exchange, subprotocols)
        except HandshakeError as error:
            exchange.reply(error.status, [], str(error).encode())
            return
        await talk(socket)

    server = await serve(handler, "127.0.0.1")
    client = HttpClient(f"http://127.0.0.1:{server.port}")

    async def upgrade(method: str, target: str, headers: Mapping[str, str]) -> tuple[Mapping[str, str], Duplex]:
        status, answer, duplex = await client.upgrade(method, target, headers)
        if status != 101:
            raise HandshakeError(status, (await duplex.read()).decode())
        return answer, duplex

    yield server, upgrade
    await client.close()
    await server.close(0.05)
    await asyncio.sleep(0)


async def echo(socket: WebSocket) -> None:
    while (message := await socket.receive()) is not None:
        socket.send(message)
        await socket.drain()


async def test_messages_and_close() -> None:
    async with serving(echo, "") as (_, upgrade):
        socket = await websocket.connect(upgrade, "/")
        for message in (b"", b"one", b"x" * 100_000):
            socket.send(message)
            assert await socket.receive() == message
        await socket.close()
        assert socket.close_code == 1000
        assert await socket.receive() is None


@pytest.mark.parametrize(
    ("offered", "supported", "chosen"),
    [
        (["b", "a"], ["a", "b"], "b"),
        ([], [""], ""),
        (["x"], ["a", ""], HandshakeError),
        ([], ["a"], HandshakeError),
    ],
)
async def test_subprotocols(offered: list[str], supported: list[str], chosen: str | type[Exception]) -> None:
    async with serving(echo, *supported) as (_, upgrade):
        if isinstance(chosen, str):
            socket = await websocket.connect(upgrade, "/", offered)
            assert socket.subprotocol == chosen
            await socket.close()
        else:
            with pytest.raises(chosen, match="not supported") as caught:
                await websocket.connect(upgrade, "/", offered)
            assert caught.value.status == 403  # type: ignore[attr-defined]


KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.mark.parametrize(
    ("method", "changed"),
    [
        ("GET", {"upgrade": "other"}),
        ("GET", {"connection": "keep-alive"}),
        ("GET", {"sec-websocket-version": "8"}),
        ("GET", {"sec-websocket-key": "short"}),
        ("GET", {"sec-websocket-key": "!!"}),
        ("POST", {}),
    ],
)
def test_bad_handshakes(method: str, changed: dict[str, str]) -> None:
    good = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": KEY}
    headers = {name: [value] for name, value in {**good, **changed}.items()}
    with pytest.raises(HandshakeError) as caught:
        websocket.check(HttpRequest(method, "/", headers, b"", b"", "", "1.1"))
    assert caught.value.status == 400


def test_accept_key() -> None:
    """The example of RFC 6455, section 1.3."""
    assert websocket._accept_key(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


async def test_with_the_library_s_own_client() -> None:
    """Fragments, pings and compression offers as another implementation makes them."""
    from websockets.asyncio.client import connect

    async with serving(echo, CHANNEL_V5) as (server, _):
        url = f"ws://127.0.0.1:{server.port}/x"
        async with connect(url, subprotocols=[CHANNEL_V5], max_size=None) as socket:  # type: ignore[list-item]
            await socket.send([b"in ", b"two ", b"parts"])
            assert await socket.recv() == b"in two parts"
            await (await socket.ping())


async def test_broken_frames_end_the_socket() -> None:
    over = asyncio.Event()

    async def talk(socket: WebSocket) -> None:
        assert await socket.receive() is None
        over.set()

    async with serving(talk, "") as (_, upgrade):
        socket = await websocket.connect(upgrade, "/")
        socket._duplex.write(b"\xff\xff\xff\xff")
        await asyncio.wait_for(over.wait(), LONG)
        assert await socket.receive() is None
        assert socket.close_code == 1002


@pytest.mark.parametrize("subprotocol", [CHANNEL_V5, CHANNEL_V4, "base64.channel.k8s.io"])
async def test_channels(subprotocol: str) -> None:
    """An exec: input comes in, output and status go out, a resize is read message by message."""

    async def talk(socket: WebSocket) -> None:
        async with Channels(socket, reads=(websocket.STDIN, websocket.RESIZE)) as server:
            server.write(websocket.STDOUT, b"")
            assert await server.read(websocket.RESIZE) == b'{"Width":80}'
            while data := await server.read(websocket.STDIN):
                server.write(websocket.STDOUT, data.upper())
                if data == b"bye":
                    break
            server.write(websocket.ERROR, b'{"status":"Success"}')

    async with serving(talk, subprotocol) as (_, upgrade):
        socket = await websocket.connect(upgrade, "/", [subprotocol])
        async with Channels(socket, reads=(websocket.STDOUT, websocket.ERROR)) as client:
            client.write(websocket.RESIZE, b'{"Width":80}')
            client.write(websocket.STDIN, b"one")
            assert await client.read(websocket.STDOUT) == b"ONE"
            if subprotocol == CHANNEL_V5:
                client.close_channel(websocket.STDIN)
            else:
                client.write(websocket.STDIN, b"bye")
            assert await client.read(websocket.ERROR) == b'{"status":"Success"}'
            await asyncio.wait_for(client.closed.wait(), LONG)
            assert await client.read(websocket.ERROR) == b""


async def test_unread_channel_holds_the_peer() -> None:
    full = asyncio.Event()

    async def talk(socket: WebSocket) -> None:
        async with Channels(socket, reads=(websocket.STDIN,)) as server:
            await full.wait()
            assert server._channels[websocket.STDIN].size < 1024 * 1024
            total = 0
            while total < 20_000_000:
                total += len(await server.read(websocket.STDIN))
            server.write(websocket.ERROR, b"done")

    async with serving(talk, CHANNEL_V5) as (_, upgrade):
        socket = await websocket.connect(upgrade, "/", [CHANNEL_V5])
        async with Channels(socket, reads=(websocket.ERROR,)) as client:

            async def write() -> None:
                for _ in range(400):
                    client.write(websocket.STDIN, b"x" * 50_000)
                    await client.drain()

            writing = asyncio.create_task(write())
            await asyncio.sleep(0.03)
            assert not writing.done()
            full.set()
            assert await client.read(websocket.ERROR) == b"done"
            await writing


async def test_spdy_through_a_tunnel() -> None:
    """Port-forward as kubectl does it by default: SPDY inside a WebSocket (KEP-4006)."""

    async def talk(socket: WebSocket) -> None:
        async with SpdySession(Tunnel(socket), client=False) as session:
            stream = await session.accept_stream()
            assert stream is not None
            stream.write(await stream.read())
            stream.close_write()
            await session.closed.wait()

    async with serving(talk, websocket.TUNNEL) as (_, upgrade):
        socket = await websocket.connect(upgrade, "/", [websocket.TUNNEL])
        async with SpdySession(Tunnel(socket), client=True) as session:
            stream = await session.open_stream({"streamtype": "data", "port": "80", "requestid": "0"})
            stream.write(b"ping")
            assert (await stream.read(), await stream.read()) == (b"ping", b"")

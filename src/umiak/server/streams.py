"""Streams for WebSocket clients.

Exec and attach: their channels become SPDY streams towards the node (KEP-4006); whatever goes wrong once the WebSocket
is open is told on its error channel. Logs: one stream of bytes, as messages (apimachinery's wsstream.Reader). Watches:
a message for each event.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from umiak.objects.errors import StatusError, internal
from umiak.objects.types import Object
from umiak.server.answer import success
from umiak.server.call import Call
from umiak.server.upstream import Place

if TYPE_CHECKING:
    from umiak.kit.http.exchange import HttpRequest
    from umiak.kit.spdy_session import SpdySession, SpdyStream
    from umiak.kit.websocket import Channels, WebSocket

SPDY = "SPDY/3.1"
CHANNEL_V4 = "v4.channel.k8s.io"
PROTOCOLS = (
    "v5.channel.k8s.io",
    CHANNEL_V4,
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "",
)
BYTES = ("", "binary.k8s.io", "base64.binary.k8s.io")
"""Subprotocols of a single stream."""
PIECE = 2048
"""Most bytes in one message of those."""


def http_request(call: Call) -> "HttpRequest":
    """The request as the WebSocket handshake wants to see it."""
    from umiak.kit.http.exchange import HttpRequest

    request = call.request
    headers = {name: list(values) for name, values in request.headers.items()}
    return HttpRequest(request.method, request.path, headers, request.body, b"", request.peer_address, "1.1")


def is_websocket(call: Call) -> bool:
    return call.request.header("upgrade").lower() == "websocket"


def offered(call: Call) -> list[str]:
    """The subprotocols that the client names."""
    values = call.request.headers.get("sec-websocket-protocol") or ()
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def accepted(call: Call, protocols: Sequence[str]) -> "WebSocket":
    """Raises 400 or 403 when the handshake is no good."""
    from umiak.kit import websocket

    try:
        return websocket.accept(http_request(call), call.exchange, protocols)  # type: ignore[arg-type]
    except websocket.HandshakeError as error:
        raise StatusError(error.status, "BadRequest", str(error)) from None


async def as_messages(call: Call, pieces: AsyncIterable[bytes]) -> None:
    """Sends a stream of bytes after an empty message, until it ends or the client goes. What comes in is not heeded.
    Raises what `pieces` raises, and 400 or 403 when the handshake is no good."""
    socket = accepted(call, BYTES)
    copying = asyncio.ensure_future(_send_all(socket, pieces))
    gone = asyncio.ensure_future(_until_closed(socket))
    try:
        await asyncio.wait({copying, gone}, return_when=asyncio.FIRST_COMPLETED)
        if copying.done():
            copying.result()
    finally:
        for task in (copying, gone):
            task.cancel()
        await asyncio.gather(copying, gone, return_exceptions=True)
        await socket.close()


class EventStream:
    """A watch through a WebSocket: every event is a message, text when it is JSON. Satisfies `call.Stream`."""

    def __init__(self, socket: "WebSocket", is_binary: bool) -> None:
        self.closed = False
        self.on_close: list[Callable[[], None]] = []
        self._socket = socket
        self._is_binary = is_binary

    @property
    def buffered(self) -> int:
        return self._socket.buffered

    def write(self, data: bytes) -> None:
        """Whole events, as they stand one after the other in a plain answer."""
        for event in frames(data) if self._is_binary else data.splitlines():
            self._socket.send(event, text=not self._is_binary)

    async def drain(self) -> None:
        await self._socket.drain()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._socket.close_now()
            for tell in self.on_close:
                tell()

    abort = close

    async def until_closed(self) -> None:
        """Waits for either side to close. What comes in is not heeded."""
        try:
            await _until_closed(self._socket)
        finally:
            self.close()


def frames(data: bytes) -> Iterator[bytes]:
    """Messages that each have their length in four bytes before them."""
    while data:
        end = 4 + int.from_bytes(data[:4])
        yield data[4:end]
        data = data[end:]


async def _send_all(socket: "WebSocket", pieces: AsyncIterable[bytes]) -> None:
    as_text = socket.subprotocol.startswith("base64.")
    socket.send(b"", text=as_text)
    with contextlib.suppress(ConnectionError):
        async for piece in pieces:
            for start in range(0, len(piece), PIECE):
                part = piece[start : start + PIECE]
                socket.send(base64.b64encode(part) if as_text else part, text=as_text)
                await socket.drain()


async def _until_closed(socket: "WebSocket") -> None:
    while await socket.receive() is not None:
        pass


async def translated(call: Call, place: Place, target: str, wanted: set[str]) -> None:
    """Runs one exec or attach. `wanted` names the streams: stdin, stdout, stderr, tty. Raises 400 or 403 when the
    handshake is no good."""
    from umiak.kit import websocket
    from umiak.kit.websocket import Channels

    socket = accepted(call, PROTOCOLS)
    async with Channels(socket, (websocket.STDIN, websocket.RESIZE)) as channels:
        status = await _outcome(call, place, target, wanted, channels)
        if "v4" in socket.subprotocol or "v5" in socket.subprotocol:
            channels.write(websocket.ERROR, msgspec.json.encode(status))
        elif status["status"] != "Success":
            channels.write(websocket.ERROR, str(status.get("message", "")).encode())
        with contextlib.suppress(ConnectionError):
            await channels.drain()


async def _outcome(call: Call, place: Place, target: str, wanted: set[str], channels: "Channels") -> Object:
    """How it ended, as a Status."""
    from umiak.kit.http.client import HttpError
    from umiak.kit.spdy_session import SessionClosed, SpdySession

    headers = {"Upgrade": SPDY, "X-Stream-Protocol-Version": CHANNEL_V4}
    try:
        status, _, wire = await call.app.upstreams.client(place).upgrade("POST", target, headers)
        if status != 101:
            return await _refusal(status, wire)
        async with SpdySession(wire, client=True) as session:
            return await _run(session, channels, wanted)
    except (HttpError, SessionClosed, ConnectionError) as error:
        return internal(f"error dialing backend: {error}").status()


async def _refusal(status: int, wire: "Reader") -> Object:
    text = b""
    while piece := await wire.read():
        text += piece
    shown = text.decode(errors="replace").strip()
    return internal(f"unable to upgrade connection: {shown or status}").status()


async def _run(session: "SpdySession", channels: "Channels", wanted: set[str]) -> Object:
    """Opens the streams in the order a kubelet waits for, copies until the command has ended."""
    from umiak.kit import websocket

    error = await session.open_stream({"streamtype": "error"})
    error.close_write()
    incoming: list[asyncio.Task[None]] = []
    outgoing: list[asyncio.Task[None]] = []
    loop = asyncio.get_running_loop()
    if "stdin" in wanted:
        stream = await session.open_stream({"streamtype": "stdin"})
        incoming.append(loop.create_task(_to_node(channels, websocket.STDIN, stream)))
    for number, name in ((websocket.STDOUT, "stdout"), (websocket.STDERR, "stderr")):
        if name in wanted and not (name == "stderr" and "tty" in wanted):
            stream = await session.open_stream({"streamtype": name})
            outgoing.append(loop.create_task(_to_client(channels, number, stream)))
    if "tty" in wanted:
        stream = await session.open_stream({"streamtype": "resize"})
        incoming.append(loop.create_task(_to_node(channels, websocket.RESIZE, stream, b"\n")))
    gone = loop.create_task(channels.closed.wait())
    ended = loop.create_task(_ended(error, outgoing))
    try:
        await asyncio.wait([ended, gone], return_when=asyncio.FIRST_COMPLETED)
        return ended.result() if ended.done() else success()
    finally:
        for task in (*incoming, *outgoing, gone, ended):
            task.cancel()
        await asyncio.gather(*incoming, *outgoing, gone, ended, return_exceptions=True)


async def _ended(error: "SpdyStream", outgoing: list[asyncio.Task[None]]) -> Object:
    """Waits for the end of the command and of its output; what the node says of it."""
    text = b""
    while piece := await error.read():
        text += piece
    if outgoing:
        await asyncio.wait(outgoing)
    if not text:
        return {"metadata": {}, "status": "Success"}
    try:
        status = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return internal(text.decode(errors="replace")).status()
    return status if isinstance(status, dict) else internal(str(status)).status()


async def _to_node(channels: "Channels", number: int, stream: "SpdyStream", tail: bytes = b"") -> None:
    with contextlib.suppress(ConnectionError):
        while data := await channels.read(number):
            stream.write(data + tail)
            await stream.drain()
        stream.close_write()


async def _to_client(channels: "Channels", number: int, stream: "SpdyStream") -> None:
    with contextlib.suppress(ConnectionError):
        while data := await stream.read():
            channels.write(number, data)
            await channels.drain()


if TYPE_CHECKING:
    from umiak.kit.http.duplex import Duplex as Reader

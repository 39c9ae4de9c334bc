"""WebSockets over a connection, both sides, and what Kubernetes carries in them: exec channels and tunnelled SPDY.

Frames are the business of the `websockets` library, which does no I/O here and is loaded with the first socket.
Sources: RFC 6455; apimachinery's httpstream/wsstream for the channels; KEP-4006 for the tunnel.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType

from umiak.kit.http.duplex import Duplex
from umiak.kit.http.exchange import Exchange, HttpRequest

MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes of one message, as golang.org/x/net/websocket allows."""
HIGH_WATER = 256 * 1024
"""Unread bytes of one channel above which no more is read from the socket."""
CLOSE_TIMEOUT = 1.0
"""Seconds to wait for the peer's answer to our close."""

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
"""Channels of exec and attach."""
CLOSE_CHANNEL = 255
CHANNEL_V5 = "v5.channel.k8s.io"
CHANNEL_V4 = "v4.channel.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"


class HandshakeError(Exception):
    """The handshake failed; a server answers `status` with the text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class WebSocket:
    """An open WebSocket. One reader at a time."""

    def __init__(self, duplex: Duplex, client: bool, subprotocol: str = "") -> None:
        from websockets.protocol import CLIENT, SERVER, Protocol

        self.subprotocol = subprotocol
        self.closed = False
        """Whether no more can be received, or sent."""
        self.close_code: int | None = None
        """The peer's code once it has closed; 1000 is the normal one."""
        self._duplex = duplex
        self._protocol = Protocol(CLIENT if client else SERVER, max_size=MAX_MESSAGE)
        self._messages: deque[bytes] = deque()
        self._parts: list[bytes] = []
        self._saying_goodbye = False

    @property
    def buffered(self) -> int:
        """Bytes written but not yet handed to the network."""
        return self._duplex.buffered

    async def receive(self) -> bytes | None:
        """The next message, text as UTF-8; None at the end. Pings are answered while somebody waits here."""
        while not self._messages:
            if self.closed:
                return None
            self._take_in(await self._duplex.read())
        return self._messages.popleft()

    def send(self, data: bytes, text: bool = False) -> None:
        """Sends one message; does nothing once the socket is closed."""
        if self.closed or self._saying_goodbye:
            return
        if text:
            self._protocol.send_text(data)
        else:
            self._protocol.send_binary(data)
        self._put_out()

    def ping(self) -> None:
        if not self.closed and not self._saying_goodbye:
            self._protocol.send_ping(b"")
            self._put_out()

    async def drain(self) -> None:
        """Waits until the send buffer has room; raises ConnectionResetError when the connection is gone."""
        await self._duplex.drain()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Says goodbye, waits a moment for the peer to do so, closes the connection."""
        self._goodbye(code, reason)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                while not self.closed:
                    self._take_in(await self._duplex.read())
        self.closed = True
        self._duplex.close()

    def close_now(self, code: int = 1000, reason: str = "") -> None:
        """Says goodbye and closes the connection without waiting."""
        self._goodbye(code, reason)
        self.closed = True
        self._duplex.close()

    def _goodbye(self, code: int, reason: str) -> None:
        if not self.closed and not self._saying_goodbye:
            self._saying_goodbye = True
            self._protocol.send_close(code, reason)
            self._put_out()

    def _take_in(self, data: bytes) -> None:
        from websockets.frames import Frame, Opcode

        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame) and frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts.append(bytes(frame.data))
                if frame.fin:
                    self._messages.append(b"".join(self._parts))
                    self._parts.clear()
        self._put_out()
        is_broken = self._protocol.parser_exc is not None  # the peer broke the rules, and was told so
        if not data or is_broken or self._protocol.close_rcvd is not None:
            self._ended()

    def _ended(self) -> None:
        self.closed = True
        self.close_code = self._protocol.close_rcvd.code if self._protocol.close_rcvd else None
        self._duplex.close()

    def _put_out(self) -> None:
        for piece in self._protocol.data_to_send():
            if piece:
                self._duplex.write(piece)


def accept(request: HttpRequest, exchange: Exchange, subprotocols: Sequence[str]) -> WebSocket:
    """Answers a client's handshake. "" among `subprotocols` allows clients that name none.

    The first subprotocol the client names that we support is taken. Raises HandshakeError, nothing being answered yet.
    """
    key = check(request)
    chosen = choose(request.headers.get("sec-websocket-protocol") or (), subprotocols)
    headers = [("Upgrade", "websocket"), ("Sec-WebSocket-Accept", _accept_key(key))]
    if chosen:
        headers.append(("Sec-WebSocket-Protocol", chosen))
    return WebSocket(exchange.upgrade(headers), client=False, subprotocol=chosen)


def is_websocket(request: HttpRequest) -> bool:
    """Whether the request asks for a WebSocket."""
    return _has(request, "connection", "upgrade") and _has(request, "upgrade", "websocket")


def check(request: HttpRequest) -> str:
    """The key of a proper handshake request; raises HandshakeError (RFC 6455, section 4.2.1)."""
    if not is_websocket(request) or request.method != "GET":
        raise HandshakeError(400, "not websocket protocol")
    if request.headers.get("sec-websocket-version") != ["13"]:
        raise HandshakeError(400, "missing or bad WebSocket Version")
    keys = request.headers.get("sec-websocket-key") or [""]
    try:
        is_key = len(keys) == 1 and len(base64.b64decode(keys[0], validate=True)) == 16
    except ValueError:
        is_key = False
    if not is_key:
        raise HandshakeError(400, "mismatch challenge/response")
    return keys[0]


def choose(offered: Iterable[str], supported: Sequence[str]) -> str:
    """The first of the client's subprotocols that is supported; "" for a client without any, if that is supported."""
    names = [name.strip() for value in offered for name in value.split(",") if name.strip()] or [""]
    for name in names:
        if name in supported:
            return name
    raise HandshakeError(
        403, f"requested protocol(s) are not supported: [{' '.join(names)}]; supports [{' '.join(supported)}]"
    )


Upgrade = Callable[[str, str, Mapping[str, str]], Awaitable[tuple[Mapping[str, str], Duplex]]]
"""Sends an upgrade request (method, target, headers) and hands over the connection, as HttpTransport.upgrade does."""


async def connect(
    upgrade: Upgrade, target: str, subprotocols: Sequence[str] = (), headers: Mapping[str, str] | None = None
) -> WebSocket:
    """Opens a WebSocket; raises HandshakeError when the server's answer is not one, and what `upgrade` raises."""
    key = base64.b64encode(os.urandom(16)).decode()
    asked = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, **(headers or {})}
    if subprotocols:
        asked["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
    answer, duplex = await upgrade("GET", target, asked)
    chosen = answer.get("sec-websocket-protocol", "")
    if answer.get("sec-websocket-accept") != _accept_key(key) or (chosen and chosen not in subprotocols):
        duplex.abort()
        raise HandshakeError(502, "the server's handshake answers another request")
    return WebSocket(duplex, client=True, subprotocol=chosen)


def _has(request: HttpRequest, name: str, token: str) -> bool:
    values = request.headers.get(name) or ()
    return any(token == word.strip().lower() for value in values for word in value.split(","))


def _accept_key(key: str) -> str:
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode(), usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()


class _Channel:
    """What has come on one channel and was not read yet."""

    def __init__(self) -> None:
        self.messages: deque[bytes] = deque()
        self.size = 0
        self.at_end = False
        self.readable = asyncio.Event()

    def end(self) -> None:
        self.at_end = True
        self.readable.set()


class Channels:
    """The numbered byte streams of exec and attach over one WebSocket. Use it with `async with`, which starts reading
    and at the end closes the socket. Messages of channels outside `reads` are thrown away, as wsstream does."""

    def __init__(self, socket: WebSocket, reads: Iterable[int]) -> None:
        self._socket = socket
        self._base64 = "base64." in socket.subprotocol
        self._can_close = socket.subprotocol == CHANNEL_V5
        self._channels = {number: _Channel() for number in reads}
        self._room = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self.closed = asyncio.Event()
        """Set when the peer has closed the socket or broken the connection."""

    async def __aenter__(self) -> "Channels":
        self._reader = asyncio.get_running_loop().create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
        await self._socket.close()

    async def read(self, channel: int) -> bytes:
        """The next non-empty message of a channel, as it was sent; b"" at the channel's or the socket's end."""
        found = self._channels[channel]
        while not found.messages:
            if found.at_end:
                return b""
            found.readable.clear()
            await found.readable.wait()
        message = found.messages.popleft()
        found.size -= len(message)
        if found.size <= HIGH_WATER:
            self._room.set()
        return message

    def write(self, channel: int, data: bytes) -> None:
        """Sends a message; an empty one is sent too, which servers do to say that they are ready."""
        if self._base64:
            self._socket.send(b"%d%b" % (channel, base64.b64encode(data)), text=True)
        else:
            self._socket.send(bytes((channel,)) + data)

    def close_channel(self, channel: int) -> None:
        """Says that nothing more comes on a channel; only v5 has a way to."""
        if self._can_close:
            self._socket.send(bytes((CLOSE_CHANNEL, channel)))

    def ping(self) -> None:
        self._socket.ping()

    async def drain(self) -> None:
        """Waits until the send buffer has room; raises ConnectionResetError when the connection is gone."""
        await self._socket.drain()

    async def _read(self) -> None:
        try:
            while (message := await self._socket.receive()) is not None:
                if message and not self._dispatch(message):
                    break
                await self._wait_for_room()
        finally:
            self.closed.set()
            for channel in self._channels.values():
                channel.end()

    def _dispatch(self, message: bytes) -> bool:
        """False when the peer broke the rules."""
        number, data = message[0], message[1:]
        if self._base64:
            number -= ord("0")
            try:
                data = base64.b64decode(data, validate=True)
            except ValueError:
                return True
        elif self._can_close and number == CLOSE_CHANNEL:
            if len(data) == 1 and data[0] in self._channels:
                self._channels[data[0]].end()
            return len(data) == 1
        channel = self._channels.get(number)
        if channel is not None and data and not channel.at_end:
            channel.messages.append(data)
            channel.size += len(data)
            channel.readable.set()
        return True

    async def _wait_for_room(self) -> None:
        while any(channel.size > HIGH_WATER for channel in self._channels.values()):
            self._room.clear()
            await self._room.wait()


class Tunnel:
    """A plain byte stream through binary messages, to run SPDY on; has the methods of `Duplex` that a session needs."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._unread = b""

    @property
    def buffered(self) -> int:
        return self._socket.buffered

    @property
    def closed(self) -> bool:
        return self._socket.closed

    async def read(self, n: int = 65536) -> bytes:
        """At least one byte and at most `n`; b"" at the end."""
        while not self._unread:
            message = await self._socket.receive()
            if message is None:
                return b""
            self._unread = message
        data, self._unread = self._unread[:n], self._unread[n:]
        return data

    def write(self, data: bytes) -> None:
        if data:
            self._socket.send(data)

    async def drain(self) -> None:
        await self._socket.drain()

    def close(self) -> None:
        self._socket.close_now()

"""SPDY streams over a connection: what exec, attach and port-forward read and write.

What a stream's owner does not read is bounded: the session then reads no further, which makes the peer wait. That
holds up the other streams of the session too, as it does in spdystream.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol

from umiak.kit import spdy

HIGH_WATER = 256 * 1024
"""Unread bytes of one stream above which the session stops reading."""
FRAME = 32 * 1024
"""Largest data frame sent, so that streams take turns."""
REPLY_TIMEOUT = 30.0


class Wire(Protocol):
    """What a session runs on: a `Duplex`, or a tunnel through a WebSocket."""

    @property
    def buffered(self) -> int: ...

    async def read(self, n: int = 65536) -> bytes: ...

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    def close(self) -> None: ...


class SessionClosed(ConnectionError):
    """The session ended, or the peer would not open the stream."""


class SpdyStream:
    """One stream, both ways. `headers` are those it was opened with, names in lower case."""

    def __init__(self, session: "SpdySession", number: int, headers: spdy.Headers, fin: bool = False) -> None:
        self.number = number
        self.headers = headers
        self.was_reset = False
        self._session = session
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._at_end = fin
        self._ended = False
        self._end_sent = False
        self._unsent = bytearray()
        self._replied = asyncio.Event()
        self._readable = asyncio.Event()
        self._flushed = asyncio.Event()
        self._flushed.set()
        self.on_close: list[Callable[[], None]] = []
        """Called once, when the stream was reset or the session is gone."""

    async def read(self, n: int = 65536) -> bytes:
        """At least one byte and at most `n`; b"" once the peer has ended or reset the stream."""
        while not self._unread:
            if self._at_end:
                return b""
            self._readable.clear()
            await self._readable.wait()
        data = self._unread.popleft()
        if len(data) > n:
            self._unread.appendleft(data[n:])
            data = data[:n]
        self._unread_bytes -= len(data)
        self._session._consumed(self, len(data))
        return data

    def write(self, data: bytes) -> None:
        """Sends, or keeps until the peer takes more; does nothing on a stream that is reset or closed."""
        if not self._ended and not self.was_reset and data:
            self._unsent += data
            self._session._flush(self)

    async def drain(self) -> None:
        """Waits until what was written is on its way; ConnectionResetError when it never will be."""
        await self._flushed.wait()
        if self.was_reset:
            raise ConnectionResetError("the stream is reset")
        await self._session.wire.drain()

    def close_write(self) -> None:
        """Says that nothing more will be written."""
        if not self._ended and not self.was_reset:
            self._ended = True
            self._session._flush(self)

    def reply(self) -> None:
        """Takes a stream that `accept_stream(reply=False)` gave."""
        self._session._reply(self)

    def reset(self, status: int = spdy.Reset.CANCEL) -> None:
        """Ends the stream both ways, dropping what is unsent."""
        if not self.was_reset:
            self._session._reset(self, status)

    # For the session

    def received(self, data: bytes, fin: bool) -> None:
        if data:
            self._unread.append(data)
            self._unread_bytes += len(data)
        self._at_end = self._at_end or fin
        self._readable.set()

    def gone(self) -> None:
        """Reset by the peer, or the session ended. What has come can still be read."""
        if self.was_reset:
            return
        self._at_end = self.was_reset = True
        self._unsent.clear()
        for event in (self._readable, self._flushed, self._replied):
            event.set()
        callbacks, self.on_close = self.on_close, []
        for callback in callbacks:
            callback()

    @property
    def full(self) -> bool:
        return self._unread_bytes > HIGH_WATER


class SpdySession:
    """A connection's streams. Use it with `async with`, which starts reading and at the end closes the wire."""

    def __init__(self, wire: Wire, client: bool) -> None:
        self.wire = wire
        self._connection = spdy.Connection(client)
        self._streams: dict[int, SpdyStream] = {}
        self._accepted: asyncio.Queue[SpdyStream | None] = asyncio.Queue()
        self._room = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._pings: dict[int, asyncio.Event] = {}
        self.closed = asyncio.Event()
        """Set when the session is over, by us or by the peer."""

    async def __aenter__(self) -> "SpdySession":
        self._reader = asyncio.get_running_loop().create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def accept_stream(self, reply: bool = True) -> SpdyStream | None:
        """The next stream that the peer opens; None when the session is over. spdystream sends nothing on a stream
        before the reply; without `reply`, call the stream's `reply` or `reset`."""
        if self.closed.is_set() and self._accepted.empty():
            return None
        stream = await self._accepted.get()
        if stream is None:
            self._accepted.put_nowait(None)  # for whoever else is waiting
        elif reply:
            self._reply(stream)
        return stream

    async def open_stream(self, headers: spdy.Headers, timeout: float = REPLY_TIMEOUT) -> SpdyStream:
        """Opens a stream and waits until the peer has taken it; SessionClosed when it does not."""
        if self.closed.is_set():
            raise SessionClosed("the session is over")
        try:
            number = self._connection.open_stream(headers)
        except spdy.ProtocolError as error:
            raise SessionClosed(str(error)) from error
        stream = self._streams[number] = SpdyStream(self, number, headers)
        self._send()
        try:
            async with asyncio.timeout(timeout):
                await stream._replied.wait()
        except TimeoutError as error:
            stream.reset()
            raise SessionClosed(f"the peer did not answer within {timeout:g} s") from error
        if stream.was_reset:
            raise SessionClosed("the peer refused the stream")
        return stream

    async def ping(self, timeout: float = REPLY_TIMEOUT) -> bool:
        """Whether the peer answers in time."""
        number = self._connection.ping()
        answered = self._pings[number] = asyncio.Event()
        self._send()
        try:
            async with asyncio.timeout(timeout):
                await answered.wait()
        except TimeoutError:
            return False
        finally:
            del self._pings[number]
        return not self.closed.is_set()

    async def close(self) -> None:
        """Resets the streams that are still open, says goodbye and closes the wire."""
        for stream in list(self._streams.values()):
            stream.reset()
        self._connection.go_away()
        self._send()
        self.wire.close()
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
            await asyncio.wait([self._reader])
        self._end()

    # Reading

    async def _read(self) -> None:
        try:
            while data := await self.wire.read():
                self._handle(self._connection.receive(data))
                self._send()
                with contextlib.suppress(ConnectionError):
                    await self.wire.drain()
                await self._wait_for_room()
                if self._connection.gone_away and not self._streams:
                    break
        except (spdy.ProtocolError, ConnectionError):
            self._connection.go_away()
            self._send()
        finally:
            self.wire.close()
            self._end()

    async def _wait_for_room(self) -> None:
        while any(stream.full for stream in self._streams.values()):
            self._room.clear()
            await self._room.wait()

    def _handle(self, events: Sequence[spdy.Event]) -> None:
        for event in events:
            match event:
                case spdy.StreamOpened():
                    stream = SpdyStream(self, event.stream, event.headers, event.fin)
                    self._streams[event.stream] = stream
                    self._accepted.put_nowait(stream)  # bounded by spdy.MAX_STREAMS
                case spdy.Pong():
                    if event.ping in self._pings:
                        self._pings[event.ping].set()
                case spdy.WindowOpened(stream=0):
                    for stream in list(self._streams.values()):
                        self._flush(stream)
                case spdy.GoneAway():
                    pass  # noted by the connection; streams that are open may finish
                case _:
                    self._handle_stream_event(event)

    def _handle_stream_event(self, event: spdy.Replied | spdy.Data | spdy.StreamReset | spdy.WindowOpened) -> None:
        stream = self._streams.get(event.stream)
        if stream is None:
            return
        match event:
            case spdy.Replied():
                stream._replied.set()
                stream.received(b"", event.fin)
            case spdy.Data():
                stream.received(event.data, event.fin)
            case spdy.StreamReset():
                del self._streams[event.stream]
                stream.gone()
                self._room.set()
            case spdy.WindowOpened():
                self._flush(stream)
        self._forget_if_done(stream)

    def _end(self) -> None:
        if self.closed.is_set():
            return
        self.closed.set()
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.gone()
        for answered in self._pings.values():
            answered.set()
        self._accepted.put_nowait(None)

    # For the streams

    def _send(self) -> None:
        if self._connection.outgoing:
            self.wire.write(self._connection.take())

    def _reply(self, stream: SpdyStream) -> None:
        self._connection.reply(stream.number)
        self._send()

    def _flush(self, stream: SpdyStream) -> None:
        """Sends what the window lets through, and the end after the last byte."""
        while stream._unsent and (room := min(self._connection.sendable(stream.number), FRAME)):
            piece = bytes(stream._unsent[:room])
            del stream._unsent[:room]
            self._connection.send(stream.number, piece)
        if stream._unsent:
            stream._flushed.clear()
        else:
            stream._flushed.set()
            if stream._ended and not stream._end_sent:
                stream._end_sent = True
                self._connection.send(stream.number, b"", fin=True)
        self._send()
        self._forget_if_done(stream)

    def _forget_if_done(self, stream: SpdyStream) -> None:
        if stream._at_end and stream._ended and not stream._unsent:
            self._streams.pop(stream.number, None)

    def _consumed(self, stream: SpdyStream, size: int) -> None:
        self._connection.consumed(stream.number, size)
        self._send()
        if not stream.full:
            self._room.set()

    def _reset(self, stream: SpdyStream, status: int) -> None:
        self._connection.reset(stream.number, status)
        self._streams.pop(stream.number, None)
        self._send()
        stream.gone()
        stream._unread.clear()
        self._room.set()


def negotiate(offered: Sequence[str], supported: Sequence[str]) -> str:
    """The first protocol version the client offers that we support, or "". `offered` are the values of
    X-Stream-Protocol-Version, each possibly a list with commas."""
    names = [name.strip() for value in offered for name in value.split(",")]
    return next((name for name in names if name in supported), "")

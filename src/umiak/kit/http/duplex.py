"""A connection as plain bytes both ways, once HTTP has nothing more to say on it."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

HIGH_WATER = 256 * 1024
"""Unread bytes above which the peer is made to wait."""
DER = 2
"""What CPython's ssl module calls `_ssl.ENCODING_DER`."""


class _Inbox(threading.local):
    """One buffer per thread into which transports read.

    Letting uvloop make one for each read costs half the server's speed: it takes 256 KiB at a time, which malloc
    maps from and returns to the kernel every time. Sharing is safe as reading and taking happen in one step.
    """

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(64 * 1024))


_INBOX = _Inbox()


def inbox() -> memoryview:
    """This thread's buffer for `get_buffer` of a BufferedProtocol; copy out of it before returning to the loop."""
    return _INBOX.buffer


class Gate:
    """Whether a transport takes more: closed while its send buffer is full."""

    __slots__ = ("_waiters", "paused")

    def __init__(self, paused: bool = False) -> None:
        self.paused = paused
        self._waiters: list[asyncio.Future[None]] = []

    def close(self) -> None:
        self.paused = True

    def open(self) -> None:
        self.paused = False
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        while self.paused:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter


class _Gone(asyncio.Transport):
    """Takes everything, and does nothing with it."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: object) -> None: ...

    def writelines(self, list_of_data: object) -> None: ...

    def _nothing(self) -> None: ...

    abort = close = pause_reading = resume_reading = _nothing


GONE = _Gone()
"""Stands in for a transport whose connection is lost. A TLS transport holds some 270 kB, and knows its protocol as that
knows it: if both held on, all of that would lie about until somebody looks for cycles of garbage."""


class Duplex(asyncio.BufferedProtocol):
    """Reads and writes one connection; one reader at a time.

    The end of the connection, however it came, reads as b"". Writing to a closed connection does nothing;
    `drain` then raises ConnectionResetError. What is not read makes the peer wait, so memory stays bounded.
    """

    def __init__(self, transport: asyncio.Transport, unread: bytes = b"", gate: Gate | None = None) -> None:
        self._transport = transport
        self._unread = bytearray(unread)
        self._gate = gate or Gate()
        self._inbox = inbox()
        self._at_end = False
        self._reader: asyncio.Future[None] | None = None
        self._held = False
        self.closed = False
        self.on_close: list[Callable[[], None]] = []
        """Called once, when the connection is gone."""

    def start(self) -> None:
        """Takes the connection over from the protocol that spoke HTTP on it."""
        self._transport.set_protocol(self)
        self._transport.resume_reading()
        self._hold_if_full()

    # What the transport calls

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._inbox

    def buffer_updated(self, nbytes: int) -> None:
        self._unread += self._inbox[:nbytes]
        self._hold_if_full()
        self._wake()

    def eof_received(self) -> bool:
        self._at_end = True
        self._wake()
        return self._transport.can_write_eof()  # half-open is for plain TCP; TLS has no such thing

    def connection_lost(self, exc: BaseException | None) -> None:
        self._at_end = self.closed = True
        self._transport = GONE
        self._wake()
        self._gate.open()
        callbacks, self.on_close = self.on_close, []
        for callback in callbacks:
            callback()

    def pause_writing(self) -> None:
        self._gate.close()

    def resume_writing(self) -> None:
        self._gate.open()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _hold_if_full(self) -> None:
        if not self._held and len(self._unread) > HIGH_WATER:
            self._held = True
            self._transport.pause_reading()

    # What users call

    @property
    def buffered(self) -> int:
        """Bytes written but not yet handed to the network."""
        return self._transport.get_write_buffer_size()

    async def read(self, n: int = 65536) -> bytes:
        """At least one byte and at most `n`; b"" at the end."""
        while not self._unread:
            if self._at_end:
                return b""
            await self._wait()
        data = bytes(self._unread[:n])
        del self._unread[:n]
        if self._held and len(self._unread) <= HIGH_WATER // 2:
            self._held = False
            if not self.closed:
                self._transport.resume_reading()
        return data

    async def read_exactly(self, n: int) -> bytes:
        """Exactly `n` bytes; raises asyncio.IncompleteReadError when the connection ends before."""
        pieces: list[bytes] = []
        missing = n
        while missing:
            piece = await self.read(missing)
            if not piece:
                raise asyncio.IncompleteReadError(b"".join(pieces), n)
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    async def _wait(self) -> None:
        if self._reader is not None:
            raise RuntimeError("somebody else is reading this connection")
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def write(self, data: bytes) -> None:
        if not self.closed and data:
            self._transport.write(data)

    async def drain(self) -> None:
        """Waits until the send buffer has room; raises ConnectionResetError when the connection is gone."""
        await self._gate.wait()
        if self.closed:
            raise ConnectionResetError("the connection is closed")

    def write_eof(self) -> None:
        """Says that nothing more will be written; over TLS, which cannot say so, closes."""
        if self.closed:
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def close(self) -> None:
        """Sends what is buffered, then closes."""
        self._transport.close()

    def abort(self) -> None:
        """Closes at once, dropping what is buffered."""
        break_off(self._transport)


def break_off(transport: asyncio.WriteTransport) -> None:
    """Closes at once, dropping what is buffered."""
    with suppress(AttributeError):  # asyncio of Python 3.11.2: a TLS transport that is closing has forgotten how to
        transport.abort()


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The peer's IP address, or empty for a Unix socket."""
    name = transport.get_extra_info("peername")
    return cast(str, name[0]) if isinstance(name, tuple) else ""


def certificate_of(transport: asyncio.BaseTransport) -> bytes:
    """DER of the client certificate that TLS verified, or empty."""
    tls: Any = transport.get_extra_info("ssl_object")
    return (tls.getpeercert(binary_form=True) or b"") if tls is not None else b""


def anchor_of(transport: asyncio.BaseTransport) -> bytes:
    """DER of the trusted certificate that the client's one was verified by, or empty."""
    tls: Any = transport.get_extra_info("ssl_object")
    if tls is None:
        return b""
    if hasattr(tls, "get_verified_chain"):  # since Python 3.13
        return bytes([b"", *tls.get_verified_chain()][-1])
    chain = tls._sslobj.get_verified_chain()
    return bytes(chain[-1].public_bytes(DER)) if chain else b""

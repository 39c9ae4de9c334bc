"""Frames of bytes in order over a connected stream socket, for processes on one machine that trust each other.

A frame is sent within the call when the socket takes it, so that the other side can begin while we go on.
"""

import asyncio
import logging
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)

HEAD = 4
"""Bytes of a frame's length, which comes first."""
_READ = 256 * 1024
"""Bytes that are read at once, to memory that is kept: 256 KiB anew for each reading would come from the kernel."""


class Pipe:
    """`received` gets each frame. `lost` is called once: when the other side is gone, or when `received` failed, after
    which nobody could say what the two sides have in common."""

    def __init__(self, sock: socket.socket, received: Callable[[memoryview], None], lost: Callable[[], None]) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._received = received
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._unsent = bytearray()
        self._buffer = bytearray(_READ)
        self._filled = 0
        self._open = True
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def unsent(self) -> int:
        """Bytes that the other side did not take yet."""
        return len(self._unsent)

    def send(self, *frames: bytes) -> None:
        if not self._open:
            return
        data = b"".join([part for frame in frames for part in (len(frame).to_bytes(HEAD, "little"), frame)])
        if self._unsent:
            self._unsent += data
            return
        sent = self._write(data)
        if sent < len(data):
            self._unsent += memoryview(data)[sent:]
            self._loop.add_writer(self._sock.fileno(), self._writable)

    def _write(self, data: bytes | bytearray) -> int:
        """How many bytes were taken; a broken socket takes all, since its end is told by reading."""
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def _writable(self) -> None:
        del self._unsent[: self._write(self._unsent)]
        if not self._unsent:
            self._loop.remove_writer(self._sock.fileno())

    def _readable(self) -> None:
        """What comes is read to behind what is left of the last frame."""
        try:
            count = self._sock.recv_into(memoryview(self._buffer)[self._filled :])
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self._end()
            return
        self._filled += count
        try:
            self._keep(self._take())
        except Exception:
            log.exception("a frame could not be dealt with")
            self._end()

    def _end(self) -> None:
        if self._open:
            self.close()
            self._lost()

    def _take(self) -> int:
        """Hands on all frames that are there; returns where they end."""
        view, at = memoryview(self._buffer)[: self._filled], 0
        while at + HEAD <= self._filled:
            end = at + HEAD + int.from_bytes(view[at : at + HEAD], "little")
            if end > self._filled:
                break
            self._received(view[at + HEAD : end])
            at = end
        return at

    def _keep(self, at: int) -> None:
        """Makes room for more than the frame that has begun at `at`."""
        rest = self._buffer[at : self._filled]
        self._filled = len(rest)
        if self._filled >= HEAD:
            wanted = HEAD + int.from_bytes(rest[:HEAD], "little")
            if wanted > len(self._buffer):
                self._buffer = bytearray(wanted + _READ)
        elif len(self._buffer) > _READ:
            self._buffer = bytearray(_READ)
        self._buffer[: self._filled] = rest

    def close(self) -> None:
        """Does not call `lost`."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._sock.fileno())
            if self._unsent:
                self._loop.remove_writer(self._sock.fileno())
            self._sock.close()

"""fdatasync(2) that neither the event loop waits for nor a thread of Python's: the kernel has its own (io_uring).

A thread of ours costs a commit as much as the disk does: it is woken, waits for the interpreter's lock before and
after, of a busy loop for milliseconds, and wakes the loop again. Measured on two virtual cores, median of a small write
and its sync while the loop is busy: 0.4 to 0.5 ms this way, 0.5 to 8 with a thread. With Linux AIO it is 0.5 to 12,
since the processor that asks for a sync has to do it, too, once it has nothing else to do. Kernels and containers that
refuse io_uring have the thread.
"""

import asyncio
import ctypes
import mmap
import os
import struct
import sys
from typing import Protocol

_SETUP, _ENTER = ctypes.c_long(425), ctypes.c_long(426)
"""Numbers of io_uring_setup(2) and io_uring_enter(2), the same on all our machines; the C library has no functions."""
_PARAMETERS = struct.Struct("<7I12x8IQ8IQ")
"""A `struct io_uring_params`: sizes and flags, then where things lie in the ring of requests, and that of answers."""
_REQUESTS_PLACE = 0x10000000
"""Where requests are mapped from; the rings, which say where the next request and answer are, are at 0."""
_LARGEST = 2**32 - 1
_FSYNC, _DATA_ONLY = 3, 1
_REQUEST = struct.Struct("<BBHiQQIIQ24x")
"""A `struct io_uring_sqe`: operation, flags, priority, file, offset, address, length, what to sync, data."""
_ANSWER = struct.Struct("<QiI")
"""A `struct io_uring_cqe`: data, result, flags."""


class DataSync(Protocol):
    """Of one open file; one sync at a time."""

    def sync(self) -> "asyncio.Future[None]":
        """Done when all that was written to the file before the call is on the disk. Fails with OSError."""
        ...

    def close(self) -> None:
        """The file itself stays open."""
        ...


def datasync(descriptor: int) -> DataSync:
    try:
        return RingSync(descriptor)
    except OSError:
        return ThreadSync(descriptor)


class ThreadSync:
    """A `DataSync` that works everywhere."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def sync(self) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().run_in_executor(None, os.fdatasync, self._descriptor)

    def close(self) -> None:
        """Has nothing of its own."""


class RingSync:
    """A `DataSync` of a ring with room for one request."""

    def __init__(self, descriptor: int) -> None:
        """Raises OSError where there is no io_uring."""
        if sys.platform != "linux":
            raise OSError("there is no io_uring")
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        parameters = ctypes.create_string_buffer(_PARAMETERS.size)
        self._ring = self._checked(_SETUP, ctypes.c_long(1), parameters)
        found = _PARAMETERS.unpack(parameters.raw)
        requests, answers = found[:2]
        (_, tail, _, _, _, _, order, _, _), (head, answered, mask, _, _, self._answers, *_) = found[7:16], found[16:]
        size = max(order + 4 * requests, self._answers + _ANSWER.size * answers)
        self._memory = mmap.mmap(self._ring, size)
        self._words = memoryview(self._memory)[: size // 4 * 4].cast("I")
        self._tail, self._head, self._answered = tail // 4, head // 4, answered // 4
        self._mask = self._words[mask // 4]
        self._request = mmap.mmap(self._ring, _REQUEST.size, offset=_REQUESTS_PLACE)
        self._request[:] = _REQUEST.pack(_FSYNC, 0, 0, descriptor, 0, 0, 0, _DATA_ONLY, 0)
        self._one = [ctypes.c_long(number) for number in (self._ring, 1, 0, 0, 0, 0)]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: asyncio.Future[None] | None = None

    @property
    def busy(self) -> bool:
        return self._waiting is not None

    def _checked(self, *what: object) -> int:
        result: int = self._call(*what)
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    def sync(self) -> "asyncio.Future[None]":
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._ring, self._ended)
        assert not self.busy, "one sync at a time"
        self._waiting = waiting = self._loop.create_future()
        tail = self._words[self._tail]
        self._words[self._tail] = tail + 1 & _LARGEST
        try:
            self._checked(_ENTER, *self._one)
        except OSError as error:
            self._words[self._tail], self._waiting = tail, None
            waiting.set_exception(error)
        return waiting

    def _ended(self) -> None:
        head = self._words[self._head]
        if head == self._words[self._answered]:
            return  # woken for nothing
        _, result, _ = _ANSWER.unpack_from(self._memory, self._answers + _ANSWER.size * (head & self._mask))
        self._words[self._head] = head + 1 & _LARGEST
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        if waiting.done():
            return  # who waited was cancelled
        if result < 0:
            waiting.set_exception(OSError(-result, os.strerror(-result)))
        else:
            waiting.set_result(None)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._ring)
        self._words.release()
        self._memory.close()
        self._request.close()
        os.close(self._ring)

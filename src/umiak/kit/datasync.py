"""fdatasync(2) that the event loop does not wait for, and no thread of ours either: the kernel's own does (Linux AIO).

A thread costs a commit as much as the disk does: it is woken, wants the interpreter's lock before and after, and wakes
the loop again. Measured on two virtual cores, a small write and its sync, one by one: 90 to 160 µs of processor time
this way, 250 to 270 with a thread that does nothing else. Kernels without AIO, and containers that refuse it, have the
thread.
"""

import asyncio
import ctypes
import os
import struct
import sys
from typing import Protocol

_CALLS = {"x86_64": (206, 207, 209, 208), "aarch64": (0, 1, 2, 4)}
"""Numbers of io_setup, io_destroy, io_submit and io_getevents, for which the C library has no functions."""
_REQUEST = struct.Struct("<QIIHhIQQqQII")
"""A `struct iocb`: data, key, flags, operation, priority, file, buffer, length, offset, -, flags, whom to tell."""
_EVENT = struct.Struct("<QQqq")
"""A `struct io_event`: data, request, result, -."""
_FDSYNC, _TELL_BY_FILE = 3, 1


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
        return KernelSync(descriptor)
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


class KernelSync:
    """A `DataSync` whose requests the kernel tells the end of by an eventfd."""

    def __init__(self, descriptor: int) -> None:
        """Raises OSError where there is no AIO."""
        numbers = _CALLS.get(os.uname().machine) if sys.platform == "linux" else None
        if numbers is None:
            raise OSError("AIO's numbers are not known for this machine")
        self._setup, self._destroy, self._submit, self._getevents = map(ctypes.c_long, numbers)
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._call.restype = ctypes.c_long
        self._context = ctypes.c_ulong(0)
        self._checked(self._setup, ctypes.c_long(1), ctypes.byref(self._context))
        self._told = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        request = _REQUEST.pack(0, 0, 0, _FDSYNC, 0, descriptor, 0, 0, 0, 0, _TELL_BY_FILE, self._told)
        self._request = ctypes.create_string_buffer(request, len(request))
        self._requests = (ctypes.c_void_p * 1)(ctypes.addressof(self._request))
        self._event = ctypes.create_string_buffer(_EVENT.size)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: asyncio.Future[None] | None = None

    @property
    def busy(self) -> bool:
        return self._waiting is not None

    def _checked(self, *what: object) -> None:
        if self._call(*what) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def sync(self) -> "asyncio.Future[None]":
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._told, self._ended)
        assert not self.busy, "one sync at a time"
        self._waiting = waiting = self._loop.create_future()
        try:
            self._checked(self._submit, self._context, ctypes.c_long(1), self._requests)
        except OSError as error:
            self._waiting = None
            waiting.set_exception(error)
        return waiting

    def _ended(self) -> None:
        os.eventfd_read(self._told)
        self._checked(self._getevents, self._context, ctypes.c_long(1), ctypes.c_long(1), self._event, None)
        _, _, result, _ = _EVENT.unpack(self._event.raw)
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        if waiting.done():
            return  # who waited was cancelled
        if result < 0:
            waiting.set_exception(OSError(-result, os.strerror(-result)))
        else:
            waiting.set_result(None)

    def close(self) -> None:
        """Waits for a sync that is on its way."""
        self._checked(self._destroy, self._context)
        if self._loop is not None:
            self._loop.remove_reader(self._told)
        os.close(self._told)

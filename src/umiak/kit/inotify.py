"""Tells when files in a folder change, without asking again and again (inotify(7), through the C library)."""

import asyncio
import ctypes
import os
from collections.abc import Callable

CLOSE_WRITE, MODIFY, MOVED, CREATE, DELETE = 0x8, 0x2, 0xC0, 0x100, 0x200
CHANGES = CLOSE_WRITE | MOVED | CREATE | DELETE
NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC


class Watch:
    """Calls `changed` when something happens in `folder`. Raises OSError when it cannot be watched."""

    def __init__(self, folder: str, changed: Callable[[], None], events: int = CHANGES) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(NONBLOCK_CLOEXEC)
        if self._descriptor < 0 or libc.inotify_add_watch(self._descriptor, os.fsencode(folder), events) < 0:
            code = ctypes.get_errno()
            self.close(registered=False)
            raise OSError(code, os.strerror(code), folder)
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._read)

    def _read(self) -> None:
        os.read(self._descriptor, 65536)
        self._changed()

    def close(self, *, registered: bool = True) -> None:
        if registered:
            self._loop.remove_reader(self._descriptor)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

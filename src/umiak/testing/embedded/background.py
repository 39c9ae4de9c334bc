"""The event loop behind all clusters of a process: started with the first of them, ended with the last."""

import asyncio
import threading
from collections.abc import Awaitable, Coroutine
from typing import Any, ClassVar, TypeVar

T = TypeVar("T")


class Background:
    """A thread that runs an event loop.

    asyncio's own loop, not uvloop: virtual time has to know whether anything is left to do (see `testing.clock`).
    """

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _shared: ClassVar["Background | None"] = None

    def __init__(self) -> None:
        self._users = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="umiak", daemon=True)
        self._thread.start()

    @classmethod
    def enter(cls) -> "Background":
        """The one of this process; as many calls of `leave` end it."""
        with cls._lock:
            if cls._shared is None:
                cls._shared = cls()
            cls._shared._users += 1
            return cls._shared

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
            type(self)._shared = None
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Blocks until `work` is done. Raises TimeoutError, having cancelled it; RuntimeError on the loop's thread."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a cluster's blocking methods can not be called from its own event loop")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    async def elsewhere(self, work: Coroutine[Any, Any, T]) -> T:
        """For callers with an event loop of their own."""
        waiting: Awaitable[T] = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
        return await waiting

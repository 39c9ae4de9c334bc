"""Background tasks that belong to somebody: they have names, their crashes are heard, and they end with their owner."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


class Tasks:
    """The background tasks of one part. A crash is logged, told to `on_crash`, and leaves the other tasks alone."""

    def __init__(self, name: str, on_crash: Callable[[str, Exception], None] | None = None) -> None:
        self._name = name
        self._on_crash = on_crash
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._running)

    def start(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs `work` until it ends or `close` cancels it. RuntimeError after `close`."""
        if self._closed:
            work.close()
            raise RuntimeError(f"{self._name} is closed and starts no {name}")
        task = asyncio.get_running_loop().create_task(work, name=f"{self._name}/{name}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, Exception):
            log.error("background task %s crashed", task.get_name(), exc_info=error)
            if self._on_crash is not None:
                self._on_crash(task.get_name(), error)

    async def close(self) -> None:
        """Cancels every task and waits until the last one is gone."""
        self._closed = True
        own = asyncio.current_task()
        while left := [task for task in self._running if task is not own]:
            for task in left:
                task.cancel()
            await asyncio.wait(left)

    async def __aenter__(self) -> "Tasks":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

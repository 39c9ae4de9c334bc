"""Works through a queue: several keys at once, failures again later, each distinct error logged once."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import TypeVar

from umiak.client.contract import Unreachable
from umiak.objects.errors import StatusError
from umiak.reconcile.contract import Hindered, Outcome, RetryAfter
from umiak.reconcile.queue import Queue

K = TypeVar("K", bound=Hashable)
log = logging.getLogger(__name__)
MAX_ERRORS = 512


class ErrorLog:
    """Logs each distinct error once, as long as it is among the last few hundred.

    A Conflict only means that the cache was behind, and is not logged at all.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def failed(self, what: str, about: str, error: BaseException) -> None:
        if isinstance(error, StatusError) and error.reason == "Conflict":
            return
        entry = (what, about, f"{type(error).__name__}: {error}")
        if entry in self._seen:
            self._seen.move_to_end(entry)
            return
        self._seen[entry] = None
        if len(self._seen) > MAX_ERRORS:
            self._seen.popitem(last=False)
        expected = isinstance(error, StatusError | Unreachable | Hindered)
        log.error("%s: %s: %s", what, about, error, exc_info=None if expected else error)


async def serve(
    queue: Queue[K],
    workers: int,
    handle: Callable[[K], Awaitable[Outcome]],
    failed: Callable[[K, Exception], None],
) -> None:
    """Hands keys to `handle`, up to `workers` at once, until cancelled; `failed` hears of each failure."""
    slots = asyncio.Semaphore(workers)

    async def work(key: K) -> None:
        rest = timedelta(0)
        try:
            outcome = await handle(key)
        except Exception as error:  # whatever it is, the other keys go on
            failed(key, error)
            queue.add_failed(key)
        else:
            queue.forget(key)
            if isinstance(outcome, RetryAfter):
                queue.add_after(key, outcome.delay.total_seconds())
            else:
                rest = outcome.rest
        finally:
            slots.release()
            if not rest:
                queue.done(key)
        if rest:
            await queue.rest(key, rest.total_seconds())

    try:
        async with asyncio.TaskGroup() as tasks:
            while True:
                await slots.acquire()
                tasks.create_task(work(await queue.take()))
    finally:
        await queue.close()

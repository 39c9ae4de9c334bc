"""Keeps events until there are enough of them or enough time has passed, and sends them without anybody waiting
(apiserver's `plugin/pkg/audit/buffered`); takes the objects out of events that are too large (`truncate`)."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from umiak.kit.clock import Clock
from umiak.server.audit.record import Event
from umiak.server.audit.settings import Batching, Truncating

log = logging.getLogger(__name__)

Send = Callable[[Sequence[Event]], Awaitable[bool]]
TOO_LARGE = "Error in audit plugin 'truncate' affecting 1 audit events: event is too large even after truncating"
TRUNCATED = "audit.k8s.io/truncated"
MOST_AT_ONCE = 150
"""Batches on their way; further ones wait in the buffer, which is bounded."""


class Buffer:
    """Takes events at once, and loses them when there is no room."""

    def __init__(self, send: Send, settings: Batching, clock: Clock) -> None:
        self._send = send
        self._settings = settings
        self._clock = clock
        self._kept: deque[Event] = deque()
        self._filled = asyncio.Event()
        self._sending: set[asyncio.Task[bool]] = set()
        self._tokens = float(settings.burst)
        self._refilled = clock.monotonic()
        self._task: asyncio.Task[None] | None = None
        self.lost = 0

    def put(self, events: Sequence[Event]) -> bool:
        for event in events:
            if len(self._kept) >= self._settings.buffer:
                self.lost += 1
                log.error("Error in audit plugin 'buffered' affecting 1 audit events: audit buffer queue blocked")
                continue
            self._kept.append(event)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        if len(self._kept) >= self._settings.most:
            self._filled.set()
        return True

    async def _run(self) -> None:
        while True:
            await self._gathered()
            while len(self._kept) >= self._settings.most > 1 or (self._kept and not self._filled.is_set()):
                await self._one()
            while self._kept and self._settings.most == 1:
                await self._one()

    async def _gathered(self) -> None:
        """Until there is a full batch, or the longest wait is over."""
        if len(self._kept) >= self._settings.most:
            return
        self._filled.clear()
        filled = asyncio.ensure_future(self._filled.wait())
        if self._settings.most == 1:
            await filled
            return
        timer = asyncio.ensure_future(self._clock.sleep(self._settings.wait))
        try:
            await asyncio.wait((filled, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            filled.cancel()
            timer.cancel()

    async def _one(self) -> None:
        """Sends a batch, within the rate that is allowed."""
        batch = [self._kept.popleft() for _ in range(min(len(self._kept), self._settings.most))]
        await self._allowed()
        if self._settings.most == 1:
            await self._send(batch)
            return
        task = asyncio.ensure_future(self._send(batch))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        if len(self._sending) >= MOST_AT_ONCE:
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)

    async def _allowed(self) -> None:
        rate = self._settings.per_second
        if not rate:
            return
        now = self._clock.monotonic()
        self._tokens = min(float(self._settings.burst), self._tokens + (now - self._refilled) * rate)
        self._refilled = now
        self._tokens -= 1
        if self._tokens < 0:
            await self._clock.sleep(-self._tokens / rate)

    async def close(self, grace: float) -> None:
        """Sends what is left, for at most `grace` seconds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while self._kept:
            await self._one()
        if self._sending:
            _, late = await asyncio.wait(self._sending, timeout=grace)
            for task in late:
                task.cancel()


def fitting(events: Sequence[Event], settings: Truncating) -> list[list[Event]]:
    """In batches that are small enough; what is too large even without its objects is lost."""
    if not settings.enabled:
        return [list(events)]
    batches: list[list[Event]] = [[]]
    total = 0
    for event in events:
        size = len(event.line())
        if size > settings.event and event.level in ("Request", "RequestResponse"):
            event = truncated(event)
            size = len(event.line())
        if size > settings.event:
            log.error(TOO_LARGE)
            continue
        if batches[-1] and total + size > settings.batch:
            batches.append([])
            total = 0
        total += size
        batches[-1].append(event)
    return [batch for batch in batches if batch]


def truncated(event: Event) -> Event:
    annotations = dict(sorted({**event.annotations, TRUNCATED: "true"}.items()))
    return msgspec.structs.replace(event, requestObject=None, responseObject=None, annotations=annotations)

"""A clock that stands still until a test turns it; then everything due happens, in order, at its own moment."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOST_TURNS = 200_000
"""Turns of the event loop after which waiting for quiet is given up: something goes round in circles."""
BLIND_TURNS = 100


async def settle() -> None:
    """Returns when no task can go on without time passing or I/O arriving; raises RuntimeError if that never comes.

    asyncio does not say whether callbacks wait; its own loop keeps them in `_ready`. On other loops (uvloop) a
    fixed number of turns has to do.
    """
    ready = getattr(asyncio.get_running_loop(), "_ready", None)
    for turn in range(MOST_TURNS):
        await asyncio.sleep(0)
        if not ready and (ready is not None or turn >= BLIND_TURNS):
            return
    raise RuntimeError(f"tasks were still busy after {MOST_TURNS} turns of the event loop")


class VirtualClock:
    """Satisfies `umiak.kit.clock.Clock`."""

    def __init__(self, start: datetime = NOON) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._elapsed + seconds, self._count, waker))
        await waker

    async def advance(self, seconds: float | timedelta = 0.0) -> None:
        """Lets `seconds` pass. On return everything due by then has happened, and what followed from it."""
        length = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        until = self._elapsed + length
        await settle()
        while self._next_due() <= until:
            self._elapsed = max(self._elapsed, self._next_due())
            self._wake_due()
            await settle()
        self._elapsed = max(self._elapsed, until)

    def _next_due(self) -> float:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)  # cancelled in its sleep
        return self._sleepers[0][0] if self._sleepers else float("inf")

    def _wake_due(self) -> None:
        while self._next_due() <= self._elapsed:
            heapq.heappop(self._sleepers)[2].set_result(None)

"""The clock of one machine, which need not agree with those of others."""

import asyncio
from datetime import datetime, timedelta

from umiak.testing.clock import NOON


class MachineClock:
    """Satisfies `umiak.kit.clock.Clock` on a `VirtualLoop`. `rate` is how many of its seconds pass in a true one."""

    def __init__(self, offset: float = 0.0, rate: float = 1.0) -> None:
        """`offset` is how many seconds its wall clock is ahead of the true time."""
        self.offset = offset
        self.rate = rate

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic() + self.offset)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() * self.rate

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds / self.rate))

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock; the monotonic one goes on as ever."""
        self.offset += seconds

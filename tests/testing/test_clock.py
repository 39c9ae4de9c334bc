"""Time passes only when told to, and everything due happens in order."""

import asyncio
from datetime import timedelta

from umiak.testing.clock import NOON, VirtualClock, settle


async def sleeper(clock: VirtualClock, seconds: float, heard: list[tuple[float, float]]) -> None:
    await clock.sleep(seconds)
    heard.append((seconds, clock.monotonic()))


async def test_wakes_in_order_each_at_its_moment():
    clock, heard = VirtualClock(), []
    tasks = [asyncio.create_task(sleeper(clock, s, heard)) for s in (3, 1, 2, 9)]
    await clock.advance(5)
    assert heard == [(1, 1), (2, 2), (3, 3)]
    assert clock.monotonic() == 5
    assert clock.now() == NOON + timedelta(seconds=5)
    await clock.advance(timedelta(seconds=4))
    await asyncio.gather(*tasks)
    assert heard[-1] == (9, 9)


async def test_what_follows_from_waking_happens_too():
    clock, ticks = VirtualClock(), []

    async def tick() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.monotonic())

    task = asyncio.create_task(tick())
    await clock.advance(35)
    task.cancel()
    assert ticks == [10, 20, 30]


async def test_cancelled_sleepers_are_forgotten():
    clock = VirtualClock()
    task = asyncio.create_task(clock.sleep(1))
    await settle()
    task.cancel()
    await clock.advance(2)
    assert clock.monotonic() == 2

"""Memory is given back after work, and not looked at in vain."""

import asyncio

from umiak.kit.memory import INTERVAL, MUCH, stay_small, trim
from umiak.testing.clock import VirtualClock


async def test_it_is_given_back_after_work_only():
    clock, spent, given = VirtualClock(), [0.0], []
    task = asyncio.create_task(stay_small(clock, lambda: spent[0], lambda: given.append(clock.monotonic())))
    await clock.advance(3 * INTERVAL)
    assert given == []
    spent[0] = MUCH + 0.01
    await clock.advance(3 * INTERVAL)
    assert len(given) == 1, "once for each bout of work"
    task.cancel()


def test_the_heap_can_be_trimmed():
    trim()

"""The rules of client-go's work queue."""

import asyncio

import pytest

from umiak.reconcile.queue import Queue, TokenBucket
from umiak.testing.clock import VirtualClock, settle


@pytest.fixture
async def clock():
    return VirtualClock()


@pytest.fixture
async def queue(clock):
    queue = Queue[str](clock)
    yield queue
    await queue.close()


async def drain(queue: Queue[str]) -> list[str]:
    taken = []
    while len(queue):
        taken.append(await queue.take())
        queue.done(taken[-1])
    return taken


async def test_a_key_is_queued_once(queue):
    for key in ("a", "b", "a"):
        queue.add(key)
    assert await drain(queue) == ["a", "b"]


async def test_a_key_touched_while_worked_on_comes_again(queue):
    queue.add("a")
    key = await queue.take()
    queue.add("a")
    assert len(queue) == 0
    queue.done(key)
    assert await drain(queue) == ["a"]


async def test_take_waits(queue):
    waiting = asyncio.create_task(queue.take())
    await settle()
    assert not waiting.done()
    queue.add("a")
    assert await waiting == "a"


async def test_a_cancelled_taker_passes_its_wake_up_on(queue):
    first, second = asyncio.create_task(queue.take()), asyncio.create_task(queue.take())
    await settle()
    queue.add("a")
    first.cancel()
    assert await second == "a"


async def test_the_earlier_delay_wins(queue, clock):
    queue.add_after("a", 10)
    queue.add_after("a", 5)
    queue.add_after("a", 20)
    await clock.advance(5)
    assert await drain(queue) == ["a"]
    await clock.advance(60)
    assert await drain(queue) == []


async def test_delays_are_kept_apart(queue, clock):
    queue.add_after("late", 30)
    queue.add_after("soon", 1)
    queue.add_after("now", 0)
    assert await drain(queue) == ["now"]
    await clock.advance(1)
    assert await drain(queue) == ["soon"]
    await clock.advance(28.9)
    assert (await drain(queue), queue.delayed) == ([], 1)
    await clock.advance(0.1)
    assert await drain(queue) == ["late"]


async def test_failures_wait_ever_longer_until_forgotten(queue):
    waits = [queue.add_failed("a") for _ in range(20)]
    assert waits[:4] == [0.005, 0.01, 0.02, 0.04]
    assert waits[-1] == 1000
    queue.forget("a")
    assert queue.add_failed("a") == 0.005


async def test_all_failures_together_are_bounded(queue):
    waits = [queue.add_failed(f"key-{i}") for i in range(120)]
    assert waits[:100] == [0.005] * 100
    assert waits[119] == pytest.approx(2.0)


def test_bucket_refills():
    bucket = TokenBucket(rate=2, burst=1)
    assert [bucket.try_take(0), bucket.try_take(0), bucket.try_take(0.5)] == [True, False, True]

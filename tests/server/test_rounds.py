"""After a round there is a rest, and what happens meanwhile is told together."""

import asyncio

import pytest

from umiak.server.rounds import REST, Rounds, rest_after
from umiak.testing.clock import VirtualClock

TOOK = 0.002


class Slow:
    """A listener; the server's clock goes on while it is told."""

    def __init__(self, clock):
        self.clock, self.waiting, self.told = clock, [], []
        self.heard = asyncio.Event()

    def tell(self):
        self.clock.skip(TOOK)
        self.told.append(self.waiting)
        self.waiting = []
        self.heard.set()


class SkippingClock(VirtualClock):
    now_is = 0.0

    def monotonic(self):
        return self.now_is

    def skip(self, seconds):
        self.now_is += seconds


async def test_rest_is_as_long_as_the_round():
    rounds = Rounds(clock := SkippingClock())
    listener = Slow(clock)
    listener.waiting.append("first")
    rounds.join(listener)
    await listener.heard.wait()
    began, listener.heard = asyncio.get_running_loop().time(), asyncio.Event()
    for event in ("second", "third"):
        listener.waiting.append(event)
        rounds.join(listener)
        await asyncio.sleep(0)
    await listener.heard.wait()
    assert listener.told == [["first"], ["second", "third"]]
    assert asyncio.get_running_loop().time() - began >= 0.9 * REST * TOOK


async def test_after_a_quick_round_there_is_no_rest():
    rounds = Rounds(clock := SkippingClock())
    listener = Slow(clock)
    for event in ("first", "second"):
        listener.waiting.append(event)
        rounds.join(listener)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        clock.skip(REST * TOOK)
    assert listener.told == [["first"], ["second"]]


@pytest.mark.parametrize(
    "took, rest",
    [
        (0.001, 0.008),  # a few dozen watchers
        (0.0025, 0.02),
        (0.008, 0.02),  # no longer than clients notice
        (0.1, 0.2),  # thousands of them: requests get their share all the same
    ],
)
def test_rest_grows_with_the_round_and_then_no_more(took, rest):
    assert rest_after(took) == pytest.approx(rest)

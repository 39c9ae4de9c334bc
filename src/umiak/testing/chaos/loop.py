"""An event loop without I/O: when nothing is left to do now, its time is that of the next timer.

Tasks and futures hash by the number that they get when that is first asked for, not by their address, so that whatever
keeps them in sets (asyncio does) goes through them in the same order in every run, whatever ran before it.
"""

import asyncio
import itertools
from asyncio import base_events
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
TURN = 1e-6
"""Seconds that a turn of the loop takes: work is never done in no time, and who waits for less than that gets there."""
MOST_TURNS = 2_000_000


class Stuck(RuntimeError):
    """Everything waits for something that never comes."""


class NumberedTask(asyncio.Task[Any]):
    _number = 0

    def __hash__(self) -> int:
        if not self._number:
            self._number = next(self.get_loop().numbers)  # type: ignore[attr-defined]
        return self._number


class NumberedFuture(asyncio.Future[Any]):
    _number = 0

    def __hash__(self) -> int:
        if not self._number:
            self._number = next(self.get_loop().numbers)  # type: ignore[attr-defined]
        return self._number


class VirtualLoop(base_events.BaseEventLoop):
    """`time` begins at 0, in seconds."""

    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._time = 0.0
        self._turns = 0
        self.numbers = itertools.count(1)
        """For tasks and futures."""
        self._clock_resolution = 1e-9
        self._selector = self
        self.set_task_factory(lambda loop, work, **named: NumberedTask(work, loop=loop, **named))

    def time(self) -> float:
        return self._time

    def create_future(self) -> asyncio.Future[Any]:
        return NumberedFuture(loop=self)

    def select(self, timeout: float | None) -> list[Any]:
        """What the base class asks of its selector: here nothing ever arrives but time."""
        if timeout is None:
            raise Stuck("nothing is left to do, and nothing will be")
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise Stuck(f"still busy at {self._time:.3f} s after {MOST_TURNS} turns: something goes round in circles")
        self._time = max(self._time + TURN, self._scheduled[0].when() if timeout > 0 else 0.0)
        return []

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        """There is no other thread to be woken from."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` on a loop of its own, and ends whatever it has left behind."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        _end(loop)
        loop.close()


def _end(loop: VirtualLoop) -> None:
    for _ in range(20):  # what is cancelled may start something to tidy up
        left = sorted(asyncio.all_tasks(loop), key=hash)
        if not left:
            break
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())

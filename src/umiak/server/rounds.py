"""Watchers are told in rounds, so that telling many does not take all the time there is.

One write to one watcher costs some 20 µs, nearly all of it in the kernel, however much is written. So after a round the
server rests for twice as long as the round took, and what happens meanwhile is told together. A few watchers are told
at once, a hundred some 4 ms later at worst; and the more happens, the less each event costs.
"""

import asyncio
from typing import Protocol

from umiak.kit.clock import Clock

REST = 2
"""How many times as long as a round the rest after it takes."""


class Listener(Protocol):
    def tell(self) -> None:
        """Writes what has come together."""
        ...


class Rounds:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: dict[Listener, None] = {}
        self._rest_until = 0.0
        self._next: asyncio.Handle | None = None

    def join(self, listener: Listener) -> None:
        """`listener` has something to tell in the next round."""
        self._listeners[listener] = None
        if self._next is None:
            loop, rest = asyncio.get_running_loop(), self._rest_until - self._clock.monotonic()
            self._next = loop.call_later(rest, self._tell) if rest > 0 else loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._next = None
        began = self._clock.monotonic()
        listeners, self._listeners = self._listeners, {}
        for listener in listeners:
            listener.tell()
        ended = self._clock.monotonic()
        self._rest_until = ended + REST * (ended - began)

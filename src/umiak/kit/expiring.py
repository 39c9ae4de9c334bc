"""A memory of bounded size, in which each thing is kept for a time of its own."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from umiak.kit.clock import Clock

V = TypeVar("V")


class Expiring(Generic[V]):
    """When it is full, what was used longest ago goes."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        found = self._kept.get(key)
        if found is None:
            return None
        if found[0] <= self._clock.monotonic():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found[1]

    def put(self, key: Hashable, value: V, seconds: float) -> None:
        if seconds <= 0:
            return
        self._kept[key] = self._clock.monotonic() + seconds, value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()

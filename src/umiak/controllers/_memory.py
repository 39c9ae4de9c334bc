"""What a controller remembers between reconciles, apart for each cluster that this process serves."""

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from umiak.objects.meta import Key
from umiak.reconcile.contract import Cache, Context

T = TypeVar("T")


class Memory(Generic[T]):
    """Bound to the cache of the context, so it ends with its process or test. Losing it must do no harm."""

    def __init__(self) -> None:
        self._by_cache: WeakKeyDictionary[Cache, dict[Hashable, T]] = WeakKeyDictionary()

    def of(self, ctx: Context) -> dict[Hashable, T]:
        return self.at(ctx.cache)

    def at(self, cache: Cache) -> dict[Hashable, T]:
        return self._by_cache.setdefault(cache, {})


class Places:
    """Where objects are to be found by something else than their name: filled as they are seen, corrected as read.

    A controller's wakers see every object (`Also.keys`), so nothing is missing; what no longer belongs is dropped
    when somebody looks for it.
    """

    def __init__(self) -> None:
        self._memory: Memory[dict[Key, None]] = Memory()

    def put(self, cache: Cache, place: Hashable, key: Key) -> None:
        self._memory.at(cache).setdefault(place, {})[key] = None

    def find(self, cache: Cache, place: Hashable, still: Callable[[Key], T | None]) -> list[T]:
        """What `still` answers for each object at the place; those for which it answers None are forgotten."""
        at = self._memory.at(cache)
        keys = at.get(place) or {}
        found = {key: still(key) for key in list(keys)}
        for key in [k for k, answer in found.items() if answer is None]:
            del keys[key]
        if not keys:
            at.pop(place, None)
        return [answer for answer in found.values() if answer is not None]

    def places(self, cache: Cache) -> Iterable[Hashable]:
        return list(self._memory.at(cache))

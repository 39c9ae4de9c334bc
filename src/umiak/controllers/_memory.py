"""What a controller remembers between reconciles, apart for each cluster that this process serves."""

from collections.abc import Hashable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from umiak.reconcile.contract import Cache, Context

T = TypeVar("T")


class Memory(Generic[T]):
    """Bound to the cache of the context, so it ends with its process or test. Losing it must do no harm."""

    def __init__(self) -> None:
        self._by_cache: WeakKeyDictionary[Cache, dict[Hashable, T]] = WeakKeyDictionary()

    def of(self, ctx: Context) -> dict[Hashable, T]:
        return self._by_cache.setdefault(ctx.cache, {})

"""How much is stored of each resource, by a look at some of it once a minute."""

from collections.abc import Callable

from umiak.api.kind import Kind
from umiak.kit.clock import Clock
from umiak.server.flow.estimate import Size
from umiak.server.route import Route
from umiak.server.sync import at_once
from umiak.store.contract import Store

PERIOD = 60.0
"""Seconds that an average holds."""
LOOKED_AT = 50
"""Objects."""


class Sizes:
    def __init__(self, store: Store, clock: Clock, find: Callable[[str, str, str], Kind | None]) -> None:
        self._store = store
        self._clock = clock
        self._find = find
        self._averages: dict[str, tuple[float, int]] = {}
        """Time of the look and bytes, by prefix: as many as there are resources."""

    def of(self, route: Route) -> Size | None:
        kind = self._find(route.group, route.version, route.resource)
        if kind is None or "watch" not in kind.verbs:
            return None
        prefix = kind.store_prefix()
        return Size(self._store.count(prefix), self._average(prefix))

    def _average(self, prefix: str) -> int:
        now = self._clock.monotonic()
        looked, average = self._averages.get(prefix, (now - PERIOD, 0))
        if now - looked >= PERIOD:
            entries = at_once(self._store.range(prefix, limit=LOOKED_AT)).entries
            average = sum(len(entry.value) for entry in entries) // len(entries) if entries else 0
            self._averages[prefix] = now, average
        return average

"""Waits that grow: between restarts of a crashing container, and between tries to pull an image.

The arithmetic is client-go's flowcontrol.Backoff: 10 seconds at first, doubling to 5 minutes, forgotten after 10
minutes without trouble.
"""

from collections.abc import Hashable

import msgspec

from umiak.kit.backoff import Backoff

RESTARTS = Backoff(first=10.0, limit=300.0)


class _Entry(msgspec.Struct, frozen=True):
    tries: int
    updated: float


class Holdoff:
    """Remembers per key how long to wait. All times are seconds since the epoch."""

    def __init__(self, backoff: Backoff = RESTARTS) -> None:
        self._backoff = backoff
        self._entries: dict[Hashable, _Entry] = {}

    def _fresh(self, key: Hashable, since: float) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None or since - entry.updated > 2 * self._backoff.limit:
            return None
        return entry

    def wait(self, key: Hashable) -> float:
        """The present waiting time in seconds, whether or not it is over."""
        entry = self._entries.get(key)
        return self._backoff.wait(entry.tries) if entry else 0.0

    def left(self, key: Hashable, since: float, now: float) -> float:
        """Seconds still to wait when the trouble was at `since`; 0 or less when there is nothing to wait for."""
        return since + self.wait(key) - now if self._fresh(key, since) else 0.0

    def left_since_try(self, key: Hashable, now: float) -> float:
        """The same, counted from the last `next`."""
        entry = self._fresh(key, now)
        return entry.updated + self._backoff.wait(entry.tries) - now if entry else 0.0

    def next(self, key: Hashable, since: float, now: float) -> None:
        """Notes another try; the next wait is longer."""
        entry = self._fresh(key, since)
        self._entries[key] = _Entry(entry.tries + 1 if entry else 1, now)

    def forget(self, about: Hashable) -> None:
        """Drops all keys that are tuples beginning with `about`."""
        for key in [k for k in self._entries if isinstance(k, tuple) and k[0] == about]:
            del self._entries[key]

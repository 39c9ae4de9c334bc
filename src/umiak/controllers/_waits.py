"""Growing waits between repeated attempts at the same thing."""

from collections.abc import Hashable
from datetime import timedelta

import msgspec

from umiak.controllers._memory import Memory
from umiak.kit.backoff import Backoff
from umiak.reconcile.contract import Context


class _Wait(msgspec.Struct):
    attempts: int
    since: float
    """When the last attempt was, by the monotonic clock."""


class Waits(msgspec.Struct, eq=False):
    """`first` seconds after the first attempt, twice as many after each further one, up to `limit`.

    What was not tried for twice the limit starts anew; a restart forgets everything.
    """

    first: float
    limit: float
    _memory: Memory[_Wait] = msgspec.field(default_factory=Memory)

    def left(self, ctx: Context, key: Hashable) -> timedelta:
        """How long to wait still; zero when it may be tried."""
        wait = self._memory.of(ctx).get(key)
        if wait is None:
            return timedelta(0)
        until = wait.since + Backoff(self.first, self.limit).wait(wait.attempts)
        return timedelta(seconds=max(0.0, until - ctx.clock.monotonic()))

    def again(self, ctx: Context, key: Hashable) -> None:
        """Notes an attempt, now."""
        known, now = self._memory.of(ctx), ctx.clock.monotonic()
        for stale in [k for k, w in known.items() if now - w.since > 2 * self.limit]:
            del known[stale]
        before = known.get(key)
        known[key] = _Wait(before.attempts + 1 if before else 1, now)

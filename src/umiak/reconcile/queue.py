"""Keys waiting to be worked on: each at most once at a time, some only later, failing ones ever later.

Same rules as client-go's rate-limiting work queue: a key added while it is being worked on is queued again
when that work is done; of two delays for one key the earlier wins; a failing key waits 5 ms, 10 ms, ...
1000 s, and all failing keys together are let in at 10 a second after a burst of 100.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

import msgspec

from umiak.kit.backoff import Backoff
from umiak.kit.clock import Clock

K = TypeVar("K", bound=Hashable)

FAILURE_BACKOFF = Backoff(first=0.005, limit=1000.0)
MIN_HEAP_TO_PRUNE = 64


class TokenBucket(msgspec.Struct):
    """Lets `burst` pass at once, then `rate` a second."""

    rate: float
    burst: float
    _tokens: float = 0.0
    _at: float | None = None

    def _refill(self, now: float) -> None:
        """The first look fills the bucket."""
        if self._at is None:
            self._tokens = self.burst
        else:
            self._tokens = min(self.burst, self._tokens + max(0.0, now - self._at) * self.rate)
        self._at = now

    def reserve(self, now: float) -> float:
        """Takes a token, if need be of the future; seconds until it is due."""
        self._refill(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self.rate)

    def try_take(self, now: float) -> bool:
        """Takes a token only if there is one."""
        self._refill(now)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Queue(Generic[K]):
    """A keyed work queue on one event loop. `close` ends its timer; nothing else needs ending."""

    def __init__(
        self, clock: Clock, *, backoff: Backoff = FAILURE_BACKOFF, rate: float = 10.0, burst: float = 100.0
    ) -> None:
        self._clock = clock
        self._backoff = backoff
        self._bucket = TokenBucket(rate, burst)
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()
        self._working: set[K] = set()
        self._failures: dict[K, int] = {}
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0
        self._timer: asyncio.Task[None] | None = None
        self._timer_due = 0.0
        self._takers: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        """How many keys could be taken now."""
        return len(self._ready)

    @property
    def delayed(self) -> int:
        """How many keys wait for their time."""
        return len(self._due)

    @property
    def idle(self) -> bool:
        """Nothing is ready and nothing is being worked on."""
        return not self._ready and not self._working

    def add(self, key: K) -> None:
        """Wants `key` looked at, soon and once."""
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._push(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Wants `key` looked at in `seconds`; an earlier wish for the same key stays."""
        if seconds <= 0:
            self.add(key)
            return
        due = self._clock.monotonic() + seconds
        if self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))
        self._prune()
        self._set_timer()

    def add_failed(self, key: K) -> float:
        """Wants `key` again after its failure number so-and-so; returns the seconds it has to wait."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        wait = max(self._backoff.wait(failures), self._bucket.reserve(self._clock.monotonic()))
        self.add_after(key, wait)
        return wait

    def forget(self, key: K) -> None:
        """The key succeeded: its next failure is its first."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    async def take(self) -> K:
        """The next key; whoever takes it must call `done` with it."""
        while not self._ready:
            taker = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            try:
                await taker
            except asyncio.CancelledError:
                if taker.done() and not taker.cancelled():
                    self._wake_one()  # the wake-up was for whoever waits next
                raise
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """The work on `key` has ended, well or not."""
        self._working.discard(key)
        if key in self._dirty:
            self._push(key)

    async def rest(self, key: K, seconds: float) -> None:
        """As `done`, but what has become of the key is looked at only after `seconds`."""
        await self._clock.sleep(seconds)
        self.done(key)

    async def close(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            await asyncio.wait([timer])

    def _push(self, key: K) -> None:
        self._ready.append(key)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return

    def _prune(self) -> None:
        """Entries overtaken by an earlier wish stay in the heap until they outnumber the live ones."""
        if len(self._heap) > max(MIN_HEAP_TO_PRUNE, 2 * len(self._due)):
            self._heap = [entry for entry in self._heap if self._due.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)

    def _set_timer(self) -> None:
        """Keeps one timer, for the earliest key."""
        if not self._heap:
            return
        due = self._heap[0][0]
        if self._timer is not None and not self._timer.done():
            if self._timer_due <= due:
                return
            self._timer.cancel()
        self._timer_due = due
        self._timer = asyncio.get_running_loop().create_task(self._release_in_time())

    async def _release_in_time(self) -> None:
        while self._heap:
            self._timer_due = self._heap[0][0]
            wait = self._timer_due - self._clock.monotonic()
            if wait > 0:
                await self._clock.sleep(wait)
            self._release_due()

    def _release_due(self) -> None:
        now = self._clock.monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)

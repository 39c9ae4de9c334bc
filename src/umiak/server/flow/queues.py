"""Fair queuing of one priority level: who runs, who waits in which queue, who is next.

This is apiserver's `fairqueuing/queueset`. Queues share the level's seats equally, by a clock of their own: R counts
the seat-seconds that each busy queue has had a right to; a queue's `start` is the R at which its next request would be
due if all ran as they should. The request that would end first in that reckoning is the next. Requests are taken to
run 3 ms; what they really took is corrected when they end.

Nothing here reads a clock: `now` is in seconds, from any point on.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec

from umiak.server.flow.estimate import SERVICE, Width
from umiak.server.flow.shares import Demand

FULL, LIMIT, TIME_OUT = "queue-full", "concurrency-limit", "time-out"
"""Why a request is turned away, as metrics name it."""


class Queuing(msgspec.Struct, frozen=True):
    """How a level's requests wait; lengths are numbers of requests."""

    queues: int
    hand_size: int
    length: int


class Queue:
    """Requests of one queue: those that wait, in order, and how many run."""

    __slots__ = ("executing", "index", "seats", "start", "waiting", "waiting_work")

    def __init__(self, index: int) -> None:
        self.index = index
        self.waiting: OrderedDict[Ticket, None] = OrderedDict()
        self.waiting_work = 0.0
        self.executing = 0
        self.seats = 0
        self.start = 0.0

    @property
    def is_busy(self) -> bool:
        return bool(self.executing or self.waiting)


class Ticket:
    """One request's place in a level. `started` is when it began to run, None as long as it waits; `rejected` says why
    it never will. `flow`, `about` and `turn` belong to whoever handed it in."""

    __slots__ = ("about", "arrived", "arrived_r", "flow", "queue", "rejected", "started", "turn", "width")
    arrived: float
    arrived_r: float
    turn: Any

    def __init__(self, width: Width, flow: Any = None, about: Any = None) -> None:
        self.width = width
        self.flow = flow
        self.about = about
        self.queue: Queue | None = None
        self.started: float | None = None
        self.rejected = ""


NOBODY: Sequence[Ticket] = ()


class QueueSet:
    """One level's requests. Methods that free seats return the tickets that may run now."""

    def __init__(self, now: float) -> None:
        self.is_exempt = False
        self.queuing: Queuing | None = None
        self.limit = 0
        self.demand = Demand(now)
        self.r = 0.0
        self.executing: set[Ticket] = set()
        self.waiting = 0
        self.seats = 0
        """In use, also by what lingers."""
        self.dispatched = self.turned_away = self.cancelled = 0
        self._queues: dict[int, Queue] = {}
        self._backlog: dict[int, Queue] = {}
        self._active = 0
        self._arrivals = 0
        self._last = 0

    # Configuration

    def configure(self, queuing: Queuing | None, limit: int, exempt: bool, now: float) -> Sequence[Ticket]:
        """Without `queuing`, what can not run at once is turned away."""
        self._sync(now)
        self.queuing, self.limit, self.is_exempt = queuing, limit, exempt
        return self._dispatch(now)

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.executing

    @property
    def queues(self) -> list[Queue]:
        """Those that were used so far, in order."""
        return [self._queues[index] for index in sorted(self._queues)]

    # Arrival

    def arrive(self, ticket: Ticket, hand: Sequence[int], now: float) -> None:
        """Starts the request, lets it wait in one of the queues of `hand`, or says in the ticket why it is turned
        away."""
        self._sync(now)
        ticket.arrived = now
        if self.queuing is None:
            if self.is_exempt or self._fits(ticket.width.seats):
                self._start(ticket, now)
            else:
                ticket.rejected = LIMIT
                self.turned_away += 1
        elif not self.waiting and self.seats < self.limit and self._fits(ticket.width.seats):
            self._start_at_once(ticket, hand, now)
        else:
            self._enqueue(ticket, hand, now)

    def _start_at_once(self, ticket: Ticket, hand: Sequence[int], now: float) -> None:
        """What waiting would come to when nobody else waits."""
        index = self._last = hand[self._arrivals % len(hand)]
        self._arrivals += 1
        queue = self._queues.get(index) or self._queue(index)
        if not queue.executing:
            queue.start = self.r
            self._active += 1
        ticket.arrived_r = self.r
        self._run_from(queue, ticket, now)

    def _enqueue(self, ticket: Ticket, hand: Sequence[int], now: float) -> None:
        assert self.queuing is not None
        queue = self._pick(hand)
        if self.seats >= self.limit and len(queue.waiting) >= self.queuing.length:
            ticket.rejected = FULL
            self.turned_away += 1
            return
        if not queue.is_busy:
            queue.start = self.r
            self._active += 1
        ticket.queue, ticket.arrived_r = queue, self.r
        queue.waiting[ticket] = None
        queue.waiting_work += ticket.width.work
        self._backlog[queue.index] = queue
        self.waiting += 1
        self.demand.change(ticket.width.seats)
        self._dispatch(now)  # nobody but this one can start: no seat was freed

    def _pick(self, hand: Sequence[int]) -> Queue:
        """The queue with the least work waiting; who is asked first goes round, so that hands that overlap do not all
        prefer the same."""
        first = self._arrivals % len(hand)
        self._arrivals += 1
        turned = [*hand[first:], *hand[:first]]
        return min((self._queue(index) for index in turned), key=lambda queue: queue.waiting_work)

    def _queue(self, index: int) -> Queue:
        found = self._queues.get(index)
        if found is None:
            found = self._queues[index] = Queue(index)
        return found

    # Dispatch

    def _fits(self, seats: int) -> bool:
        """A request wider than the whole level runs alone."""
        if seats > self.limit:
            return not self.executing
        return self.seats + seats <= self.limit

    def _dispatch(self, now: float) -> Sequence[Ticket]:
        started: list[Ticket] = []
        while self.waiting and self.seats < self.limit:
            queue = self._next()
            ticket = next(iter(queue.waiting))
            if not self._fits(ticket.width.seats):
                break
            self._last = queue.index
            self._unqueue(ticket, queue)
            self.demand.change(-ticket.width.seats)
            ticket.width = ticket.width.within(self.limit)
            self._run_from(queue, ticket, now)
            self._bound(queue)
            started.append(ticket)
        return started

    def _next(self) -> Queue:
        """The queue whose first request would end first; among equals the one after that which was served last."""
        span = max(self._queues) + 1

        def due(queue: Queue) -> tuple[float, int]:
            first = next(iter(queue.waiting))
            return queue.start + first.width.work, (queue.index - self._last - 1) % span

        return min(self._backlog.values(), key=due)

    def _unqueue(self, ticket: Ticket, queue: Queue) -> None:
        del queue.waiting[ticket]
        queue.waiting_work = queue.waiting_work - ticket.width.work if queue.waiting else 0.0
        if not queue.waiting:
            del self._backlog[queue.index]
        self.waiting -= 1

    def _run_from(self, queue: Queue, ticket: Ticket, now: float) -> None:
        ticket.queue = queue
        queue.executing += 1
        queue.seats += ticket.width.seats
        queue.start += ticket.width.work
        self._start(ticket, now)

    def _start(self, ticket: Ticket, now: float) -> None:
        ticket.started = now
        self.executing.add(ticket)
        self.dispatched += 1
        self.seats += ticket.width.seats
        self.demand.change(ticket.width.seats)

    # Departure

    def finish(self, ticket: Ticket, now: float) -> Sequence[Ticket]:
        """The request is answered. When its width lingers, its seats stay taken until `release`."""
        self._sync(now)
        self.executing.remove(ticket)
        queue = ticket.queue
        if queue is not None:
            assert ticket.started is not None
            queue.executing -= 1
            queue.start -= ticket.width.initial * (SERVICE - (now - ticket.started))
            if queue.waiting:
                self._bound(queue)
            elif not queue.executing:
                self._active -= 1
        if ticket.width.lingers:
            return self._dispatch(now)  # what is wider than the level had to wait until nothing runs
        return self._release(ticket, now)

    def release(self, ticket: Ticket, now: float) -> Sequence[Ticket]:
        """What lingered is over."""
        self._sync(now)
        return self._release(ticket, now)

    def _release(self, ticket: Ticket, now: float) -> Sequence[Ticket]:
        seats = ticket.width.seats
        self.seats -= seats
        self.demand.change(-seats)
        queue = ticket.queue
        if queue is not None:
            queue.seats -= seats
            if not queue.is_busy and self.queuing and queue.index >= self.queuing.queues:
                self._queues.pop(queue.index, None)
        return self._dispatch(now) if self.waiting else NOBODY

    def give_up(self, ticket: Ticket, now: float) -> Sequence[Ticket]:
        """The request waited too long, or nobody wants its answer any more. Narrower ones that waited behind a wide
        one may run then."""
        self._sync(now)
        queue = ticket.queue
        assert queue is not None
        self._unqueue(ticket, queue)
        self.demand.change(-ticket.width.seats)
        self.turned_away += 1
        self.cancelled += 1
        ticket.rejected = TIME_OUT
        if queue.waiting:
            self._bound(queue)
        elif not queue.executing:
            self._active -= 1
        return self._dispatch(now)

    def _bound(self, queue: Queue) -> None:
        """A queue that did not use its share can not save it up: nothing is due before it arrived."""
        if queue.waiting:
            queue.start = max(queue.start, next(iter(queue.waiting)).arrived_r)

    def _sync(self, now: float) -> None:
        elapsed = self.demand.until(now)
        if self._active:
            self.r += elapsed * min(self.demand.now, self.limit) / self._active

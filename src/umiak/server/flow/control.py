"""Priority and fairness at work: lets requests in, keeps them waiting, and follows the configuration objects.

A request that need not wait costs a few microseconds and no task. Everything that is decided is decided in `levels`
and `queues`; here are the clock, the futures, the store.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from heapq import heappop, heappush
from typing import Any, Protocol

import msgspec

from umiak.api.flowcontrol.flowschema import KIND as FLOW_SCHEMA
from umiak.api.flowcontrol.prioritylevelconfiguration import KIND as PRIORITY_LEVEL
from umiak.kit.clock import Clock
from umiak.kit.metrics import Histogram
from umiak.objects.errors import StatusError
from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.server.access.feed import follow
from umiak.server.answer import Answer, plain
from umiak.server.bootstrap.flow_control import dangling
from umiak.server.contract import Request, User
from umiak.server.flow import estimate, rules, shares
from umiak.server.flow.estimate import CHANGES, ONE, READS, Size, Width
from umiak.server.flow.levels import Flow, Levels
from umiak.server.flow.measure import REGULAR, Stats
from umiak.server.flow.queues import QueueSet, Ticket
from umiak.server.flow.retrying import Retrying
from umiak.server.resources import Resources
from umiak.server.route import Route
from umiak.store.contract import Cancel, Unwritable

log = logging.getLogger(__name__)

MOST_WAIT = 15.0
"""Seconds in a queue: a quarter of the time that a request has, which is a minute unless it says less."""
MOST_UPDATES = 6
"""Status updates of one schema within a minute; servers that disagree must not fight for it."""
TOO_MANY = "Too many requests, please try again later.\n"


class Watchers(Protocol):
    """Who watches what."""

    def interested(self, route: Route) -> int:
        """How many watches a change is told to."""
        ...


class Passage(Protocol):
    """The way in for requests of one seat that are answered at once, so that they need no ticket. It leads nowhere once
    the configuration has changed."""

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """What their answers carry."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether one may run now."""
        ...

    def passed(self, seconds: float) -> None:
        """One did; nobody came or left meanwhile."""
        ...


class Gate(Protocol):
    """What lets requests in; `control` and `inflight` have one each."""

    on_change: list[Callable[[], None]]
    """Called when requests may go another way than before."""

    def enter(self, request: Request, route: Route) -> Ticket | None:
        """None for a request that is not limited. One that is may have to wait for its `turn`; in the end it `leave`s,
        unless it was rejected."""
        ...

    async def turn(self, ticket: Ticket) -> bool:
        """Waits until the request may run; False when it has to go."""
        ...

    def leave(self, ticket: Ticket) -> None: ...

    def refusal(self, ticket: Ticket) -> Answer: ...

    def passage(self, user: User, route: Route) -> Passage | None:
        """For reads of this sort by this user; None when there is none."""
        ...


def too_many(seconds: int) -> Answer:
    """Not a Status: the reference writes it before it knows what the client accepts."""
    answer = plain(TOO_MANY, 429)
    answer.headers.append(("Retry-After", str(seconds)))
    return answer


class InFlight:
    """How many requests run now, and the most since that was asked, by whether they change something."""

    def __init__(self) -> None:
        self.now = [0, 0]
        self.most = [0, 0]

    def change(self, changing: bool, by: int) -> None:
        count = self.now[changing] = self.now[changing] + by
        if count > self.most[changing]:
            self.most[changing] = count

    def peak(self, changing: bool) -> int:
        """The most since the last time."""
        most, self.most[changing] = self.most[changing], self.now[changing]
        return most


class FlowPassage(msgspec.Struct, frozen=True):
    """Of the requests of one flow. The few microseconds that they take do not count in the reckoning of who is next,
    which takes requests to run 3 ms."""

    headers: Sequence[tuple[str, str]]
    queues: QueueSet
    stats: Stats
    ran: Histogram
    running: InFlight

    @property
    def is_open(self) -> bool:
        queues = self.queues
        return not queues.waiting and (queues.seats < queues.limit or queues.is_exempt)

    def passed(self, seconds: float) -> None:
        self.queues.dispatched += 1
        self.queues.demand.pulse(seconds)
        self.stats.at_once += 1
        self.ran.observe(seconds)
        running = self.running
        if running.now[False] >= running.most[False]:
            running.most[False] = running.now[False] + 1


class FlowControl:
    """The gate with priority and fairness. `seats` in all; `size` tells how much is stored of a resource."""

    def __init__(
        self,
        seats: int,
        clock: Clock,
        objects: Resources,
        watchers: Watchers,
        size: Callable[[Route], Size | None],
        reports: bool = True,
    ) -> None:
        """One of a server's processes `reports` in the status of schemas."""
        self.clock = clock
        self.levels = Levels(seats, clock.monotonic())
        self.running, self.waiting = InFlight(), InFlight()
        self._objects = objects
        self._watchers = watchers
        self._size = size
        self._reports = reports
        self._retrying: dict[str, Retrying] = {}
        self._lingering: list[tuple[float, int, Ticket]] = []
        self._changed = asyncio.Event()
        self.on_change: list[Callable[[], None]] = []
        self._updates: dict[str, deque[float]] = {}
        self._cancels: list[Cancel] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # Requests

    def enter(self, request: Request, route: Route) -> Ticket | None:
        flow = self.levels.flow_of(request.user, route)
        if flow is None:
            return None
        request.answer_headers = (*request.answer_headers, *flow.headers) if request.answer_headers else flow.headers
        width = ONE if route.verb == "get" else self._width(flow, request, route)
        ticket = Ticket(width, flow, (request, route))
        flow.state.queues.arrive(ticket, flow.hand, self.clock.monotonic())
        if ticket.started is not None:
            self.running.change(route.verb not in READS, 1)
            if width is ONE:
                flow.stats.at_once += 1
            else:
                flow.stats.dispatch(0.0, width.seats)
        elif ticket.rejected:
            flow.stats.reject(ticket.rejected, 0.0, width.seats)
        return ticket

    def passage(self, user: User, route: Route) -> FlowPassage | None:
        flow = self.levels.flow_of(user, route)
        if flow is None or route.verb not in READS:
            return None
        return FlowPassage(flow.headers, flow.state.queues, flow.stats, flow.stats.ran_of(REGULAR), self.running)

    def _width(self, flow: Flow, request: Request, route: Route) -> Width:
        if route.verb in CHANGES:
            watchers = self._watchers.interested(route)
            flow.stats.watchers.observe(watchers)
            return estimate.of_change(route, flow.state.most_seats, watchers)
        if route.verb in ("list", "watch"):
            return estimate.of_list(request, route, flow.state.most_seats, self._size)
        return ONE

    async def turn(self, ticket: Ticket) -> bool:
        if ticket.rejected:
            return False
        changing, flow = ticket.about[1].verb not in READS, ticket.flow
        ticket.turn = asyncio.get_running_loop().create_future()
        flow.stats.lengths.observe(len(ticket.queue.waiting) if ticket.queue else 0)
        self.waiting.change(changing, 1)
        timer = self.run(self._expire(ticket))
        try:
            await ticket.turn
        except asyncio.CancelledError:
            self._nobody_waits(ticket)
            raise
        finally:
            timer.cancel()
            self.waiting.change(changing, -1)
        waited = self.clock.monotonic() - ticket.arrived
        if ticket.rejected:
            flow.stats.reject(ticket.rejected, waited, ticket.width.seats)
            return False
        self.running.change(changing, 1)
        flow.stats.dispatch(waited, ticket.width.seats)
        return True

    async def _expire(self, ticket: Ticket) -> None:
        await self.clock.sleep(longest_wait(*ticket.about))
        if ticket.started is None:
            self._wake(ticket.flow.state.queues.give_up(ticket, self.clock.monotonic()))
            ticket.turn.set_result(None)

    def _nobody_waits(self, ticket: Ticket) -> None:
        """The client went away, perhaps just when its turn had come."""
        queues, now = ticket.flow.state.queues, self.clock.monotonic()
        if ticket.started is None and not ticket.rejected:
            self._wake(queues.give_up(ticket, now))
        elif ticket.started is not None:
            self._wake(queues.finish(ticket, now))
            self._linger(ticket, now)

    def leave(self, ticket: Ticket) -> None:
        now = self.clock.monotonic()
        flow, verb = ticket.flow, ticket.about[1].verb
        assert ticket.started is not None
        self.running.change(verb not in READS, -1)
        flow.stats.ran_of("watch" if verb == "watch" else REGULAR).observe(now - ticket.started)
        self._wake(flow.state.queues.finish(ticket, now))
        if ticket.width.lingers:
            self._linger(ticket, now)
        if flow.state.retires and flow.state.queues.is_idle:
            self._changed.set()

    def refusal(self, ticket: Ticket) -> Answer:
        retrying = self._retrying.setdefault(ticket.flow.schema.level, Retrying())
        return too_many(retrying.turned_away(self.clock.monotonic()))

    @staticmethod
    def _wake(tickets: Iterable[Ticket]) -> None:
        for ticket in tickets:
            if not ticket.turn.done():
                ticket.turn.set_result(None)

    def _linger(self, ticket: Ticket, now: float) -> None:
        """One task frees all seats that linger; it ends with the last of them."""
        if not ticket.width.lingers:
            return
        heappush(self._lingering, (now + ticket.width.lingers, id(ticket), ticket))
        if len(self._lingering) == 1:
            self.run(self._free())

    async def _free(self) -> None:
        while self._lingering:
            await self.clock.sleep(self._lingering[0][0] - self.clock.monotonic())
            now = self.clock.monotonic()
            while self._lingering and self._lingering[0][0] <= now:
                ticket = heappop(self._lingering)[2]
                self._wake(ticket.flow.state.queues.release(ticket, now))

    # Configuration

    async def start(self) -> None:
        """Puts the stored objects in force, and follows them until `stop`."""
        for kind in (PRIORITY_LEVEL, FLOW_SCHEMA):
            self._cancels.append(await follow(self._objects.store, kind.store_prefix(), self._note))
        await self._digest()
        self.run(self._follow())
        self.run(self._lend())

    async def stop(self) -> None:
        for cancel in self._cancels:
            cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _note(self, key: str, value: bytes | None) -> None:
        self._changed.set()

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """As a task that ends with `stop`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            try:
                await self._digest()
            except Unwritable as error:
                log.warning("a flow schema's status could not be written: %s", error)

    async def _digest(self) -> None:
        self._changed.clear()
        levels = await self._objects.list(PRIORITY_LEVEL)
        schemas = await self._objects.list(FLOW_SCHEMA)
        self._wake(self.levels.digest(levels, schemas, self.clock.monotonic()))
        for changed in self.on_change:
            changed()
        if self._reports:
            await self._report([rules.schema_of(schema) for schema in schemas])

    async def _lend(self) -> None:
        while True:
            await self.clock.sleep(shares.PERIOD)
            self._wake(self.levels.adjust(self.clock.monotonic()))

    async def _report(self, schemas: Sequence[rules.Schema]) -> None:
        """Tells in each schema's status whether its level exists."""
        missing = self.levels.dangling(schemas)
        for schema in schemas:
            wanted = dangling(schema.level, missing[schema.name], format_time(self.clock.now()))
            same = all(schema.condition.get(field) == wanted[field] for field in ("status", "reason", "message"))
            if not same and self._may_update(schema.name):
                with suppress(StatusError):  # it is gone, and so is the question
                    await self._objects.modify(FLOW_SCHEMA, "", schema.name, _with(wanted), "status")

    def _may_update(self, name: str) -> bool:
        times, now = self._updates.setdefault(name, deque(maxlen=MOST_UPDATES)), self.clock.monotonic()
        if len(times) == MOST_UPDATES and now - times[0] < 60:
            return False
        times.append(now)
        return True


def _with(condition: Object) -> Callable[[Object], Object | None]:
    def change(latest: Object) -> Object:
        status = latest.setdefault("status", {})
        others = [c for c in status.get("conditions") or () if c.get("type") != condition["type"]]
        status["conditions"] = [*others, condition]
        return latest

    return change


def longest_wait(request: Request, route: Route) -> float:
    """Seconds that a request may wait in its queue."""
    said = request.option("timeout") if route.verb != "watch" else ""
    if not said:
        return MOST_WAIT
    from umiak.objects.cel.times import SECOND, parse_duration

    asked = (parse_duration(said) or 0) / SECOND
    return min(asked / 4, MOST_WAIT) if asked > 0 else MOST_WAIT

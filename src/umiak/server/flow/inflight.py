"""Without priority and fairness: so many requests that read and so many that change may run at once, the others are
turned away, apart from the administrators' (apiserver's `maxinflight.go`)."""

from collections.abc import Callable, Sequence

import msgspec

from umiak.server.answer import Answer
from umiak.server.contract import MASTERS, Request, User
from umiak.server.flow.control import InFlight, too_many
from umiak.server.flow.estimate import ONE, READS, runs_long
from umiak.server.flow.queues import Ticket
from umiak.server.route import Route


class Passage(msgspec.Struct, frozen=True):
    """For reads, up to `limit` of them at once."""

    running: InFlight
    limit: int
    headers: Sequence[tuple[str, str]] = ()

    @property
    def is_open(self) -> bool:
        return not self.limit or self.running.now[False] < self.limit

    def passed(self, seconds: float) -> None:
        running = self.running
        if self.limit and running.now[False] >= running.most[False]:
            running.most[False] = running.now[False] + 1


class MaxInFlight:
    """A gate. A limit of 0 is none."""

    def __init__(self, reads: int, changes: int) -> None:
        self._limits = {False: reads, True: changes}
        self.running = InFlight()
        self.on_change: list[Callable[[], None]] = []

    def enter(self, request: Request, route: Route) -> Ticket | None:
        changing = route.verb not in READS
        limit = self._limits[changing]
        if not limit or route.verb == "watch" or runs_long(route):
            return None
        if self.running.now[changing] >= limit:
            if MASTERS in request.user.groups:
                return None
            ticket = Ticket(ONE)
            ticket.rejected = "limit"
            return ticket
        self.running.change(changing, 1)
        ticket = Ticket(ONE, about=changing)
        ticket.started = 0.0
        return ticket

    def passage(self, user: User, route: Route) -> Passage | None:
        return Passage(self.running, self._limits[False]) if route.verb in READS and not runs_long(route) else None

    async def turn(self, ticket: Ticket) -> bool:
        return False

    def leave(self, ticket: Ticket) -> None:
        self.running.change(ticket.about, -1)

    def refusal(self, ticket: Ticket) -> Answer:
        return too_many(1)

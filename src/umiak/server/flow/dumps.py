"""`/debug/api_priority_and_fairness/*`: tables of levels, queues and requests, as the reference prints them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from umiak.server.answer import TEXT, Answer
from umiak.server.contract import Request
from umiak.server.flow.control import FlowControl
from umiak.server.flow.levels import State
from umiak.server.flow.queues import Queue, Ticket

NARROWEST = 8
"""Characters of a column, as Go's tabwriter is set."""
LEVELS = (
    "PriorityLevelName",
    "ActiveQueues",
    "IsIdle",
    "IsQuiescing",
    "WaitingRequests",
    "ExecutingRequests",
    "DispatchedRequests",
    "RejectedRequests",
    "TimedoutRequests",
    "CancelledRequests",
)
QUEUES = (
    "PriorityLevelName",
    "Index",
    "PendingRequests",
    "ExecutingRequests",
    "SeatsInUse",
    "NextDispatchR",
    "InitialSeatsSum",
    "MaxSeatsSum",
    "TotalWorkSum",
)
REQUESTS = (
    "PriorityLevelName",
    "FlowSchemaName",
    "QueueIndex",
    "RequestIndexInQueue",
    "FlowDistingsher",
    "ArriveTime",
    "InitialSeats",
    "FinalSeats",
    "AdditionalLatency",
    "StartTime",
)
DETAILS = ("UserName", "Verb", "APIPath", "Namespace", "Name", "APIVersion", "Resource", "SubResource")


def table(rows: Iterable[Sequence[str]]) -> str:
    """Cells end with a comma and are padded to their column's width; the last ones are not."""
    lines = [[f"{cell}," for cell in row[:-1]] + [row[-1]] for row in rows]
    widths = [max(NARROWEST, *(len(line[i]) + 1 for line in lines)) for i in range(len(lines[0]) - 1)]
    return "".join("".join(c.ljust(w) for c, w in zip(line, widths, strict=False)) + line[-1] + "\n" for line in lines)


def levels(control: FlowControl) -> Iterator[Sequence[str]]:
    yield LEVELS
    for name, state in sorted(control.levels.states.items()):
        queues = state.queues
        backlog = sum(bool(queue.waiting) for queue in queues.queues)
        yield (
            name,
            str(backlog),
            str(queues.is_idle).lower(),
            str(state.retires).lower(),
            *(
                str(n)
                for n in (
                    queues.waiting,
                    len(queues.executing),
                    queues.dispatched,
                    queues.turned_away,
                    0,
                    queues.cancelled,
                )
            ),
        )


def queues(control: FlowControl) -> Iterator[Sequence[str]]:
    yield QUEUES
    for name, state in control.levels.states.items():
        used = {queue.index: queue for queue in state.queues.queues}
        size = state.level.queuing.queues if state.level.queuing else 0
        for index in range(max([size, *(i + 1 for i in used)])):
            queue = used.get(index) or Queue(index)
            initial = sum(ticket.width.initial for ticket in queue.waiting)
            seats = sum(ticket.width.seats for ticket in queue.waiting)
            counts = (index, len(queue.waiting), queue.executing, queue.seats)
            work = (seat_seconds(queue.start), str(initial), str(seats), seat_seconds(queue.waiting_work))
            yield (name, *map(str, counts), *work)


def seat_seconds(value: float) -> str:
    return f"{max(0.0, value):.8f}ss"


def requests(control: FlowControl, details: bool) -> Iterator[Sequence[str]]:
    yield (*REQUESTS, *DETAILS) if details else REQUESTS
    zero = control.clock.now() - timedelta(seconds=control.clock.monotonic())
    for name, state in control.levels.states.items():
        for place, position, ticket in _tickets(state):
            flow, width = ticket.flow, ticket.width
            yield (
                name,
                flow.schema.name,
                str(place),
                str(position),
                flow.distinguisher,
                _time(zero, ticket.arrived),
                str(width.initial),
                str(width.final),
                f"{width.lingers * 1000:g}ms" if width.lingers else "0s",
                "0001-01-01T00:00:00Z" if ticket.started is None else _time(zero, ticket.started),
                *(_details(ticket) if details else ()),
            )


def _tickets(state: State) -> Iterator[tuple[int, int, Ticket]]:
    """(index of the queue, place in it, ticket); -1 for what is in none."""
    for queue in state.queues.queues:
        yield from ((queue.index, place, ticket) for place, ticket in enumerate(queue.waiting))
    for ticket in state.queues.executing:
        yield (ticket.queue.index if ticket.queue else -1), -1, ticket


def _details(ticket: Ticket) -> Sequence[str]:
    request, route = ticket.about
    version = f"{route.group}/{route.version}" if route.group else route.version
    place = (route.namespace, route.name, version, route.resource, route.subresource)
    return (request.user.name, route.verb, route.path, *place)


def _time(zero: datetime, at: float) -> str:
    """The wall clock's time of a moment; it was `zero` when the other clock was."""
    return (zero + timedelta(seconds=at)).isoformat().replace("+00:00", "Z")


def dump(control: FlowControl, request: Request) -> Answer:
    """What the last part of the path asks for."""
    match request.path.rstrip("/").rpartition("/")[2]:
        case "dump_priority_levels":
            rows = levels(control)
        case "dump_queues":
            rows = queues(control)
        case _:
            rows = requests(control, bool(request.option("includeRequestDetails")))
    return Answer(200, table(rows).encode(), TEXT)

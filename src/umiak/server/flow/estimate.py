"""How wide a request is: the seats it takes while it runs, and those that its watchers' events take after it.

A list is as wide as what it loads is large: a seat for each 100 kB; so is a watch that begins with what there is. A
change that ten watchers or more see costs another 5 ms of a seat for each ten of them (apiserver's
`flowcontrol/request`).
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

from umiak.objects.errors import StatusError
from umiak.server.contract import Request
from umiak.server.options import boolean, number
from umiak.server.route import Route

SERVICE = 0.003
"""Seconds that a request is taken to run."""
BYTES_PER_SEAT = 100_000
MOST_LIST_SEATS, MOST_CHANGE_SEATS = 100, 10
MOST_BYTES_OF_LIST = 1_000_000
"""What a list from memory holds at once, since it is sent while it is made."""
WATCHERS_PER_SEAT = 10
EVENT = 0.005
"""Seconds that a seat is kept for the events of a change."""
CHANGES = frozenset({"create", "update", "patch", "delete"})
READS = frozenset({"get", "list", "watch"})
LONG_VERBS = frozenset({"proxy"})
LONG_SUBRESOURCES = frozenset({"attach", "exec", "proxy", "log", "portforward"})


class Width:
    """Seats while it runs, seats afterwards, and for how many seconds those are kept. Not to be changed.

    `seats` are what it takes at once, `work` the seat-seconds that it is taken to need.
    """

    __slots__ = ("final", "initial", "lingers", "seats", "work")

    def __init__(self, initial: int = 1, final: int = 0, lingers: float = 0.0) -> None:
        self.initial, self.final, self.lingers = initial, final, lingers
        self.seats = max(initial, final)
        self.work = initial * SERVICE + final * lingers

    def within(self, seats: int) -> "Width":
        """The same work, with at most so many final seats."""
        if self.final <= seats:
            return self
        return Width(self.initial, seats, self.final * self.lingers / seats if seats else 0.0)


ONE = Width()


class Size(NamedTuple):
    """Of a kind's stored objects: how many, and the bytes of an average one."""

    number: int
    average: int


def runs_long(route: Route) -> bool:
    """Whether a request may take as long as it likes; watches apart, those are not limited."""
    if route.is_resource and route.subresource in LONG_SUBRESOURCES:
        return True
    return route.verb in LONG_VERBS or (not route.is_resource and route.path.startswith("/debug/pprof/"))


def of_list(request: Request, route: Route, most: int, size: Callable[[Route], Size | None]) -> Width:
    """`most` is what its level allows for one request, 0 for anything; `size` knows the resources that are served."""
    most = min(most or MOST_LIST_SEATS, MOST_LIST_SEATS)
    query = request.query
    version = request.option("resourceVersion")
    if route.verb == "watch" and version not in ("", "0") and not boolean(query.get("sendInitialEvents") or ()):
        return ONE
    stored = size(route)
    if stored is None:
        return ONE
    try:
        limit = number(request.option("limit") or "0")
    except StatusError:
        return Width(most)
    return Width(max(1, min(most, _seats(request, route, limit, stored))))


def _seats(request: Request, route: Route, limit: int, stored: Size) -> int:
    from_memory = route.verb == "watch" or not _needs_history(request, limit)
    loaded = min(limit, stored.number) if limit > 0 else stored.number
    if route.name:
        loaded = 1
    elif not from_memory and (request.option("fieldSelector") or request.option("labelSelector")):
        loaded = max(loaded, stored.number // 2)
    held = loaded * stored.average
    return ceil((min(held, MOST_BYTES_OF_LIST) if from_memory else held) / BYTES_PER_SEAT)


def _needs_history(request: Request, limit: int) -> bool:
    """Whether a list is of another state than the newest."""
    match request.option("resourceVersionMatch"):
        case "NotOlderThan":
            return False
        case "":
            if request.option("continue"):
                return True
            return limit > 0 and request.option("resourceVersion") not in ("", "0")
    return True


def of_change(route: Route, most: int, watchers: int) -> Width:
    """`watchers` see the change."""
    if watchers < WATCHERS_PER_SEAT or (route.resource == "serviceaccounts" and route.subresource == "token"):
        return ONE
    wanted = ceil(watchers / WATCHERS_PER_SEAT)
    seats = min(wanted, most or MOST_CHANGE_SEATS, MOST_CHANGE_SEATS)
    return Width(1, seats, wanted * EVENT / seats)


Wide = tuple[str, str, str, str]
"""Group, resource, namespace and name that a watch looks at; empty for all."""


def seen_by(route: Route) -> Sequence[Wide]:
    """The watches that a change is told to."""
    found = [(route.group, route.resource, "", "")]
    if route.namespace:
        found.append((route.group, route.resource, route.namespace, ""))
    if route.name:
        found.append((route.group, route.resource, route.namespace, route.name))
    return found

"""All priority levels and flow schemas together: what the configuration objects make of them, and which way a request
goes. Times are seconds from any point on; nothing waits here.
"""

from collections.abc import Iterable, Sequence

import msgspec

from umiak.objects.types import Object
from umiak.server.bootstrap.flow_control import mandatory
from umiak.server.contract import User
from umiak.server.flow import rules, sharding, shares
from umiak.server.flow.estimate import runs_long
from umiak.server.flow.measure import Stats
from umiak.server.flow.queues import QueueSet, Queuing, Ticket
from umiak.server.flow.rules import Schema
from umiak.server.flow.shares import Claim, Limits
from umiak.server.route import Route

EXEMPT, CATCH_ALL = "exempt", "catch-all"
NOTHING = Limits(0, 0, 0)
MOST_FLOWS = 4096
"""How many flows are remembered; more only cost the time to classify them again."""


class Level(msgspec.Struct, frozen=True):
    """A PriorityLevelConfiguration. `borrowing` is None for no limit of its own; no `queuing` means to turn away."""

    name: str
    uid: str
    exempt: bool
    shares: int
    lendable: int
    borrowing: int | None
    queuing: Queuing | None

    @property
    def most_seats_of(self) -> int:
        """The size of a hand, or 0 where there are no queues."""
        return self.queuing.hand_size if self.queuing else 0


def level_of(obj: Object) -> Level | None:
    """None for an object that makes no sense, which is passed over."""
    name, spec = obj["metadata"]["name"], obj["spec"]
    limited, exempt = spec.get("limited"), spec.get("exempt")
    is_exempt = spec.get("type") == "Exempt"
    about = exempt if is_exempt else limited
    if about is None or is_exempt != (name == EXEMPT) or (exempt is not None) != is_exempt:
        return None
    queuing = None
    if limited is not None:
        response = limited.get("limitResponse") or {}
        given = response.get("queuing")
        if (response.get("type") == "Reject") != (given is None):
            return None
        if given is not None:
            queuing = Queuing(given["queues"], given["handSize"], given["queueLengthLimit"])
            if not sharding.is_dealable(queuing.queues, queuing.hand_size):
                return None
    shares_of, lendable = about.get("nominalConcurrencyShares") or 0, about.get("lendablePercent") or 0
    uid = obj["metadata"].get("uid") or ""
    return Level(name, uid, is_exempt, shares_of, lendable, about.get("borrowingLimitPercent"), queuing)


class State(msgspec.Struct, eq=False):
    """A level at work. `current` is its limit now; one that `retires` has no object any more, but requests."""

    level: Level
    queues: QueueSet
    limits: Limits = NOTHING
    current: int = 0
    most_seats: int = 0
    highest: int = 0
    target: float = 0.0
    retires: bool = False


class Flow(msgspec.Struct, eq=False):
    """Requests that belong together: of one schema, and of one user or namespace if that is what tells them apart."""

    schema: Schema
    state: State
    distinguisher: str
    hand: Sequence[int]
    stats: Stats
    headers: Sequence[tuple[str, str]]
    """What their answers carry."""


class Levels:
    """The configuration in force. `seats` is what the server has in all."""

    def __init__(self, seats: int, now: float) -> None:
        self.seats = seats
        self.schemas: list[Schema] = []
        self.states: dict[str, State] = {}
        self.fair_fraction = 0.0
        self.stats: dict[tuple[str, str], Stats] = {}
        """What is counted, by level and schema."""
        self._flows: dict[tuple[object, ...], Flow | None] = {}
        self.digest([], [], now)

    # Configuration

    def digest(self, levels: Iterable[Object], schemas: Iterable[Object], now: float) -> Sequence[Ticket]:
        """Puts these objects in force; the mandatory ones are there in any case. Returns what may run now."""
        wanted = {level.name: level for obj in levels if (level := level_of(obj)) is not None}
        found = [rules.schema_of(obj) for obj in schemas]
        self.schemas = self._usable(found, wanted)
        for name in (EXEMPT, CATCH_ALL):
            if name not in wanted and (level := level_of(mandatory("PriorityLevelConfiguration", name))):
                kept = self.states.get(name)
                wanted[name] = kept.level if kept else level
        self._set(wanted, now)
        self._flows.clear()
        return self._divide(now)

    @staticmethod
    def _usable(found: Sequence[Schema], levels: dict[str, Level]) -> list[Schema]:
        """Those whose level exists, in order, between the two that are always there."""
        usable = rules.in_order(schema for schema in found if schema.level in levels)
        names = {schema.name for schema in usable}
        if EXEMPT not in names:
            usable.insert(0, rules.schema_of(mandatory("FlowSchema", EXEMPT)))
        if CATCH_ALL not in names:
            usable.append(rules.schema_of(mandatory("FlowSchema", CATCH_ALL)))
        return usable

    def _set(self, wanted: dict[str, Level], now: float) -> None:
        states: dict[str, State] = {}
        for name, level in wanted.items():
            state = states[name] = self.states.get(name) or State(level, QueueSet(now))
            state.level, state.retires = level, False
        for name, state in self.states.items():
            if name not in wanted and not state.queues.is_idle:
                state.retires = True
                states[name] = state
        self.states = states

    def _divide(self, now: float) -> Sequence[Ticket]:
        total = sum(state.level.shares for state in self.states.values())
        for state in self.states.values():
            level = state.level
            state.limits = shares.limits(self.seats, level.shares, total, level.lendable, level.borrowing)
            state.most_seats = shares.most_seats(state.limits.nominal, h) if (h := level.most_seats_of) else 0
        return self.adjust(now)

    def adjust(self, now: float) -> Sequence[Ticket]:
        """Lends seats anew, by what the levels wanted since the last time. Returns what may run now."""
        claims: dict[str, Claim] = {}
        for name, state in self.states.items():
            demand = state.queues.demand
            state.highest = demand.period_ends(now)
            claims[name] = Claim(state.level.exempt, state.limits, state.highest, demand.smoothed)
            state.target = claims[name].target
        limits, self.fair_fraction = shares.adjusted(claims)
        started: list[Ticket] = []
        for name, state in self.states.items():
            state.current = limits[name]
            level = state.level
            started += state.queues.configure(level.queuing, state.current, level.exempt, now)
        return started

    def dangling(self, schemas: Iterable[Schema]) -> dict[str, bool]:
        """By name of schema, whether its level is missing."""
        there = {name for name, state in self.states.items() if not state.retires}
        return {schema.name: schema.level not in there for schema in schemas}

    # Requests

    def flow_of(self, user: User, route: Route) -> Flow | None:
        """Which way a request goes; None for one that may run as long as it likes."""
        if route.is_resource:
            what = (route.group, route.resource, route.subresource, route.namespace)
            key: tuple[object, ...] = (user.name, user.groups, route.verb, what)
        else:
            key = (user.name, user.groups, route.verb, route.path)
        try:
            return self._flows[key]
        except KeyError:
            if len(self._flows) >= MOST_FLOWS:
                self._flows.clear()
            found = self._flows[key] = None if runs_long(route) else self._classify(user, route)
            return found

    def _classify(self, user: User, route: Route) -> Flow:
        schema = rules.first_match(self.schemas, user, route)
        if schema is None:
            schema = next(schema for schema in self.schemas if schema.name == CATCH_ALL)
        state = self.states[schema.level]
        distinguisher, queuing = "", state.level.queuing
        hand: tuple[int, ...] = (0,)
        if queuing is not None and queuing.queues > 1:
            distinguisher = schema.distinguisher(user, route)
            value = sharding.hash_of(schema.name, distinguisher)
            hand = sharding.hand(value, queuing.queues, queuing.hand_size)
        headers = ((rules.FLOW_SCHEMA_UID, schema.uid), (rules.PRIORITY_LEVEL_UID, state.level.uid))
        stats = self.stats.setdefault((schema.level, schema.name), Stats())
        return Flow(schema, state, distinguisher, hand, stats, headers)

"""Where traffic to the endpoints of a Service should come from: the hints in its EndpointSlices.

`spec.trafficDistribution` keeps it near (KEP-4444, KEP-3015); the older annotation shares it out among zones (see
`_topology`) and wins where both are set. Without either there are no hints.
"""

from collections.abc import Callable, Iterable, Sequence

from umiak.controllers import _topology as topology
from umiak.controllers._topology import Shares, Verdict
from umiak.objects import meta
from umiak.objects.types import Object

NEAR = frozenset(("PreferClose", "PreferSameZone", "PreferSameNode"))
ENABLED, DISABLED = "Topology Aware Hints has been enabled", "Topology Aware Hints has been disabled"


def near(endpoint: Object, wish: str) -> Object | None:
    """What `trafficDistribution` says of an endpoint."""
    if wish not in NEAR or not topology.is_ready_endpoint(endpoint):
        return None
    hints: Object = {}
    if endpoint.get("zone"):
        hints["forZones"] = [{"name": endpoint["zone"]}]
    if wish == "PreferSameNode" and endpoint.get("nodeName"):
        hints["forNodes"] = [{"name": endpoint["nodeName"]}]
    return hints or None


def hinted(slice: Object, hints: Iterable[Object | None]) -> Object:
    """The slice with these hints, one for each endpoint; the very same when it has them."""
    before = slice.get("endpoints") or []
    after = [_with(e, h) for e, h in zip(before, hints, strict=True)]
    return slice if all(a is b for a, b in zip(after, before, strict=True)) else {**slice, "endpoints": after}


def _with(endpoint: Object, hints: Object | None) -> Object:
    if (endpoint.get("hints") or None) == hints:
        return endpoint
    rest = {k: v for k, v in endpoint.items() if k != "hints"}
    return {**rest, "hints": hints} if hints else rest


def add(
    service: Object, create: list[Object], update: list[Object], unchanged: Sequence[Object], shares: Shares
) -> Verdict | None:
    """Puts hints into slices to create and to update; what must change for them is added to `update`.

    Answers what became of the annotation, None where there is none.
    """
    if not topology.is_auto(service):
        wish = service["spec"].get("trafficDistribution") or ""
        _add_each(create, update, unchanged, lambda e: near(e, wish))
        return None
    verdict = topology.decide([*create, *update], unchanged, shares)
    if verdict.problem:
        _add_each(create, update, unchanged, lambda e: None)
        return verdict
    update += verdict.unfit
    rows = [[{"forZones": [{"name": zone}]} if zone else None for zone in row] for row in verdict.hints]
    count = len(create)
    create[:] = map(hinted, create, rows[:count])
    update[:] = map(hinted, update, rows[count:])
    return verdict


def _add_each(
    create: list[Object],
    update: list[Object],
    unchanged: Sequence[Object],
    hints: Callable[[Object], Object | None],
) -> None:
    def done(slice: Object) -> Object:
        return hinted(slice, map(hints, slice.get("endpoints") or ()))

    create[:] = map(done, create)
    update[:] = map(done, update)
    update += [after for before in unchanged if (after := done(before)) is not before]


# ----- what users are told


class Hinted:
    """Which Services have hints by annotation, and how many endpoints serve each zone, by address family.

    Losing it only tells them once more.
    """

    def __init__(self) -> None:
        self._counts: dict[meta.Key, dict[str, dict[str, int]]] = {}
        self._told: set[meta.Key] = set()

    def note(self, key: meta.Key, family: str, verdict: Verdict | None) -> tuple[str, str, str] | None:
        """Takes in a decision; the event (type, reason, message) to tell of it, if any."""
        known = key in self._told
        if verdict is not None and not verdict.problem:
            self._counts.setdefault(key, {})[family] = verdict.counts
            self._told.add(key)
            return None if known else ("Normal", "TopologyAwareHintsEnabled", f"{ENABLED}, addressType: {family}")
        self.forget(key, family)
        if verdict is None and not known:
            return None
        problem = verdict.problem if verdict is not None else DISABLED
        return "Warning", "TopologyAwareHintsDisabled", f"{problem}, addressType: {family}"

    def forget(self, key: meta.Key, family: str = "") -> None:
        """One address family of a Service, or all of it."""
        self._told.discard(key)
        counts = self._counts.get(key, {})
        counts.pop(family, None)
        if not counts or not family:
            self._counts.pop(key, None)

    def overloaded(self, shares: Callable[[], Shares]) -> list[meta.Key]:
        """Services that must be looked at again after a change of nodes."""
        if not self._counts:
            return []
        now = shares()
        return [k for k, c in self._counts.items() if any(topology.is_overloaded(counts, now) for counts in c.values())]

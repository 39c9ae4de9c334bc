"""Spreads the endpoints of a Service over zones by the processors there: annotation `topology-mode: Auto` (KEP-2433).

Each zone is to be served by a share of the endpoints that is its share of all processors, give or take a fifth; where
that cannot be had, no endpoint gets a hint, and the Service is told why.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from umiak.api.core.node import KIND as NODE
from umiak.controllers._pods import is_ready
from umiak.objects import meta
from umiak.objects.quantity import parse
from umiak.objects.types import Object
from umiak.reconcile.contract import Cache

ZONE = "topology.kubernetes.io/zone"
MODE, OLD_MODE = "service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints"
LEFT_OUT = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
"""Labels of nodes whose processors do not count."""
OVERLOAD = 0.2
"""How much more than its fair part an endpoint may have to bear."""

NO_NODES = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
TOO_FEW = "Insufficient number of endpoints"
OVERLOADED = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"
NO_ZONE = "One or more endpoints do not have a zone specified"

Shares = Mapping[str, float]
"""Each zone's part of all processors, 0 to 1; empty where that is not known or there is but one zone."""


class Allocation(msgspec.Struct, frozen=True):
    """How many endpoints a zone is to get."""

    least: int
    most: int
    desired: float


class Verdict(msgspec.Struct):
    """Hints for one address family, or the problem with them."""

    problem: str = ""
    counts: dict[str, int] = msgspec.field(default_factory=dict)
    """How many endpoints serve each zone."""
    hints: list[list[str]] = msgspec.field(default_factory=list)
    """The zone that each endpoint of each changing slice is to serve, "" for none; in their order."""
    unfit: list[Object] = msgspec.field(default_factory=list)
    """Slices that were to stay as they are but cannot; `hints` has theirs after those of the changing ones."""


def is_auto(service: Object) -> bool:
    notes = meta.annotations(service)
    return notes.get(OLD_MODE, notes.get(MODE)) in ("Auto", "auto")


# ----- the zones' shares


def capacity(node: Object) -> tuple[str, int] | None:
    """The node's zone and thousandths of processors; None when it does not count."""
    labels = meta.labels(node)
    if not is_ready(node) or any(label in labels for label in LEFT_OUT):
        return None
    cpu = ((node.get("status") or {}).get("allocatable") or {}).get("cpu")
    return labels.get(ZONE, ""), parse(str(cpu)).milli() if cpu else 0


def shares(capacities: Iterable[tuple[str, int]]) -> Shares:
    by_zone: Counter[str] = Counter()
    for zone, cpu in capacities:
        if not zone or not cpu:
            return {}
        by_zone[zone] += cpu
    total = by_zone.total()
    return {zone: cpu / total for zone, cpu in sorted(by_zone.items())} if len(by_zone) > 1 else {}


def cached_shares(cache: Cache) -> Shares:
    return shares(found for node in cache.list(NODE) if (found := capacity(node)) is not None)


def is_overloaded(counts: Mapping[str, int], of: Shares) -> bool:
    """Whether some zone has become too large for the endpoints that serve it."""
    if not counts:
        return False
    total = sum(counts.values())
    return not of or any(zone not in counts or counts[zone] < _least(total * share) for zone, share in of.items())


# ----- the endpoints


def _least(desired: float) -> int:
    return math.ceil(desired * (1 / (1 + OVERLOAD)))


def allocations(count: int, of: Shares) -> dict[str, Allocation] | str:
    """How many of `count` endpoints each zone gets, or why that cannot be said."""
    if not of:
        return NO_NODES
    numbers = f"({count} endpoints, {len(of)} zones)"
    if len(of) > count:
        return f"{TOO_FEW} {numbers}"
    least = {zone: _least(share * count) for zone, share in of.items()}
    spare = count - sum(least.values())
    if spare < 0:
        return f"{OVERLOADED} {numbers}"
    return {z: Allocation(n, n + spare, max(of[z] * count, float(n))) for z, n in least.items()}


def is_ready_endpoint(endpoint: Object) -> bool:
    return endpoint["conditions"].get("ready") is True


def _ready(slice: Object) -> list[Object]:
    return [e for e in slice.get("endpoints") or () if is_ready_endpoint(e)]


def _as_hinted(slice: Object, taken: Counter[str], wanted: Mapping[str, Allocation]) -> Counter[str] | None:
    """How many endpoints serve each zone by the hints there are; None when these will not do."""
    found: Counter[str] = Counter()
    for endpoint in _ready(slice):
        zones = [z["name"] for z in (endpoint.get("hints") or {}).get("forZones") or ()]
        if not zones or any(zone not in wanted for zone in zones):
            return None
        found.update(zones)
    return None if any(n + taken[z] > wanted[z].most for z, n in found.items()) else found


def decide(changing: Sequence[Object], unchanged: Sequence[Object], of: Shares) -> Verdict:
    """Hints for all `changing` slices, and for those of the `unchanged` whose hints will not do."""
    wanted = allocations(sum(len(_ready(s)) for s in (*changing, *unchanged)), of)
    if isinstance(wanted, str):
        return Verdict(wanted)
    counts: Counter[str] = Counter()
    unfit = []
    for slice in unchanged:
        found = _as_hinted(slice, counts, wanted)
        if found is None:
            unfit.append(slice)
        else:
            counts += found
    zones = [[_own_zone(e) for e in s.get("endpoints") or ()] for s in (*changing, *unfit)]
    if any(zone is None for row in zones for zone in row):
        return Verdict(NO_ZONE)
    hints = [[zone or "" for zone in row] for row in zones]
    counts.update(zone for row in hints for zone in row if zone)
    _move(hints, counts, *exchange(wanted, counts))
    return Verdict(counts={z: n for z, n in counts.items() if n}, hints=hints, unfit=unfit)


def _own_zone(endpoint: Object) -> str | None:
    """Where the endpoint is, "" when it is not ready; None when nobody knows."""
    return (endpoint.get("zone") or None) if is_ready_endpoint(endpoint) else ""


def exchange(wanted: Mapping[str, Allocation], counts: Mapping[str, int]) -> tuple[Counter[str], Counter[str]]:
    """How many endpoints zones give, and others receive. Half endpoints are not moved for."""
    spare = {z: counts.get(z, 0) - a.desired for z, a in wanted.items() if counts.get(z, 0) > a.desired}
    lack = {z: a.desired - counts.get(z, 0) for z, a in wanted.items() if counts.get(z, 0) < a.desired}
    gives: Counter[str] = Counter()
    takes: Counter[str] = Counter()
    while spare and lack:
        giver, taker = max(spare, key=lambda z: spare[z]), max(lack, key=lambda z: lack[z])
        if min(spare[giver], lack[taker]) < 0.5 or max(spare[giver], lack[taker]) < 1.0:
            break
        gives[giver] += 1
        takes[taker] += 1
        spare[giver] -= 1
        lack[taker] -= 1
    return gives, takes


def _move(hints: list[list[str]], counts: Counter[str], gives: Counter[str], takes: Counter[str]) -> None:
    """Lets endpoints of zones that give serve those that receive."""
    for row in hints:
        for at, zone in enumerate(row):
            taker = next((z for z, n in takes.items() if n > 0), "")
            if taker and gives[zone] > 0:
                row[at] = taker
                gives[zone] -= 1
                takes[taker] -= 1
                counts[zone] -= 1
                counts[taker] += 1

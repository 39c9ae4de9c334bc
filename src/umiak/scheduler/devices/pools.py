"""The pools of devices that a node can reach, put together from ResourceSlices.

Source: `structured/internal/incubating/pools_incubating.go`.
"""

from collections.abc import Iterable, Sequence

import msgspec

from umiak.objects import meta, quantity
from umiak.objects.quantity import Quantity
from umiak.objects.types import Object
from umiak.scheduler.node_affinity import terms_match
from umiak.scheduler.nodes import NodeView

PoolId = tuple[str, str]
"""Driver and name."""
DeviceId = tuple[str, str, str]
"""Driver, pool and name."""
Counters = dict[str, dict[str, Quantity]]
"""Amounts by set and name."""


class Pool(msgspec.Struct):
    """`slices` are those with devices that the node can reach, `others` the rest with devices."""

    id: PoolId
    is_incomplete: bool = False
    """A part of it is not there yet, so nothing may be taken from it."""
    fault: str = ""
    """Why nothing may be taken from it though it is complete."""
    slices: list[Object] = []
    others: list[Object] = []
    counters: Counters = {}
    """What its devices share."""

    @property
    def is_usable(self) -> bool:
        return not self.is_incomplete and not self.fault


def pool_id(slice_: Object) -> PoolId:
    return slice_["spec"]["driver"], slice_["spec"]["pool"]["name"]


def generation(slice_: Object) -> int:
    return slice_["spec"]["pool"].get("generation") or 0


def devices(slice_: Object) -> list[Object]:
    return slice_["spec"].get("devices") or []


def reaches(about: Object, node: NodeView) -> bool:
    """Whether a slice, or a device that chooses for itself, is there on the node."""
    if about.get("nodeName"):
        return bool(about["nodeName"] == node.name)
    if about.get("allNodes"):
        return True
    selector = about.get("nodeSelector")
    return selector is not None and terms_match(selector.get("nodeSelectorTerms") or (), node.labels, node.name)


def is_relevant(slice_: Object, node: NodeView) -> bool:
    spec = slice_["spec"]
    if spec.get("perDeviceNodeSelection"):
        return any(reaches(device, node) for device in devices(slice_))
    return reaches(spec, node)


def needs_groups(slice_: Object) -> bool:
    """Whether devices tell which others they go with, which is not understood here; the reference passes such slices
    over, too, unless told otherwise."""
    return any(use.get("compatibilityGroups") for d in devices(slice_) for use in d.get("consumesCounters") or ())


def gather(candidates: Iterable[Object], node: NodeView, everything: Sequence[Object]) -> list[Pool]:
    """`candidates` are the slices that may be about the node, `everything` is all there are. Pools whose devices need
    no preparation come first."""
    found: dict[PoolId, list[Object]] = {}
    for each in candidates:
        if not needs_groups(each) and is_relevant(each, node):
            _keep_newest(found, each)
    pools = [pool for key, slices in found.items() if (pool := _pool(key, slices, everything)) is not None]
    return sorted(pools, key=lambda pool: (_needs_preparation(pool), pool.id))


def _keep_newest(found: dict[PoolId, list[Object]], slice_: Object) -> None:
    known = found.setdefault(pool_id(slice_), [])
    if known and generation(slice_) > generation(known[0]):
        known.clear()
    if not known or generation(slice_) == generation(known[0]):
        known.append(slice_)


def _needs_preparation(pool: Pool) -> bool:
    return any("bindingConditions" in device for each in pool.slices for device in devices(each))


def _pool(key: PoolId, slices: list[Object], everything: Sequence[Object]) -> Pool | None:
    """None when a newer generation of the pool is elsewhere."""
    wanted = slices[0]["spec"]["pool"].get("resourceSliceCount") or 0
    if len(slices) == wanted:
        return build(key, slices, [])
    family = [each for each in everything if pool_id(each) == key]
    if any(generation(each) > generation(slices[0]) for each in family):
        return None
    current = [e for e in family if generation(e) == generation(slices[0]) and not needs_groups(e)]
    if len(current) != wanted:
        return Pool(key, is_incomplete=True)
    here = {meta.name(each) for each in slices}
    return build(key, slices, [each for each in current if meta.name(each) not in here])


def build(key: PoolId, slices: list[Object], elsewhere: list[Object]) -> Pool:
    with_counters = [e for e in (*slices, *elsewhere) if e["spec"].get("sharedCounters")]
    here = sorted((e for e in slices if not e["spec"].get("sharedCounters")), key=meta.name)
    others = [e for e in elsewhere if not e["spec"].get("sharedCounters")]
    sets = [each for e in sorted(with_counters, key=meta.name) for each in e["spec"]["sharedCounters"]]
    counters = {each["name"]: amounts(each.get("counters")) for each in sets}
    fault = _doubled("device name", [device["name"] for each in here for device in devices(each)])
    fault = fault or _doubled("counter set name", [each["name"] for each in sets])
    fault = fault or _unknown_counter(counters, [*here, *others])
    return Pool(key, fault=fault) if fault else Pool(key, slices=here, others=others, counters=counters)


def amounts(counters: Object | None) -> dict[str, Quantity]:
    return {name: quantity.parse(each["value"]) for name, each in (counters or {}).items()}


def _doubled(what: str, names: list[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return f"duplicate {what} {name}"
        seen.add(name)
    return ""


def _unknown_counter(counters: Counters, slices: list[Object]) -> str:
    uses = [u for each in slices for device in devices(each) for u in device.get("consumesCounters") or ()]
    for use in uses:
        if use["counterSet"] not in counters:
            return f"counter set {use['counterSet']} not found"
        for name in use.get("counters") or {}:
            if name not in counters[use["counterSet"]]:
                return f"counter {name} not found in counter set {use['counterSet']}"
    return ""

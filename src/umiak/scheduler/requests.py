"""What a pod requests of each resource: to fit on a node, to be counted on one, and to be rated there.

Sources: component-helpers `resource/helpers.go` (PodRequests), `pkg/scheduler/framework/types.go` (CalculateResource),
`plugins/noderesources/resource_allocation.go`. Amounts are milli-cores for cpu, bytes or counts for the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from umiak.objects import quantity
from umiak.objects.types import Object

Amounts = dict[str, int]
Pick = Callable[[Object], Amounts]

LITTLE: Mapping[str, int] = {"cpu": 100, "memory": 200 * 1024 * 1024}
"""What a container that requests none of it counts for when nodes are rated, so that such containers spread, too."""
NOTHING: Mapping[str, int] = {}


def resource_amount(name: str, text: Any) -> int:
    amount = quantity.parse(text)
    return amount.milli() if name == "cpu" else amount.value()


def amounts(listed: Object | None) -> Amounts:
    return {name: resource_amount(name, text) for name, text in (listed or {}).items()}


def add(total: Amounts, more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def lift(total: Amounts, floor: Mapping[str, int]) -> None:
    """Raises each amount to at least that of the floor."""
    for name, amount in floor.items():
        if name not in total or amount > total[name]:
            total[name] = amount


def _asked(container: Object) -> Amounts:
    return amounts((container.get("resources") or {}).get("requests"))


def _of_containers(spec: Object, pick: Pick, missing: Mapping[str, int]) -> Amounts:
    """What containers and sidecars need together, or the largest init container on top of the sidecars started before
    it (KEP-753). `missing` is what a container counts for that says nothing of a resource."""
    containers: Sequence[Object] = spec.get("containers") or ()
    starters = spec.get("initContainers")
    if len(containers) == 1 and not starters:
        return {**missing, **pick(containers[0])}
    total: Amounts = {}
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in containers:
        add(total, {**missing, **pick(container)})
    for container in starters or ():
        picked = {**missing, **pick(container)}
        if container.get("restartPolicy") == "Always":
            add(sidecars, picked)
            add(total, picked)
            lift(peak, sidecars)
        else:
            add(picked, sidecars)
            lift(peak, picked)
    lift(total, peak)
    return total


def _of_pod(listed: Object | None) -> Amounts:
    """Pod-level requests (KEP-2837), as far as pods may have them."""
    known = {n: text for n, text in (listed or {}).items() if n in LITTLE or n.startswith("hugepages-")}
    return amounts(known)


def _pod_level(spec: Object) -> Object | None:
    return (spec.get("resources") or {}).get("requests")


def requested(spec: Object, missing: Mapping[str, int] = NOTHING) -> Amounts:
    """What the spec asks for, overhead included."""
    total = _of_containers(spec, _asked, missing)
    if spec.get("resources"):
        total |= _of_pod(_pod_level(spec))
    return _with_overhead(total, spec)


def _with_overhead(total: Amounts, spec: Object) -> Amounts:
    if spec.get("overhead"):
        add(total, amounts(spec["overhead"]))
    return total


def _is_infeasible(status: Object) -> bool:
    """Whether the kubelet has refused a resize for good."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodResizePending":
            return bool(condition.get("reason") == "Infeasible")
    return False


def _told(spec: Object, status: Object) -> dict[str, Object]:
    """Statuses of containers that were given something else than they ask for, by name."""
    every = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    if not every:
        return {}
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    asked = {c["name"]: (c.get("resources") or {}).get("requests") or {} for c in containers}
    return {s["name"]: s for s in every if not _is_as_asked(s, asked.get(s["name"]))}


def _is_as_asked(status: Object, asked: Object | None) -> bool:
    actual = (status.get("resources") or {}).get("requests")
    return status.get("allocatedResources", asked) == asked and (actual is None or actual == asked)


class Told(msgspec.Struct, frozen=True):
    """What the kubelet reports that the spec does not say."""

    containers: dict[str, Object]
    refused: bool
    whole: bool
    """Whether it reports of the pod as a whole."""

    def __bool__(self) -> bool:
        return bool(self.containers) or self.refused or self.whole


def told(spec: Object, status: Object) -> Told:
    refused = _is_infeasible(status)
    whole = status.get("resources") is not None or status.get("allocatedResources") is not None
    if not refused:
        return Told(_told(spec, status), False, whole)
    every = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return Told({s["name"]: s for s in every}, True, whole)


def held(spec: Object, status: Object, missing: Mapping[str, int] = NOTHING, told_of: Told | None = None) -> Amounts:
    """What the pod takes up where it is: while it is resized in place (KEP-1287), the most of what is asked for, what
    the kubelet has allocated, and what is in force."""
    found = told(spec, status) if told_of is None else told_of
    if not found:
        return requested(spec, missing)
    total = {} if found.refused else _of_containers(spec, _asked, missing)
    for reported in _reported(spec, status, found.containers, found.refused, missing):
        lift(total, reported)
    total |= _held_by_pod(spec, status, found.refused)
    return _with_overhead(total, spec)


def _reported(
    spec: Object, status: Object, statuses: dict[str, Object], refused: bool, missing: Mapping[str, int]
) -> tuple[Amounts, Amounts]:
    """What all containers together were allocated, and what is in force."""
    in_force = (status.get("resources") or {}).get("requests")
    if status.get("allocatedResources") is not None and in_force is not None:
        return amounts(status["allocatedResources"]), amounts(in_force)

    def allocated(container: Object) -> Amounts:
        known = statuses.get(container["name"], {}).get("allocatedResources")
        if known is not None:
            return amounts(known)
        return {} if refused else _asked(container)

    def actual(container: Object) -> Amounts:
        known = (statuses.get(container["name"], {}).get("resources") or {}).get("requests")
        return allocated(container) if known is None else amounts(known)

    return _of_containers(spec, allocated, missing), _of_containers(spec, actual, missing)


def _held_by_pod(spec: Object, status: Object, refused: bool) -> Amounts:
    asked = _of_pod(_pod_level(spec))
    if not asked or status.get("resources") is None:
        return asked
    total = {} if refused else asked
    lift(total, _of_pod(status["resources"].get("requests")))
    lift(total, _of_pod(status.get("allocatedResources")))
    return total


class Figures(msgspec.Struct, frozen=True):
    """All that a pod requests. `counted`: cpu and memory that a node is rated by while it holds the pod; `rated`: those
    that the pod adds to a node that is rated for it."""

    held: Amounts
    counted: tuple[int, int]
    rated: tuple[int, int]


def figures(spec: Object, status: Object) -> Figures:
    """What the pod asks for as a whole is not heeded in `rated`: the reference's NewFit
    (`plugins/noderesources/fit.go`) does not tell its scorer that there is such a thing."""
    found = told(spec, status)
    total = held(spec, status, told_of=found)
    rated = _with_overhead(_of_containers(spec, _asked, LITTLE), spec)
    by_containers = not spec.get("resources") or not _of_pod(_pod_level(spec))
    if by_containers:
        counted = held(spec, status, LITTLE, found) if found else rated
    else:  # what the pod asks for as a whole, and a little only of what nothing in it names
        missing = {name: amount for name, amount in LITTLE.items() if name not in total}
        counted = held(spec, status, missing, found) if missing else total
    return Figures(total, _cpu_and_memory(counted), _cpu_and_memory(rated))


def _cpu_and_memory(total: Amounts) -> tuple[int, int]:
    return total.get("cpu", 0), total.get("memory", 0)

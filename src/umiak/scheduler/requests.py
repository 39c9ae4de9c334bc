"""What a pod requests of each resource: to fit on a node, to be counted on one, and to be rated there.

Sources: component-helpers `resource/helpers.go` (PodRequests), `pkg/scheduler/framework/types.go` (CalculateResource),
`plugins/noderesources/resource_allocation.go`. Amounts are milli-cores for cpu, bytes or counts for the rest.
"""

from collections.abc import Callable, Mapping
from typing import Any

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
    total: Amounts = {}
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("containers") or ():
        add(total, {**missing, **pick(container)})
    for container in spec.get("initContainers") or ():
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
    total |= _of_pod(_pod_level(spec))
    add(total, amounts(spec.get("overhead")))
    return total


def _statuses(status: Object) -> dict[str, Object]:
    """Of the containers that report what they were given, by name."""
    every = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    return {s["name"]: s for s in every if s.get("allocatedResources") is not None or s.get("resources") is not None}


def _is_infeasible(status: Object) -> bool:
    """Whether the kubelet has refused a resize for good."""
    pending = [c for c in status.get("conditions") or () if c.get("type") == "PodResizePending"]
    return bool(pending) and pending[0].get("reason") == "Infeasible"


def held(spec: Object, status: Object, missing: Mapping[str, int] = NOTHING) -> Amounts:
    """What the pod takes up where it is: while it is resized in place (KEP-1287), the most of what is asked for, what
    the kubelet has allocated, and what is in force."""
    told, refused = _statuses(status), _is_infeasible(status)
    if not (told or refused) and status.get("resources") is None and status.get("allocatedResources") is None:
        return requested(spec, missing)
    total = {} if refused else _of_containers(spec, _asked, missing)
    for reported in _reported(spec, status, told, refused, missing):
        lift(total, reported)
    total |= _held_by_pod(spec, status, refused)
    add(total, amounts(spec.get("overhead")))
    return total


def _reported(
    spec: Object, status: Object, told: dict[str, Object], refused: bool, missing: Mapping[str, int]
) -> tuple[Amounts, Amounts]:
    """What all containers together were allocated, and what is in force."""
    in_force = (status.get("resources") or {}).get("requests")
    if status.get("allocatedResources") is not None and in_force is not None:
        return amounts(status["allocatedResources"]), amounts(in_force)

    def allocated(container: Object) -> Amounts:
        known = told.get(container["name"], {}).get("allocatedResources")
        if known is not None:
            return amounts(known)
        return {} if refused else _asked(container)

    def actual(container: Object) -> Amounts:
        known = (told.get(container["name"], {}).get("resources") or {}).get("requests")
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


def counted(spec: Object, status: Object, known: Amounts) -> tuple[int, int]:
    """Cpu and memory that a node is rated by while it holds the pod; `known` is what it holds. A pod that says
    for all its containers together what it needs counts for a little only of what nothing in it names."""
    missing = LITTLE if not _of_pod(_pod_level(spec)) else {n: a for n, a in LITTLE.items() if n not in known}
    total = held(spec, status, missing) if missing else known
    return total.get("cpu", 0), total.get("memory", 0)


def rated(spec: Object) -> tuple[int, int]:
    """Cpu and memory that the pod adds to a node that is rated for it. What the pod asks for as a whole is not heeded:
    the reference's NewFit (`plugins/noderesources/fit.go`) does not tell its scorer that there is such a thing."""
    total = _of_containers(spec, _asked, LITTLE)
    add(total, amounts(spec.get("overhead")))
    return total.get("cpu", 0), total.get("memory", 0)

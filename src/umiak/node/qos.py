"""Quality of service: the class of a pod, and what follows from it for the kernel (kubelet/qos)."""

from collections.abc import Iterable

from umiak.node import pods
from umiak.node.quantity import amount
from umiak.objects.types import Object

GUARANTEED, BURSTABLE, BEST_EFFORT = "Guaranteed", "Burstable", "BestEffort"
COUNTED = ("cpu", "memory")
SANDBOX_OOM, GUARANTEED_OOM, BEST_EFFORT_OOM = -998, -997, 1000
CRITICAL_PRIORITY = 2_000_000_000


def _positive(resources: Object, field: str) -> dict[str, str]:
    wanted = (resources.get(field) or {}).items()
    return {k: v for k, v in wanted if k in COUNTED and amount(v) > 0}


def _all_resources(pod: Object) -> Iterable[Object]:
    if any((pods.spec(pod).get("resources") or {}).get(f) for f in ("requests", "limits")):
        return [pods.spec(pod)["resources"]]
    return [c.get("resources") or {} for c in (*pods.init_containers(pod), *pods.containers(pod))]


def qos_class(pod: Object) -> str:
    """Guaranteed when every container limits cpu and memory and requests just that; BestEffort when none asks."""
    every = list(_all_resources(pod))
    requests, limits = [_positive(r, "requests") for r in every], [_positive(r, "limits") for r in every]
    if not any(requests) and not any(limits):
        return BEST_EFFORT
    if not all(len(found) == len(COUNTED) for found in limits):
        return BURSTABLE
    same = all(
        amount(asked.get(k, cap[k])) == amount(cap[k]) for asked, cap in zip(requests, limits, strict=True) for k in cap
    )
    return GUARANTEED if same else BURSTABLE


def is_critical(pod: Object) -> bool:
    """Static, mirror and system-critical pods are the last to be killed."""
    priority = pods.spec(pod).get("priority")
    return pods.is_static(pod) or pods.is_mirror(pod) or (priority is not None and priority >= CRITICAL_PRIORITY)


def oom_score_adj(pod: Object, container: Object, memory_capacity: int) -> int:
    """How eagerly the kernel kills a container when memory is short: -997 (never) to 1000 (first)."""
    if is_critical(pod):
        return GUARANTEED_OOM
    found = qos_class(pod)
    if found == GUARANTEED:
        return GUARANTEED_OOM
    if found == BEST_EFFORT:
        return BEST_EFFORT_OOM
    request = int(amount(((container.get("resources") or {}).get("requests") or {}).get("memory", "0")))
    adjusted = 1000 - (1000 * request) // max(memory_capacity, 1)
    if adjusted < 1000 + GUARANTEED_OOM:
        return 1000 + GUARANTEED_OOM
    return adjusted - 1 if adjusted == BEST_EFFORT_OOM else adjusted

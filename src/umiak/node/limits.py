"""From a specification's requests and limits to what the kernel is told (kubelet/cm/helpers_linux.go)."""

from collections.abc import Mapping

from msgspec.structs import replace

from umiak.node import pods, qos
from umiak.node.quantity import milli, whole
from umiak.node.runtime import Resources
from umiak.objects.types import Object

MIN_SHARES, MAX_SHARES, SHARES_PER_CPU = 2, 262144, 1024
PERIOD, MIN_QUOTA = 100_000, 1000  # microseconds


def shares(millicpu: int) -> int:
    if millicpu == 0:
        return MIN_SHARES
    return max(MIN_SHARES, min(MAX_SHARES, millicpu * SHARES_PER_CPU // 1000))


def quota(millicpu: int, period: int = PERIOD) -> int:
    """0 for no limit."""
    return max(MIN_QUOTA, millicpu * period // 1000) if millicpu else 0


def asked(container: Object, field: str, resource: str) -> str | None:
    return ((container.get("resources") or {}).get(field) or {}).get(resource)


def container_resources(
    pod: Object, container: Object, memory_capacity: int, page_sizes: tuple[str, ...] = ()
) -> Resources:
    """A container's limits; where it has none, those of the pod."""
    whole_pod = pods.spec(pod)
    cpu_limit = asked(container, "limits", "cpu") or asked(whole_pod, "limits", "cpu") or "0"
    memory_limit = asked(container, "limits", "memory") or asked(whole_pod, "limits", "memory") or "0"
    cpu_request = asked(container, "requests", "cpu")
    return Resources(
        cpu_period=PERIOD,
        cpu_quota=quota(milli(cpu_limit)),
        cpu_shares=shares(milli(cpu_limit if cpu_request is None else cpu_request)),
        memory_limit=whole(memory_limit),
        oom_score_adj=qos.oom_score_adj(pod, container, memory_capacity),
        hugepages=hugepages(container, page_sizes),
    )


def hugepages(container: Object, page_sizes: tuple[str, ...]) -> dict[str, int]:
    """The limit per page size that the machine has, as `2MB`; what is not asked for is forbidden."""
    found = dict.fromkeys(page_sizes, 0)
    for resource, text in ((container.get("resources") or {}).get("limits") or {}).items():
        if resource.startswith("hugepages-"):
            found[resource.removeprefix("hugepages-").removesuffix("i") + "B"] = whole(text)
    return found


def _summed(pod: Object, field: str, resource: str) -> tuple[int, bool]:
    """Of the whole pod, in milli-units for cpu; and whether every container names it.

    Init containers run before the others, one at a time, but sidecars stay (KEP-753).
    """
    read = milli if resource == "cpu" else whole
    named = True
    sidecars = most = 0
    for container in pods.init_containers(pod):
        text = asked(container, field, resource)
        named = named and text is not None
        value = read(text or "0")
        if pods.is_sidecar(container):
            sidecars += value
            most = max(most, sidecars)
        else:
            most = max(most, sidecars + value)
    total = sidecars
    for container in pods.containers(pod):
        text = asked(container, field, resource)
        named = named and text is not None
        total += read(text or "0")
    overhead = (pods.spec(pod).get("overhead") or {}).get(resource)
    own = asked(pods.spec(pod), field, resource)
    if own is not None:
        return read(own) + read(overhead or "0"), True
    return max(total, most) + read(overhead or "0"), named


def pod_resources(pod: Object) -> Resources:
    """What the pod's own control group is told."""
    cpu_request, _ = _summed(pod, "requests", "cpu")
    cpu_limit, cpu_bounded = _summed(pod, "limits", "cpu")
    memory_limit, memory_bounded = _summed(pod, "limits", "memory")
    if not cpu_request and cpu_bounded:
        cpu_request = cpu_limit
    found = qos.qos_class(pod)
    if found == qos.BEST_EFFORT:
        return Resources(cpu_shares=MIN_SHARES)
    return Resources(
        cpu_shares=shares(cpu_request),
        cpu_period=PERIOD if cpu_bounded and cpu_limit else 0,
        cpu_quota=quota(cpu_limit) if cpu_bounded else 0,
        memory_limit=memory_limit if memory_bounded else 0,
    )


def widest(limits: Resources) -> Resources:
    """The same without upper bounds: for the moment in which containers move from their old limits to the new."""
    return replace(limits, cpu_period=PERIOD, cpu_quota=0, memory_limit=0 if not limits.memory_limit else -1)


def requested(pod: Object) -> Mapping[str, int]:
    """What the pod asks of the machine: cpu in thousandths, memory in bytes."""
    return {name: _summed(pod, "requests", name)[0] for name in ("cpu", "memory")}

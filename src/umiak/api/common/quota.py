"""What objects count for in a ResourceQuota: shared by admission, which charges, and the controller, which recounts.

Amounts are by the names that a quota's `hard` uses. Source: the evaluators of k8s.io/kubernetes/pkg/quota/v1.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from umiak.api.common.quota_scopes import matches
from umiak.api.common.resources import added, largest
from umiak.objects import meta, quantity
from umiak.objects.quantity import Quantity, total
from umiak.objects.types import Object

Usage = dict[str, Quantity]
ONE = quantity.parse("1")
NONE = quantity.parse("0")
COMPUTE = ("cpu", "memory", "ephemeral-storage")
POD_NAMES = {
    "pods",
    *COMPUTE,
    *(f"requests.{r}" for r in COMPUTE),
    *(f"limits.{r}" for r in COMPUTE),
}
OLD_COUNTS = {"configmaps", "secrets", "replicationcontrollers", "resourcequotas", "services"}
"""Core kinds that may be counted by their bare name, besides `count/...`."""
CLASS_SUFFIX = ".storageclass.storage.k8s.io/"


def count_name(group: str, plural: str) -> str:
    return f"count/{plural}.{group}" if group else f"count/{plural}"


def counts(name: str) -> tuple[str, str] | None:
    """(group, plural) when `name` counts objects of a kind."""
    if name in OLD_COUNTS:
        return "", name
    if not name.startswith("count/"):
        return None
    plural, _, group = name[len("count/") :].partition(".")
    return group, plural


def tracked_by(name: str) -> tuple[str, str] | None:
    """(group, plural) of the kind whose objects `name` measures; None when nobody knows."""
    if counts(name) is not None:
        return counts(name)
    if name in POD_NAMES or name.startswith(("hugepages-", "requests.hugepages-")):
        return "", "pods"
    if name.startswith("services."):
        return "", "services"
    if name in ("persistentvolumeclaims", "requests.storage") or CLASS_SUFFIX in name:
        return "", "persistentvolumeclaims"
    return ("", "pods") if name.startswith("requests.") else None


def usage(group: str, plural: str, obj: Object, now: datetime) -> Usage:
    """All that one object counts for."""
    found = {count_name(group, plural): ONE}
    if not group and plural in OLD_COUNTS:
        found[plural] = ONE
    if group:
        return found
    measures: Mapping[str, Any] = {
        "pods": lambda: pod_usage(obj) if is_charged(obj, now) else {},
        "services": lambda: service_usage(obj),
        "persistentvolumeclaims": lambda: claim_usage(obj),
    }
    return found | (measures[plural]() if plural in measures else {})


def is_charged(pod: Object, now: datetime) -> bool:
    """Finished pods are free, and so are those that should be gone by now."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    about = meta.metadata(pod)
    grace = about.get("deletionGracePeriodSeconds")
    if not about.get("deletionTimestamp") or grace is None:
        return True
    return now <= meta.parse_time(about["deletionTimestamp"]) + timedelta(seconds=grace)


def pod_usage(pod: Object) -> Usage:
    requests, limits = pod_amounts(pod, "requests"), pod_amounts(pod, "limits")
    found: Usage = {"pods": ONE}
    for name in COMPUTE:
        if name in requests:
            found[name] = found[f"requests.{name}"] = requests[name]
        if name in limits:
            found[f"limits.{name}"] = limits[name]
    for name, amount in requests.items():
        if name.startswith("hugepages-"):
            found[name] = found[f"requests.{name}"] = amount
        elif "/" in name and not name.startswith("requests.") and not name.split("/")[0].endswith("kubernetes.io"):
            found[f"requests.{name}"] = amount
    return found


def pod_amounts(pod: Object, which: str) -> dict[str, Quantity]:
    """The pod's requests or limits: its containers together, or the largest moment of its start; plus overhead.

    Sidecars (restartable init containers) run beside all that come after them. Amounts set for the whole pod win.
    """
    spec = pod.get("spec") or {}
    running = added(_amounts(c, which) for c in spec.get("containers") or ())
    sidecars: dict[str, Quantity] = {}
    starting: dict[str, Quantity] = {}
    for container in spec.get("initContainers") or ():
        own = added([_amounts(container, which)])
        if container.get("restartPolicy") == "Always":
            sidecars = _sum(sidecars, own)
            own = sidecars
        else:
            own = _sum(sidecars, own)
        starting = largest(starting, own)
    found = dict(largest(_sum(running, sidecars), starting))
    found |= added([(spec.get("resources") or {}).get(which)])
    overhead = added([spec.get("overhead")])
    if which == "limits":
        overhead = {name: amount for name, amount in overhead.items() if name in found}
    return _sum(found, overhead)


def _amounts(container: Object, which: str) -> Mapping[str, str] | None:
    return (container.get("resources") or {}).get(which)


def _sum(a: Mapping[str, Quantity], b: Mapping[str, Quantity]) -> dict[str, Quantity]:
    return {name: total([a.get(name, NONE), b.get(name, NONE)]) for name in [*a, *(n for n in b if n not in a)]}


def service_usage(service: Object) -> Usage:
    spec = service.get("spec") or {}
    ports = spec.get("ports") or ()
    kind = spec.get("type")
    node_ports = 0
    if kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False):
        node_ports = len(ports)
    elif kind == "LoadBalancer":
        node_ports = sum(1 for p in ports if p.get("nodePort"))
    balancers = 1 if kind == "LoadBalancer" else 0
    return {
        "services.nodeports": quantity.parse(str(node_ports)),
        "services.loadbalancers": quantity.parse(str(balancers)),
    }


def claim_usage(claim: Object) -> Usage:
    spec = claim.get("spec") or {}
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    found = {"persistentvolumeclaims": ONE}
    if storage is not None:
        allocated = ((claim.get("status") or {}).get("allocatedResources") or {}).get("storage")
        found["requests.storage"] = max(quantity.parse(storage), quantity.parse(allocated or "0"))
    annotations = meta.annotations(claim)
    name = annotations.get("volume.beta.kubernetes.io/storage-class") or spec.get("storageClassName")
    if name:
        found |= {f"{name}{CLASS_SUFFIX}{what}": amount for what, amount in found.items()}
    return found


def charged(quota: Object, group: str, plural: str, objects: Iterable[Object], now: datetime) -> Usage:
    """What `objects` of one kind use of what the quota limits."""
    hard = {name for name in (quota.get("spec") or {}).get("hard") or {} if tracked_by(name) == (group, plural)}
    found = dict.fromkeys(hard, NONE)
    for obj in objects:
        if not matches(quota, group, plural, obj):
            continue
        for name, amount in usage(group, plural, obj, now).items():
            if name in hard:
                found[name] = found[name] + amount
    return found

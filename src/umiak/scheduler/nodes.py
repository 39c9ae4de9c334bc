"""A node as the scheduler sees it: what it offers, and the sums over the pods that are on it or about to be."""

from typing import Any

import msgspec

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.scheduler.census import Census
from umiak.scheduler.pods import HostPort, PodView
from umiak.scheduler.requests import amounts

ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"


class NodeView(msgspec.Struct, eq=False):
    """Kept for every node and changed in place. `pods` counts assumed ones, too."""

    name: str
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    taints: tuple[Object, ...] = ()
    unschedulable: bool = False
    allocatable: dict[str, int] = msgspec.field(default_factory=dict)
    images: dict[str, int] = msgspec.field(default_factory=dict)
    """Sizes in bytes by every name an image goes by."""
    exists: bool = False
    """False while only pods are known that name the node."""
    features: frozenset[str] = frozenset()
    """What the kubelet declares that it can do, beyond what every kubelet can."""
    pods: dict[str, PodView] = msgspec.field(default_factory=dict)
    requested: dict[str, int] = msgspec.field(default_factory=dict)
    nonzero_cpu: int = 0
    nonzero_memory: int = 0
    host_ports: set[HostPort] = msgspec.field(default_factory=set)
    """No two pods have the same one, says the kubelet; where that is not so, it is free once either has gone, as in
    the reference (HostPortInfo)."""
    with_affinity: dict[str, PodView] = msgspec.field(default_factory=dict)
    """Those of `pods` that have any pod affinity term."""
    with_anti_affinity: dict[str, PodView] = msgspec.field(default_factory=dict)
    """Those of `pods` that require to be apart from others."""
    claims: dict[str, int] = msgspec.field(default_factory=dict)
    """How many pods use a claim, by namespace/name."""
    census: Census | None = None
    """Who is told of pods that come and go, and of labels and images that change."""
    place: int = 0
    """Where it stands in the census."""

    def describe(self, node: Object) -> None:
        """Takes over what a Node object says."""
        spec, status = node.get("spec") or {}, node.get("status") or {}
        offered = status.get("allocatable") or status.get("capacity") or {}
        self.exists = True
        before = (self.labels, self.images)
        self.labels = meta.labels(node)
        self.taints = tuple(spec.get("taints") or ())
        self.unschedulable = bool(spec.get("unschedulable"))
        self.allocatable = amounts(offered)
        self.features = frozenset(status.get("declaredFeatures") or ())
        self.images = {
            name: image.get("sizeBytes") or 0
            for image in status.get("images") or ()
            for name in image.get("names") or ()
        }
        if self.census is not None:
            if before != (self.labels, self.images):
                self.census.forget()
            else:
                self.census.columns.changed(self.place)

    def look(self) -> "NodeView":
        """What the Node object says, as of now and without pods."""
        told = (self.labels, self.taints, self.unschedulable, self.allocatable, self.images)
        return NodeView(self.name, *told, True, self.features)

    def add(self, pod: PodView) -> None:
        self.remove(pod.uid)
        self.pods[pod.uid] = pod
        self._count(pod, 1)
        if pod.has_terms:
            self.with_affinity[pod.uid] = pod
        if pod.anti_affinity:
            self.with_anti_affinity[pod.uid] = pod

    def renew(self, pod: PodView) -> None:
        """Takes the newest view of a pod that is here and counts for just what it did (`PodView.counts_like`)."""
        for known in (self.pods, self.with_affinity, self.with_anti_affinity):
            if pod.uid in known:
                known[pod.uid] = pod

    def remove(self, uid: str) -> PodView | None:
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self._count(pod, -1)
            self.with_affinity.pop(uid, None)
            self.with_anti_affinity.pop(uid, None)
        return pod

    def _count(self, pod: PodView, sign: int) -> None:
        if self.census is not None:
            self.census.moved(self, pod, sign)
        for name, amount in pod.requests.items():
            self.requested[name] = self.requested.get(name, 0) + sign * amount
        self.nonzero_cpu += sign * pod.nonzero_cpu
        self.nonzero_memory += sign * pod.nonzero_memory
        for port in pod.host_ports:
            if sign > 0:
                self.host_ports.add(port)
            else:
                self.host_ports.discard(port)
        for claim in pod.claims:
            _tally(self.claims, f"{pod.namespace}/{claim}", sign)


def _tally(counts: dict[Any, int], key: Any, sign: int) -> None:
    count = counts.get(key, 0) + sign
    if count:
        counts[key] = count
    else:
        counts.pop(key, None)

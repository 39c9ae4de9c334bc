"""A pod as the scheduler sees it: read once from the object, small enough to keep for every pod of the cluster."""

from collections.abc import Iterable
from operator import attrgetter

import msgspec

from umiak.objects import meta
from umiak.objects.selectors import Selector, from_label_selector
from umiak.objects.types import Object
from umiak.scheduler.alike import shape
from umiak.scheduler.requests import figures

ANY_ADDRESS = "0.0.0.0"


class HostPort(msgspec.Struct, frozen=True):
    """A port wanted on the node itself."""

    ip: str
    protocol: str
    port: int


class AffinityTerm(msgspec.Struct, frozen=True):
    """One PodAffinityTerm, selectors compiled. `namespaces` empty with no selector: the pod's own was filled in."""

    topology_key: str
    selector: Selector
    namespaces: frozenset[str]
    namespace_selector: Selector | None
    weight: int = 0

    def matches(self, labels: dict[str, str], namespace: str, namespace_labels: dict[str, str]) -> bool:
        chosen = namespace in self.namespaces or (
            self.namespace_selector is not None and self.namespace_selector.matches(namespace_labels)
        )
        return chosen and self.selector.matches(labels)


class Spread(msgspec.Struct, frozen=True):
    """One TopologySpreadConstraint, selector compiled."""

    max_skew: int
    topology_key: str
    selector: Selector
    hard: bool
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


DISKS = frozenset(
    {"awsElasticBlockStore", "azureDisk", "cinder", "gcePersistentDisk", "iscsi", "portworxVolume", "rbd"}
)
NO_TERMS: tuple[AffinityTerm, ...] = ()


class PodView(msgspec.Struct, eq=False):
    """`requests` maps resource names to integers: milli-cores for cpu, bytes or counts for the rest. Of a pod on a
    node it is what it holds there."""

    uid: str
    namespace: str
    name: str
    labels: dict[str, str]
    node: str
    nominated: str
    priority: int
    created: str
    started: str
    scheduler: str
    being_deleted: bool
    preempted: bool
    """Whether it is being deleted to make room for a more important pod."""
    requests: dict[str, int]
    nonzero_cpu: int
    nonzero_memory: int
    """What it counts for, once on a node, when that node is rated."""
    rated_cpu: int
    rated_memory: int
    """What it counts for when a node is rated for it."""
    host_ports: tuple[HostPort, ...]
    affinity: tuple[AffinityTerm, ...]
    anti_affinity: tuple[AffinityTerm, ...]
    preferred_affinity: tuple[AffinityTerm, ...]
    preferred_anti_affinity: tuple[AffinityTerm, ...]
    claims: tuple[str, ...]
    """Names of the PersistentVolumeClaims it uses, those of generic ephemeral volumes included."""
    ephemeral_claims: frozenset[str]
    """Those of `claims` that are made for it alone."""
    disks: tuple[Object, ...]
    """Volumes that are attached, or that several pods may not always share, as the spec has them."""
    resource_claims: tuple[tuple[str, str], ...]
    """Of ResourceClaims that were made for it: their names in the pod, and their own."""
    finished: bool
    owner: Object | None
    version: str
    spec: Object
    """The whole spec while the pod waits; emptied once it is on a node."""
    _shape: bytes = b""

    @property
    def shape(self) -> bytes:
        """The same for pods that are alike (`alike.shape`)."""
        if not self._shape:
            self._shape = shape(self.spec)
        return self._shape

    @property
    def key(self) -> meta.Key:
        return meta.Key(self.namespace, self.name)

    @property
    def has_terms(self) -> bool:
        """Whether it has any pod affinity term."""
        return bool(self.affinity or self.anti_affinity or self.preferred_affinity or self.preferred_anti_affinity)

    def counts_like(self, other: "PodView") -> bool:
        """Whether both take up the same on a node and mean the same to other pods."""
        return _counted(self) == _counted(other)

    def settle(self) -> None:
        """Lets go of what is only needed to choose a node."""
        self.spec = {}
        self._shape = b""


COUNTED = (
    "uid",
    "namespace",
    "labels",
    "priority",
    "being_deleted",
    "requests",
    "nonzero_cpu",
    "nonzero_memory",
    "host_ports",
    "affinity",
    "anti_affinity",
    "preferred_affinity",
    "preferred_anti_affinity",
    "claims",
    "ephemeral_claims",
    "disks",
)
"""What of a pod on a node any rule looks at."""
_counted = attrgetter(*COUNTED)


def _host_ports(spec: Object) -> tuple[HostPort, ...]:
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return tuple(
        HostPort(port.get("hostIP") or ANY_ADDRESS, port.get("protocol") or "TCP", port["hostPort"])
        for container in [*(spec.get("containers") or ()), *sidecars]
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def _term(raw: Object, namespace: str, labels: dict[str, str], weight: int = 0) -> AffinityTerm:
    selector = raw.get("labelSelector")
    namespaces = frozenset(raw.get("namespaces") or ())
    by_labels = raw.get("namespaceSelector")
    if not namespaces and by_labels is None:
        namespaces = frozenset([namespace])
    return AffinityTerm(
        raw["topologyKey"],
        from_label_selector(with_label_keys(selector, raw, labels)),
        namespaces,
        None if by_labels is None else from_label_selector(by_labels),
        weight,
    )


def with_label_keys(selector: Object | None, raw: Object, labels: dict[str, str]) -> Object | None:
    """Adds what `matchLabelKeys` and `mismatchLabelKeys` say of the pod's own labels (KEP-3633, KEP-3243)."""
    same = [{"key": k, "operator": "In", "values": [labels[k]]} for k in raw.get("matchLabelKeys") or () if k in labels]
    other = [
        {"key": k, "operator": "NotIn", "values": [labels[k]]}
        for k in raw.get("mismatchLabelKeys") or ()
        if k in labels
    ]
    if selector is None or not (same or other):
        return selector
    return {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *same, *other]}


def _required(affinity: Object, name: str, namespace: str, labels: dict[str, str]) -> tuple[AffinityTerm, ...]:
    raw = (affinity.get(name) or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    return tuple(_term(t, namespace, labels) for t in raw) if raw else NO_TERMS


def _preferred(affinity: Object, name: str, namespace: str, labels: dict[str, str]) -> tuple[AffinityTerm, ...]:
    raw = (affinity.get(name) or {}).get("preferredDuringSchedulingIgnoredDuringExecution")
    return tuple(_term(t["podAffinityTerm"], namespace, labels, t["weight"]) for t in raw) if raw else NO_TERMS


def _makes_room(status: Object) -> bool:
    wanted = [c for c in status.get("conditions") or () if c.get("type") == "DisruptionTarget"]
    return bool(wanted) and (wanted[0].get("status"), wanted[0].get("reason")) == ("True", "PreemptionByScheduler")


def _resource_claims(status: Object) -> tuple[tuple[str, str], ...]:
    made = tuple((s["name"], s.get("resourceClaimName") or "") for s in status.get("resourceClaimStatuses") or ())
    extended = status.get("extendedResourceClaimStatus")
    return (*made, ("", extended.get("resourceClaimName") or "")) if extended else made


def _claims(pod: Object, volumes: Iterable[Object]) -> dict[str, bool]:
    """Names of PersistentVolumeClaims, in order, and whether each is a generic ephemeral volume's."""
    found = {}
    for volume in volumes:
        if "persistentVolumeClaim" in volume:
            found[volume["persistentVolumeClaim"]["claimName"]] = False
        elif "ephemeral" in volume:
            found[f"{meta.name(pod)}-{volume['name']}"] = True
    return found


def view(pod: Object) -> PodView:
    """Reads a Pod object."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    namespace, labels = meta.namespace(pod), meta.labels(pod)
    affinity = spec.get("affinity") or {}
    volumes = spec.get("volumes") or ()
    claims = _claims(pod, volumes)
    asked = figures(spec, status)
    nonzero_cpu, nonzero_memory = asked.counted
    rated_cpu, rated_memory = asked.rated
    return PodView(
        uid=meta.uid(pod),
        namespace=namespace,
        name=meta.name(pod),
        labels=labels,
        node=spec.get("nodeName") or "",
        nominated=status.get("nominatedNodeName") or "",
        priority=spec.get("priority") or 0,
        created=meta.metadata(pod).get("creationTimestamp") or "",
        started=status.get("startTime") or "",
        scheduler=spec.get("schedulerName") or "default-scheduler",
        being_deleted=meta.is_being_deleted(pod),
        preempted=meta.is_being_deleted(pod) and _makes_room(status),
        requests=asked.held,
        nonzero_cpu=nonzero_cpu,
        nonzero_memory=nonzero_memory,
        rated_cpu=rated_cpu,
        rated_memory=rated_memory,
        host_ports=_host_ports(spec),
        affinity=_required(affinity, "podAffinity", namespace, labels),
        anti_affinity=_required(affinity, "podAntiAffinity", namespace, labels),
        preferred_affinity=_preferred(affinity, "podAffinity", namespace, labels),
        preferred_anti_affinity=_preferred(affinity, "podAntiAffinity", namespace, labels),
        claims=tuple(claims),
        ephemeral_claims=frozenset(name for name, ephemeral in claims.items() if ephemeral),
        disks=tuple(v for v in volumes if not v.keys().isdisjoint(DISKS)),
        resource_claims=_resource_claims(status),
        finished=status.get("phase") in ("Succeeded", "Failed"),
        owner=meta.controller_of(pod),
        version=meta.resource_version(pod),
        spec=spec,
    )

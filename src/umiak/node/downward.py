"""The downward API: what a pod may learn of itself, for variables and for files."""

from collections.abc import Mapping, Sequence
from math import ceil

import msgspec

from umiak.node import pods
from umiak.node.quantity import amount
from umiak.objects import meta
from umiak.objects.types import Object


class Unanswerable(Exception):
    """A reference names something that is not there, or that may not be asked."""


class Place(msgspec.Struct, frozen=True):
    """What the machine adds: its addresses, the pod's addresses, and its allocatable resources as limits' default."""

    host_ips: Sequence[str] = ()
    pod_ips: Sequence[str] = ()
    allocatable: Mapping[str, str] = msgspec.field(default_factory=dict)


def formatted(found: Mapping[str, str]) -> str:
    """Labels or annotations, one per line, sorted, values quoted."""
    return "\n".join(f"{k}={msgspec.json.encode(found[k]).decode()}" for k in sorted(found))


def split_subscript(path: str) -> tuple[str, str | None]:
    """`metadata.labels['x']` is (metadata.labels, x)."""
    if not path.endswith("']") or "['" not in path:
        return path, None
    name, _, rest = path.partition("['")
    return name, rest[:-2]


def field_value(pod: Object, path: str, place: Place) -> str:
    """The value of a `fieldRef`."""
    host_ips = list(place.host_ips)
    pod_ips = list(place.pod_ips)
    simple = {
        "spec.nodeName": lambda: pods.spec(pod).get("nodeName") or "",
        "spec.serviceAccountName": lambda: pods.spec(pod).get("serviceAccountName") or "",
        "status.hostIP": lambda: host_ips[0] if host_ips else "",
        "status.hostIPs": lambda: ",".join(host_ips),
        "status.podIP": lambda: pod_ips[0] if pod_ips else "",
        "status.podIPs": lambda: ",".join(pod_ips),
        "metadata.name": lambda: meta.name(pod),
        "metadata.namespace": lambda: meta.namespace(pod),
        "metadata.uid": lambda: meta.uid(pod),
        "metadata.labels": lambda: formatted(meta.labels(pod)),
        "metadata.annotations": lambda: formatted(meta.annotations(pod)),
    }
    if path in simple:
        return simple[path]()
    name, key = split_subscript(path)
    if key is None:
        raise Unanswerable(f"unsupported fieldPath: {path}")
    maps = {"metadata.labels": meta.labels, "metadata.annotations": meta.annotations}
    if name not in maps:
        raise Unanswerable(f'fieldPath "{path}" does not support subscript')
    return maps[name](pod).get(key, "")


def resource_value(pod: Object, container: Object, ref: Object, place: Place) -> str:
    """The value of a `resourceFieldRef`, in units of its divisor, rounded up.

    A limit that is not set is what the machine can give.
    """
    name = ref.get("containerName")
    if name:
        found = pods.find_container(pod, name)
        if found is None:
            raise Unanswerable(f"container {name} not found")
        container = found
    kind, _, resource = ref["resource"].partition(".")
    known = resource in ("cpu", "memory", "ephemeral-storage") or resource.startswith("hugepages-")
    if kind not in ("limits", "requests") or not known:
        raise Unanswerable(f"unsupported container resource : {ref['resource']}")
    resources = container.get("resources") or {}
    value = (resources.get(kind) or {}).get(resource)
    if value is None:
        value = place.allocatable.get(resource, "0") if kind == "limits" else "0"
    divisor = amount(ref.get("divisor") or "1")
    return str(ceil(amount(value) / (divisor or 1)))

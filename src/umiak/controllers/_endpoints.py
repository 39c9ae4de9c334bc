"""What EndpointSlices and Endpoints have in common: which pods serve a Service, where, and on which ports."""

from ipaddress import ip_address

from umiak.api.core import service as services
from umiak.controllers._pods import is_ready, is_terminal, node_name
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import Cache

MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME = "kubernetes.io/service-name"
HEADLESS = "service.kubernetes.io/headless"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"


def is_selecting(service: Object) -> bool:
    """Whether the Service finds its endpoints by pods' labels: somebody else keeps those of all others."""
    spec = service["spec"]
    return spec.get("type") != "ExternalName" and bool(spec.get("selector"))


def selects(service: Object, labels: dict[str, str]) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and all(labels.get(k) == v for k, v in selector.items())


def served_by(slice: Object, manager: str) -> list[Key]:
    """The Service of a slice that `manager` keeps; none of anybody else's."""
    labels = meta.labels(slice)
    name = labels.get(SERVICE_NAME)
    return [Key(meta.namespace(slice), name)] if name and labels.get(MANAGED_BY) == manager else []


def has_address(service: Object) -> bool:
    return service["spec"].get("clusterIP") not in (None, "", "None")


def pod_ips(pod: Object) -> list[str]:
    """All addresses of the pod, the main one first."""
    status = pod.get("status") or {}
    found = [entry["ip"] for entry in status.get("podIPs") or () if entry.get("ip")]
    return found or ([status["podIP"]] if status.get("podIP") else [])


def may_serve(pod: Object, *, terminating: bool) -> bool:
    """Whether the pod has an address that may be in use; `terminating` counts pods being deleted too."""
    if is_terminal(pod) or not pod_ips(pod):
        return False
    return terminating or not meta.is_being_deleted(pod)


def find_port(pod: Object, service_port: Object) -> int | None:
    """The number behind a Service's target port; a name is looked up in containers, then in sidecars."""
    target = service_port.get("targetPort") or service_port["port"]
    if isinstance(target, int):
        return target
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    protocol = service_port.get("protocol", "TCP")
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            if port.get("name") == target and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None


def is_ipv6(address: str) -> bool:
    return ip_address(address).version == 6


def own_hostname(pod: Object, service: Object) -> str:
    """The name the pod has within the Service's domain, if it asked for one there."""
    spec = pod["spec"]
    return spec.get("hostname") or "" if spec.get("subdomain") == meta.name(service) else ""


def keys_of_pod(pod: Object, cache: Cache) -> list[Key]:
    """The Services that select the pod."""
    labels = meta.labels(pod)
    return cache.selecting(services.KIND, meta.namespace(pod), labels) if labels else []


def pod_matters(old: Object | None, new: Object | None) -> bool:
    """Whether the change of a pod can change endpoints; most changes of status cannot."""
    return old is None or new is None or _view(old) != _view(new)


def _view(pod: Object) -> tuple[object, ...]:
    spec = pod["spec"]
    state = (is_ready(pod), is_terminal(pod), meta.is_being_deleted(pod), pod_ips(pod), node_name(pod))
    return (meta.uid(pod), meta.labels(pod), spec.get("hostname"), spec.get("subdomain"), *state)

"""The default objects that are no roles: namespaces, priority classes, API services, the server's own Service ..."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from umiak.objects.meta import format_micro_time, format_time
from umiak.objects.types import Object
from umiak.server.access.settings import FrontProxySettings

NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "default")

PRIORITY_CLASSES = (
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
)

GROUP_PRIORITIES = {
    "apiregistration.k8s.io": 20000,
    "": 18000,
    "apps": 17800,
    "events.k8s.io": 17750,
    "authentication.k8s.io": 17700,
    "authorization.k8s.io": 17600,
    "autoscaling": 17500,
    "batch": 17400,
    "certificates.k8s.io": 17300,
    "networking.k8s.io": 17200,
    "policy": 17100,
    "rbac.authorization.k8s.io": 17000,
    "storage.k8s.io": 16800,
    "apiextensions.k8s.io": 16700,
    "admissionregistration.k8s.io": 16700,
    "scheduling.k8s.io": 16600,
    "coordination.k8s.io": 16500,
    "node.k8s.io": 16300,
    "discovery.k8s.io": 16200,
    "resource.k8s.io": 16200,
    "flowcontrol.apiserver.k8s.io": 16100,
    "storagemigration.k8s.io": 15800,
}
"""Order of the built-in groups in discovery, highest first."""
VERSION_PRIORITIES = {
    ("", "v1"): 1,
    ("autoscaling", "v2"): 30,
    ("flowcontrol.apiserver.k8s.io", "v1"): 21,
    ("resource.k8s.io", "v1"): 21,
}
ORDINARY_VERSION = 15


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """What the objects say of this server."""

    hostname: str
    address: str
    """Where other machines reach it."""
    port: int
    service_ip: str
    """The first address of the service range."""
    service_cidrs: tuple[str, ...]
    client_ca: str = ""
    """PEM; empty when client certificates are not taken."""
    requestheader_ca: str = ""
    """PEM of the CA whose certificates may name users in headers; empty for none."""
    front_proxy: FrontProxySettings = msgspec.field(default_factory=FrontProxySettings)
    boot_id: str = ""
    """Tells this process from earlier ones on the same machine."""

    @property
    def identity(self) -> str:
        """The name of its lease, the same at every start on the same machine."""
        digest = hashlib.sha256(self.hostname.encode()).digest()[:16]
        return "apiserver-" + base64.b32encode(digest).decode().rstrip("=").lower()


def namespace(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"labels": {"kubernetes.io/metadata.name": name}, "name": name},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def priority_class(name: str, value: int, description: str) -> Object:
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"generation": 1, "name": name},
        "value": value,
        "description": description,
        "preemptionPolicy": "PreemptLowerPriority",
    }


def api_service(group: str, version: str, now: str) -> Object:
    spec: Object = {
        "groupPriorityMinimum": GROUP_PRIORITIES.get(group, 1000),
        "version": version,
        "versionPriority": VERSION_PRIORITIES.get((group, version), ORDINARY_VERSION),
    }
    if group:
        spec["group"] = group
    available = {
        "lastTransitionTime": now,
        "message": "Local APIServices are always available",
        "reason": "Local",
        "status": "True",
        "type": "Available",
    }
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {
            "labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"},
            "name": f"{version}.{group}",
        },
        "spec": spec,
        "status": {"conditions": [available]},
    }


def service(server: Server) -> Object:
    """The Service `kubernetes`, through which pods reach the API."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "labels": {"component": "apiserver", "provider": "kubernetes"},
            "name": "kubernetes",
            "namespace": "default",
        },
        "spec": {
            "clusterIP": server.service_ip,
            "clusterIPs": [server.service_ip],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv6" if ":" in server.service_ip else "IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": server.port}],
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    }


def endpoints(server: Server) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
            "name": "kubernetes",
            "namespace": "default",
        },
        "subsets": [{"addresses": [{"ip": server.address}], "ports": [_port(server)]}],
    }


def _port(server: Server) -> Object:
    return {"name": "https", "port": server.port, "protocol": "TCP"}


def endpoint_slice(server: Server) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generation": 1,
            "labels": {"kubernetes.io/service-name": "kubernetes"},
            "name": "kubernetes",
            "namespace": "default",
        },
        "addressType": "IPv6" if ":" in server.address else "IPv4",
        "endpoints": [{"addresses": [server.address], "conditions": {"ready": True}}],
        "ports": [_port(server)],
    }


def service_cidr(server: Server, now: str) -> Object:
    ready = {
        "lastTransitionTime": now,
        "message": "Kubernetes default Service CIDR is ready",
        "reason": "",
        "status": "True",
        "type": "Ready",
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes"},
        "spec": {"cidrs": list(server.service_cidrs)},
        "status": {"conditions": [ready]},
    }


def ip_address(server: Server) -> Object:
    family = "IPv6" if ":" in server.service_ip else "IPv4"
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {
            "labels": {
                "ipaddress.kubernetes.io/ip-family": family,
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
            "name": server.service_ip,
        },
        "spec": {"parentRef": {"name": "kubernetes", "namespace": "default", "resource": "services"}},
    }


def config_map(name: str, data: dict[str, str]) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system"},
        "data": data,
    }


def authentication_data(server: Server) -> dict[str, str]:
    """What extension API servers must know to authenticate like this one."""

    def words(*found: str) -> str:
        return msgspec.json.encode(found).decode()

    front, data = server.front_proxy, {"client-ca-file": server.client_ca} if server.client_ca else {}
    if server.requestheader_ca:
        data |= {
            "requestheader-allowed-names": words(*front.allowed_names),
            "requestheader-client-ca-file": server.requestheader_ca,
            "requestheader-extra-headers-prefix": words(*front.extra_prefixes),
            "requestheader-group-headers": words(*front.group_headers),
            "requestheader-uid-headers": words(*front.uid_headers),
            "requestheader-username-headers": words(*front.username_headers),
        }
    return data


def lease(server: Server, now: datetime) -> Object:
    """The server's sign of life."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "annotations": {"kubernetes.io/peer-advertise-address": f"{server.address}:{server.port}"},
            "labels": {
                "apiserver.kubernetes.io/identity": "kube-apiserver",
                "kubernetes.io/hostname": server.hostname,
            },
            "name": server.identity,
            "namespace": "kube-system",
        },
        "spec": {
            "holderIdentity": f"{server.identity}_{server.boot_id}",
            "leaseDurationSeconds": 3600,
            "renewTime": format_micro_time(now),
        },
    }


def service_account() -> Object:
    """Pods need it at once; its controller comes later, or not at all."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}


def fixed(server: Server, group_versions: Iterable[tuple[str, str]], now: datetime) -> Iterator[Object]:
    """Everything that is only made when absent."""
    text = format_time(now)
    yield from (namespace(name) for name in NAMESPACES)
    yield from (priority_class(*about) for about in PRIORITY_CLASSES)
    yield from (api_service(group, version, text) for group, version in group_versions)
    yield service_cidr(server, text)
    yield ip_address(server)
    yield service_account()
    yield config_map("kube-apiserver-legacy-service-account-token-tracking", {"since": now.strftime("%Y-%m-%d")})

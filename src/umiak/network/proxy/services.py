"""What the proxy must know of the cluster's Services, read from Service and EndpointSlice objects."""

from collections.abc import Iterable, Sequence

import msgspec

from umiak.objects import meta
from umiak.objects.types import Object

SERVICE_NAME = "kubernetes.io/service-name"
PROXY_NAME = "service.kubernetes.io/service-proxy-name"
HEADLESS = "service.kubernetes.io/headless"


class Backend(msgspec.Struct, frozen=True, order=True):
    """Where a connection may be sent."""

    ip: str
    port: int
    local: bool = False
    ready: bool = True
    serving: bool = True
    zones: tuple[str, ...] = ()


class ServicePort(msgspec.Struct, frozen=True):
    """One port of one Service with the addresses it answers on and the backends behind it."""

    namespace: str
    name: str
    port_name: str
    protocol: str
    port: int
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...]
    node_port: int
    internal_local: bool
    external_local: bool
    affinity_seconds: int
    """0: no session affinity."""
    backends: tuple[Backend, ...]
    health_check_port: int = 0


def is_proxied(service: Object) -> bool:
    """Headless and ExternalName Services have no virtual address; others may belong to another proxy."""
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") in (None, "", "None"):
        return False
    return PROXY_NAME not in meta.labels(service)


def _backend(endpoint: Object, ip: str, port: int, node: str) -> Backend:
    """Absent conditions count as true, except terminating (EndpointConditions in discovery/v1)."""
    conditions = endpoint.get("conditions") or {}
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving")
    zones = tuple(z["name"] for z in (endpoint.get("hints") or {}).get("forZones") or ())
    return Backend(ip, port, endpoint.get("nodeName") == node, ready, ready if serving is None else serving, zones)


def backends_of(slices: Iterable[Object], port_name: str, protocol: str, family: str, node: str) -> list[Backend]:
    """The backends for one port, each once, in a stable order."""
    found: dict[tuple[str, int], Backend] = {}
    for piece in slices:
        if piece.get("addressType") != family:
            continue
        numbers = [
            p["port"]
            for p in piece.get("ports") or ()
            if (p.get("name") or "") == port_name and (p.get("protocol") or "TCP") == protocol and p.get("port")
        ]
        for endpoint in piece.get("endpoints") or ():
            for ip in endpoint.get("addresses") or ():
                for number in numbers:
                    found[ip, number] = _backend(endpoint, ip, number, node)
    return sorted(found.values())


def usable(backends: Sequence[Backend], *, only_local: bool, zone: str = "") -> list[Backend]:
    """Ready ones; when there are none, those that still serve while they end (KEP-1669). Zone hints count only
    when every ready backend carries one and our zone is among them (KEP-2433)."""
    near = [b for b in backends if b.local] if only_local else list(backends)
    ready = [b for b in near if b.ready]
    if not ready:
        return [b for b in near if b.serving]
    if zone and not only_local and all(b.zones for b in ready):
        return [b for b in ready if zone in b.zones] or ready
    return ready


def _external_ips(spec: Object, status: Object) -> tuple[str, ...]:
    ingress = (status.get("loadBalancer") or {}).get("ingress") or ()
    balancers = [i["ip"] for i in ingress if i.get("ip") and i.get("ipMode") != "Proxy"]
    return tuple(dict.fromkeys([*(spec.get("externalIPs") or ()), *balancers]))


def _affinity(spec: Object) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    config = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(config.get("timeoutSeconds") or 10800)


def service_ports(service: Object, slices: Sequence[Object], family: str, node: str) -> list[ServicePort]:
    """The ports of one Service for one address family ("IPv4" or "IPv6")."""
    spec, status = service.get("spec") or {}, service.get("status") or {}
    wanted = ":" if family == "IPv6" else "."
    ips = tuple(ip for ip in spec.get("clusterIPs") or [spec["clusterIP"]] if wanted in ip)
    outside = tuple(ip for ip in _external_ips(spec, status) if wanted in ip)
    return [
        ServicePort(
            namespace=meta.namespace(service),
            name=meta.name(service),
            port_name=port.get("name") or "",
            protocol=(port.get("protocol") or "TCP").lower(),
            port=port["port"],
            cluster_ips=ips,
            external_ips=outside,
            node_port=port.get("nodePort") or 0,
            internal_local=spec.get("internalTrafficPolicy") == "Local",
            external_local=spec.get("externalTrafficPolicy") == "Local",
            affinity_seconds=_affinity(spec),
            backends=tuple(backends_of(slices, port.get("name") or "", port.get("protocol") or "TCP", family, node)),
            health_check_port=spec.get("healthCheckNodePort") or 0,
        )
        for port in spec.get("ports") or ()
    ]


def snapshot(services: Iterable[Object], slices: Iterable[Object], family: str, node: str) -> list[ServicePort]:
    """All proxied ports of the cluster, in a stable order."""
    by_service: dict[tuple[str, str], list[Object]] = {}
    for piece in slices:
        owner = meta.labels(piece).get(SERVICE_NAME)
        if owner and not meta.is_being_deleted(piece):
            by_service.setdefault((meta.namespace(piece), owner), []).append(piece)
    ports = [
        port
        for service in services
        if is_proxied(service)
        for port in service_ports(service, by_service.get(meta.key(service), []), family, node)
    ]
    return sorted(ports, key=lambda p: (p.namespace, p.name, p.port_name, p.port, p.protocol))

"""What becomes of a service's fields when its type changes: fields that the new type has no use for go, if the client
sent them back as they were. Source: `dropTypeDependentFields` of pkg/registry/core/service/strategy.go."""

from collections.abc import Callable

from umiak.objects.types import Object

ADDRESS_FIELDS = ("clusterIP", "clusterIPs")


def needs_address(spec: Object) -> bool:
    return spec.get("type") != "ExternalName"


def needs_node_ports(spec: Object) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer")


def is_load_balancer(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer"


def needs_health_check(spec: Object) -> bool:
    return is_load_balancer(spec) and spec.get("externalTrafficPolicy") == "Local"


def is_external(spec: Object) -> bool:
    return needs_node_ports(spec) or (spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs")))


def drop_unused(new: Object, old: Object) -> None:
    """Changes the spec `new`; `old` is the one before."""

    def lost(needs: Callable[[Object], bool]) -> bool:
        return needs(old) and not needs(new)

    if lost(needs_address):
        if all(new.get(f) == old.get(f) for f in ADDRESS_FIELDS):
            _drop(new, *ADDRESS_FIELDS)
        _drop_unchanged(new, old, "ipFamilies")
        _drop_unchanged(new, old, "ipFamilyPolicy")
    if lost(needs_node_ports) and node_ports(new) <= node_ports(old):
        for port in new.get("ports") or ():
            port.pop("nodePort", None)
    if lost(needs_health_check):
        _drop_unchanged(new, old, "healthCheckNodePort")
    if lost(is_load_balancer):
        _drop_unchanged(new, old, "allocateLoadBalancerNodePorts")
        _drop_unchanged(new, old, "loadBalancerClass")
    if lost(is_external):
        _drop_unchanged(new, old, "externalTrafficPolicy")


def node_ports(spec: Object) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}


def _drop(spec: Object, *fields: str) -> None:
    for field in fields:
        spec.pop(field, None)


def _drop_unchanged(new: Object, old: Object, field: str) -> None:
    if new.get(field) == old.get(field):
        new.pop(field, None)

"""Validates Services. Addresses and node ports that are still to be given out are not missed here.

Source: `validateService` in `pkg/apis/core/validation/validation.go`.
"""

import ipaddress

from umiak.api.common.checks import (
    Errors,
    check,
    filled_one_of,
    ip_address,
    one_of,
    port_number,
    port_number_or_name,
)
from umiak.api.common.endpoint_ips import plain_and_endpoint_ip
from umiak.api.common.metadata import label_key, validate_labels
from umiak.objects import names
from umiak.objects.errors import FieldError, duplicate, field_forbidden, invalid_value, not_supported, required
from umiak.objects.types import Object

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"
_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
HINTS, MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
_DAY = 86400


def cluster_ips(spec: Object) -> list[str]:
    """Either field, of which the list is the newer."""
    return spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])


def is_headless(spec: Object) -> bool:
    return cluster_ips(spec) == ["None"]


def validate(obj: Object) -> list[FieldError]:
    errors: Errors = []
    spec, annotations = obj["spec"], (obj.get("metadata") or {}).get("annotations") or {}
    if MODE in annotations and HINTS in annotations and annotations[MODE] != annotations[HINTS]:
        text = f"must match annotations[{HINTS}] when both are specified"
        errors.append(invalid_value(f"metadata.annotations[{MODE}]", annotations[MODE], text))
    if not spec.get("ports") and not is_headless(spec) and spec["type"] != "ExternalName":
        errors.append(required("spec.ports"))
    _for_type(spec, errors)
    _ports(spec.get("ports") or [], errors)
    if spec.get("selector"):
        validate_labels(spec["selector"], "spec.selector", errors)
    _affinity(spec, errors)
    if spec["type"] != "ExternalName":
        _addresses(spec, errors)
    for index, ip in enumerate(spec.get("externalIPs") or ()):
        plain_and_endpoint_ip(ip, f"spec.externalIPs[{index}]", errors)
    filled_one_of(spec["type"], TYPES, "spec.type", errors)
    _port_clashes(spec, errors)
    _load_balancer(spec, annotations, errors)
    _traffic(spec, errors)
    return errors


def _for_type(spec: Object, errors: Errors) -> None:
    kind = spec["type"]
    if kind in ("LoadBalancer", "NodePort") and is_headless(spec):
        text = f"may not be set to 'None' for {kind} services"
        errors.append(invalid_value("spec.clusterIPs[0]", "None", text))
    if kind == "ExternalName":
        given = {**spec, "clusterIPs": cluster_ips(spec)}
        for field in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if given.get(field):
                errors.append(field_forbidden(f"spec.{field}", "may not be set for ExternalName services"))
        name = (spec.get("externalName") or "").removesuffix(".")
        if name:
            check(names.dns_subdomain, name, "spec.externalName", errors)
        else:
            errors.append(required("spec.externalName"))


def _ports(ports: list[Object], errors: Errors) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"spec.ports[{index}]", port.get("name") or ""
        if not name:
            if len(ports) > 1:
                errors.append(required(f"{path}.name"))
        else:
            check(names.dns_label, name, f"{path}.name", errors)
            if name in seen:
                errors.append(duplicate(f"{path}.name", name))
            seen.add(name)
        port_number(port.get("port") or 0, f"{path}.port", errors)
        filled_one_of(port.get("protocol"), ("SCTP", "TCP", "UDP"), f"{path}.protocol", errors)
        port_number_or_name(port.get("targetPort") or 0, f"{path}.targetPort", errors)
        if port.get("appProtocol") is not None:
            check(label_key, port["appProtocol"], f"{path}.appProtocol", errors)


def _affinity(spec: Object, errors: Errors) -> None:
    filled_one_of(spec.get("sessionAffinity"), ("ClientIP", "None"), "spec.sessionAffinity", errors)
    if spec.get("sessionAffinity") == "ClientIP":
        seconds = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"]
        if not 1 <= seconds <= _DAY:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            errors.append(invalid_value(path, seconds, f"must be greater than 0 and less than {_DAY}"))


def _addresses(spec: Object, errors: Errors) -> None:
    ips, families, path = cluster_ips(spec), spec.get("ipFamilies") or [], "spec.clusterIPs"
    if spec.get("clusterIP") and ips[0] != spec["clusterIP"]:
        errors.append(invalid_value(path, ips, "first value must match `clusterIP`"))
    for index, family in enumerate(families):
        one_of(family, ("IPv4", "IPv6"), f"spec.ipFamilies[{index}]", errors)
        if family in families[:index]:
            errors.append(duplicate(f"spec.ipFamilies[{index}]", family))
    if spec.get("ipFamilyPolicy") is not None:
        policies = ("PreferDualStack", "RequireDualStack", "SingleStack")
        one_of(spec["ipFamilyPolicy"], policies, "spec.ipFamilyPolicy", errors)
    before = len(errors)
    for index, ip in enumerate(ips):
        if index == 0 and ip == "None":
            if len(ips) > 1:
                errors.append(invalid_value(path, ips, "'None' must be the first and only value"))
        else:
            ip_address(ip, f"{path}[{index}]", errors)
    is_bad = len(errors) > before
    if len(ips) > 2:
        errors.append(invalid_value(path, ips, "may only hold up to 2 values"))
    if not is_bad and not is_headless(spec):
        _families(ips, families, path, errors)


def _families(ips: list[str], families: list[str], path: str, errors: Errors) -> None:
    versions = [f"IPv{ipaddress.ip_address(ip).version}" for ip in ips]
    if len(ips) > 1 and len(set(versions)) < 2:
        errors.append(invalid_value(path, ips, "may specify no more than one IP for each IP family"))
    for index, (version, family) in enumerate(zip(versions, families, strict=False)):
        if family in ("IPv4", "IPv6") and version != family:
            text = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            errors.append(invalid_value(f"{path}[{index}]", ips[index], text))


def _port_clashes(spec: Object, errors: Errors) -> None:
    ports = spec.get("ports") or []
    if spec["type"] == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                text = "may not be used when `type` is 'ClusterIP'"
                errors.append(field_forbidden(f"spec.ports[{index}].nodePort", text))
    taken: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol") or "", port.get("nodePort") or 0)
        if key[1] and key in taken:
            errors.append(duplicate(f"spec.ports[{index}].nodePort", key[1]))
        taken.add(key)
    taken = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol") or "", port.get("port") or 0)
        if key in taken:
            errors.append(duplicate(f"spec.ports[{index}]", _printed_port(*key)))
        taken.add(key)


def _printed_port(protocol: str, port: int) -> Object:
    """In the words of the reference's internal version."""
    return {"Name": "", "Protocol": protocol, "AppProtocol": None, "Port": port, "TargetPort": 0, "NodePort": 0}


def cidr_faults(value: str) -> list[str]:
    """What keeps a text from being a range of addresses."""
    try:
        ipaddress.ip_network(value, strict=True)
    except ValueError:
        try:
            network = ipaddress.ip_network(value, strict=False)
        except ValueError:
            return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
        return (
            [f'must not have bits set beyond the prefix length (e.g. use "{network}" instead)']
            if "/" in value
            else ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
        )
    return [] if "/" in value else ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]


def range_faults(value: str) -> list[str]:
    """As `cidr_faults`, without the hint how to write it better."""
    return [text.partition(" (e.g. use")[0] for text in cidr_faults(value)]


def _load_balancer(spec: Object, annotations: dict[str, str], errors: Errors) -> None:
    is_one = spec["type"] == "LoadBalancer"
    ranges, path = spec.get("loadBalancerSourceRanges") or (), "spec.LoadBalancerSourceRanges"
    if ranges:
        if not is_one:
            errors.append(field_forbidden(path, _ONLY_LOAD_BALANCER))
        for index, value in enumerate(ranges):
            check(cidr_faults, value.strip(), f"{path}[{index}]", errors)
    elif _RANGES in annotations:
        path = f"metadata.annotations[{_RANGES}]"
        if not is_one:
            errors.append(field_forbidden(path, _ONLY_LOAD_BALANCER))
        for value in annotations[_RANGES].split(",") if annotations[_RANGES].strip() else ():
            check(cidr_faults, value.strip(), path, errors)
    if spec.get("allocateLoadBalancerNodePorts") is not None and not is_one:
        errors.append(field_forbidden("spec.allocateLoadBalancerNodePorts", _ONLY_LOAD_BALANCER))
    name = spec.get("loadBalancerClass")
    if name is not None:
        if not is_one:
            errors.append(field_forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'"))
        else:
            check(label_key, name, "spec.loadBalancerClass", errors)


def _traffic(spec: Object, errors: Errors) -> None:
    policy = spec.get("externalTrafficPolicy")
    external = spec["type"] in ("LoadBalancer", "NodePort") or (spec["type"] == "ClusterIP" and spec.get("externalIPs"))
    if not external:
        if policy:
            text = "may only be set for externally-accessible services"
            errors.append(invalid_value("spec.externalTrafficPolicy", policy, text))
    else:
        filled_one_of(policy, ("Cluster", "Local"), "spec.externalTrafficPolicy", errors)
    health = spec.get("healthCheckNodePort") or 0
    if health and not (spec["type"] == "LoadBalancer" and policy == "Local"):
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        errors.append(invalid_value("spec.healthCheckNodePort", health, text))
    elif health:
        port_number(health, "spec.healthCheckNodePort", errors)
    internal = spec.get("internalTrafficPolicy")
    if internal is not None and internal not in ("Cluster", "Local"):
        errors.append(not_supported("spec.internalTrafficPolicy", internal, ("Cluster", "Local")))
    if spec.get("trafficDistribution") is not None:
        allowed = ("PreferClose", "PreferSameZone", "PreferSameNode")
        one_of(spec["trafficDistribution"], allowed, "spec.trafficDistribution", errors)

"""Service: a lasting address in front of changing pods."""

from typing import Any

from umiak.api.common.address_warnings import address_warnings, load_balancer_warnings, range_warnings
from umiak.api.common.cells import AGE, NAME, NONE, UNKNOWN, column, load_balancer_text, reads, shows_labels
from umiak.api.common.load_balancer_status import validate_points
from umiak.api.common.metadata import label
from umiak.api.common.service_types import drop_unused
from umiak.api.common.service_validation import HINTS, MODE, cluster_ips, is_headless, validate
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, field_forbidden, invalid_value
from umiak.objects.types import Object

AFFINITY_SECONDS = 3 * 60 * 60


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    _default_affinity(spec)
    if not spec.get("type"):
        spec["type"] = "ClusterIP"
    for port in spec.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port") or 0
    if is_external(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if spec.get("internalTrafficPolicy") is None and spec["type"] in ("NodePort", "LoadBalancer", "ClusterIP"):
        spec["internalTrafficPolicy"] = "Cluster"
    if spec["type"] == "LoadBalancer":
        _default_load_balancer(obj)


def _default_affinity(spec: Object) -> None:
    affinity = spec.get("sessionAffinity")
    if not affinity:
        affinity = spec["sessionAffinity"] = "None"
    if affinity == "None":
        spec.pop("sessionAffinityConfig", None)
    elif affinity == "ClientIP":
        config = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
        if config is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}


def _default_load_balancer(obj: Object) -> None:
    if obj["spec"].get("allocateLoadBalancerNodePorts") is None:
        obj["spec"]["allocateLoadBalancerNodePorts"] = True
    for ingress in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
        if ingress.get("ip") and ingress.get("ipMode") is None:
            ingress["ipMode"] = "VIP"


def is_external(spec: Object) -> bool:
    """Whether clients outside the cluster can reach it."""
    return spec["type"] in ("LoadBalancer", "NodePort") or (
        spec["type"] == "ClusterIP" and bool(spec.get("externalIPs"))
    )


def prepare_update(new: Object, old: Object) -> None:
    keep_status(new, old)
    drop_unused(new["spec"], old["spec"])
    _forget_internal_policy(new["spec"])
    if new["spec"].get("type") != "LoadBalancer":
        new["status"] = {**(new.get("status") or {}), "loadBalancer": {}}


def _forget_internal_policy(spec: Object) -> None:
    """The reference hides it on reading."""
    if spec.get("type") == "ExternalName" and spec.get("internalTrafficPolicy") in ("Cluster", "Local"):
        del spec["internalTrafficPolicy"]


def prepare_create(obj: Object) -> None:
    _forget_internal_policy(obj["spec"])
    obj["status"] = {"loadBalancer": {}}


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """The first address of a Service stays, and so does the class of its load balancer."""
    errors: list[FieldError] = []
    spec, before = new["spec"], old["spec"]
    ips, given = cluster_ips(spec), cluster_ips(before)
    kinds = {spec["type"], before["type"]}
    if "ExternalName" not in kinds and not (is_headless(spec) and is_headless(before)) and given:
        if not ips:
            errors.append(invalid_value("spec.clusterIPs[0]", ips, "primary clusterIP can not be unset"))
        for index, ip in enumerate(given):
            if index < len(ips) and ip != ips[index]:
                errors.append(invalid_value(f"spec.clusterIPs[{index}]", ips, "may not change once set"))
    if kinds == {"LoadBalancer"} and spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
        text = "may not change once set"
        errors.append(invalid_value("spec.loadBalancerClass", spec.get("loadBalancerClass"), text))
    return errors


def validate_status(new: Object, old: Object) -> list[FieldError]:
    if ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") and new["spec"]["type"] != "LoadBalancer":
        text = "may only be used when `spec.type` is 'LoadBalancer'"
        return [field_forbidden("status.loadBalancer.ingress", text)]
    errors: list[FieldError] = []
    validate_points(new, old, True, errors)
    return errors


def warnings(new: Object, old: Object | None) -> list[str]:
    spec, annotations = new["spec"], (new.get("metadata") or {}).get("annotations") or {}
    found = []
    if HINTS in annotations:
        found.append(f"annotation {HINTS} is deprecated, please use {MODE} instead")
    if spec["type"] != "ExternalName" and spec.get("clusterIP") not in (None, "", "None"):
        for index, address in enumerate(spec.get("clusterIPs") or ()):
            found += address_warnings(f"spec.clusterIPs[{index}]", address)
    if is_headless(spec):
        unused = ("loadBalancerIP", "externalIPs")
        found += [f"spec.{name} is ignored for headless services" for name in unused if spec.get(name)]
        if spec.get("sessionAffinity") != "None":
            found.append("spec.SessionAffinity is ignored for headless services")
    for index, address in enumerate(spec.get("externalIPs") or ()):
        found += address_warnings(f"spec.externalIPs[{index}]", address)
    if spec.get("externalIPs") and not is_headless(spec) and spec["type"] != "ExternalName":
        found.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if spec.get("loadBalancerIP"):
        found += address_warnings("spec.loadBalancerIP", spec["loadBalancerIP"])
    for index, text in enumerate(spec.get("loadBalancerSourceRanges") or ()):
        found += range_warnings(f"spec.loadBalancerSourceRanges[{index}]", text)
    if spec.get("externalIPs") and spec["type"] == "ExternalName":
        found.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
    if spec["type"] != "ExternalName" and spec.get("externalName"):
        found.append('spec.externalName is ignored when spec.type is not "ExternalName"')
    if spec.get("trafficDistribution") == "PreferClose":
        found.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    return found


def cluster_ip(obj: Object, now: float) -> Any:
    return ((obj.get("spec") or {}).get("clusterIPs") or (NONE,))[0]


def external_ip(obj: Object, now: float) -> Any:
    spec = obj.get("spec") or {}
    own = ",".join(spec.get("externalIPs") or ())
    if spec.get("type") in ("ClusterIP", "NodePort"):
        return own or NONE
    if spec.get("type") == "LoadBalancer":
        given = load_balancer_text((obj.get("status") or {}).get("loadBalancer"))
        return ",".join(part for part in (given, own) if part) or "<pending>"
    if spec.get("type") == "ExternalName":
        return spec.get("externalName") or ""
    return UNKNOWN


def _port_text(port: Object) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port') or 0}{node}/{port.get('protocol') or ''}"


def ports(obj: Object, now: float) -> Any:
    return ",".join(map(_port_text, (obj.get("spec") or {}).get("ports") or ())) or NONE


KIND = builtin(
    "v1",
    "Service",
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=only_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=warnings,
    status_warnings=load_balancer_warnings,
    validate_name=label,
    columns=(
        NAME,
        column("Type", reads("spec", "type"), "ServiceSpec.type"),
        column("Cluster-IP", cluster_ip, "ServiceSpec.clusterIP"),
        column("External-IP", external_ip, "ServiceSpec.externalIPs"),
        column("Port(s)", ports, "ServiceSpec.ports"),
        AGE,
        column("Selector", shows_labels("spec", "selector"), "ServiceSpec.selector", wide=True),
    ),
    selectable={
        "spec.clusterIP": lambda obj: (obj.get("spec") or {}).get("clusterIP") or "",
        "spec.type": lambda obj: (obj.get("spec") or {}).get("type") or "",
    },
    creates_on_update=True,
    deletion_returns_object=True,
)

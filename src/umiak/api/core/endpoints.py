"""Endpoints: the addresses behind a Service, superseded by EndpointSlice."""

from typing import Any

from umiak.api.common.address_warnings import address_warnings
from umiak.api.common.cells import AGE, NAME, NONE, column
from umiak.api.common.checks import check, filled_one_of, ip_address, port_number
from umiak.api.common.endpoint_ips import endpoint_ip
from umiak.api.common.metadata import label_key
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, required
from umiak.objects.types import Object

_SHOWN = 3


def default(obj: Object) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, subset in enumerate(obj.get("subsets") or ()):
        path = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            errors.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for at, address in enumerate(subset.get(field) or ()):
                _address(address, f"{path}.{field}[{at}]", errors)
        ports = subset.get("ports") or ()
        for at, port in enumerate(ports):
            _port(port, len(ports) > 1, f"{path}.ports[{at}]", errors)
    return errors


def _address(address: Object, path: str, errors: list[FieldError]) -> None:
    ip = address.get("ip") or ""
    ip_address(ip, f"{path}.ip", errors)
    if address.get("hostname"):
        check(names.dns_label, address["hostname"], f"{path}.hostname", errors)
    if address.get("nodeName") is not None:
        check(names.dns_subdomain, address["nodeName"], f"{path}.nodeName", errors)
    endpoint_ip(ip, f"{path}.ip", errors)


def _port(port: Object, needs_name: bool, path: str, errors: list[FieldError]) -> None:
    if port.get("name"):
        check(names.dns_label, port["name"], f"{path}.name", errors)
    elif needs_name:
        errors.append(required(f"{path}.name"))
    port_number(port.get("port") or 0, f"{path}.port", errors)
    filled_one_of(port.get("protocol"), ("SCTP", "TCP", "UDP"), f"{path}.protocol", errors)
    if port.get("appProtocol") is not None:
        check(label_key, port["appProtocol"], f"{path}.appProtocol", errors)


def _pairs(subset: Object) -> list[str]:
    hosts = [a.get("ip") or "" for a in subset.get("addresses") or ()]
    ports = subset.get("ports") or ()
    if not ports:
        return hosts
    texts = [f"[{host}]" if ":" in host else host for host in hosts]
    return [f"{host}:{port.get('port') or 0}" for port in ports for host in texts]


def addresses(obj: Object, now: float) -> Any:
    found = [pair for subset in obj.get("subsets") or () for pair in _pairs(subset)]
    text = ",".join(found[:_SHOWN])
    if len(found) > _SHOWN:
        return f"{text} + {len(found) - _SHOWN} more..."
    return text or NONE


OUR_CONTROLLER = "endpoint-controller"


def warnings(new: Object, old: Object | None) -> list[str]:
    """The endpoints controller puts addresses right itself."""
    found = ["v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"]
    if ((new.get("metadata") or {}).get("labels") or {}).get("endpoints.kubernetes.io/managed-by") == OUR_CONTROLLER:
        return found
    for i, subset in enumerate(new.get("subsets") or ()):
        for field in ("addresses", "notReadyAddresses"):
            for j, address in enumerate(subset.get(field) or ()):
                found += address_warnings(f"subsets[{i}].{field}[{j}].ip", address.get("ip") or "")
    return found


KIND = builtin(
    "v1",
    "Endpoints",
    default=default,
    validate=validate,
    warnings=warnings,
    columns=(NAME, column("Endpoints", addresses, "Endpoints.subsets"), AGE),
    creates_on_update=True,
)

"""EndpointSlice: a part of the addresses behind a Service."""

from collections.abc import Callable
from typing import Any

from umiak.api.common.address_warnings import address_warnings
from umiak.api.common.cells import AGE, NAME, UNSET, column, reads
from umiak.api.common.checks import check, declared_immutable, ip_address, one_of
from umiak.api.common.endpoint_ips import endpoint_ip
from umiak.api.common.metadata import label_key
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, duplicate, invalid_value, not_supported, required, too_many
from umiak.objects.types import Object

_SHOWN = 3


def default(obj: Object) -> None:
    for port in obj.get("ports") or ():
        if port.get("name") is None:
            port["name"] = ""
        if port.get("protocol") is None:
            port["protocol"] = "TCP"


def drop(obj: Object) -> None:
    """The old topology is read in this version and not written."""
    for endpoint in obj.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


_FAMILIES = ("FQDN", "IPv4", "IPv6")
_ENDPOINTS, _ADDRESSES, _PORTS, _HINTS = 1000, 100, 20_000, 8


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    late: list[FieldError] = []
    family = obj.get("addressType") or ""
    if not family:
        late.append(required("addressType"))
    elif family not in _FAMILIES:
        late.append(not_supported("addressType", family, _FAMILIES))
    _validate_ports(obj.get("ports") or [], errors)
    endpoints = obj.get("endpoints") or []
    if len(endpoints) > _ENDPOINTS:
        errors.append(too_many("endpoints", len(endpoints), _ENDPOINTS))
    else:
        for index, endpoint in enumerate(endpoints):
            _endpoint(endpoint, family, f"endpoints[{index}]", errors, late)
    return errors + late


def _validate_ports(ports: list[Object], errors: list[FieldError]) -> None:
    if len(ports) > _PORTS:
        errors.append(too_many("ports", len(ports), _PORTS))
        return
    seen: set[str] = set()
    for index, port in enumerate(ports):
        path, name = f"ports[{index}]", port["name"]
        if name:
            check(names.dns_label, name, f"{path}.name", errors)
        if name in seen:
            errors.append(duplicate(f"{path}.name", name))
        seen.add(name)
        one_of(port["protocol"], ("SCTP", "TCP", "UDP"), f"{path}.protocol", errors)
        if port.get("appProtocol") is not None:
            check(label_key, port["appProtocol"], f"{path}.appProtocol", errors)


def _endpoint(endpoint: Object, family: str, path: str, errors: list[FieldError], late: list[FieldError]) -> None:
    addresses = endpoint.get("addresses") or []
    if not addresses:
        late.append(required(f"{path}.addresses"))
    elif len(addresses) > _ADDRESSES:
        late.append(too_many(f"{path}.addresses", len(addresses), _ADDRESSES))
    for index, address in enumerate(addresses):
        _address(address, family, f"{path}.addresses", index, errors)
    if endpoint.get("nodeName") is not None:
        check(names.dns_subdomain, endpoint["nodeName"], f"{path}.nodeName", errors)
    if endpoint.get("hostname") is not None:
        check(names.dns_label, endpoint["hostname"], f"{path}.hostname", errors)
    for field, rule in (("forZones", names.label_value), ("forNodes", names.dns_subdomain)):
        if not _hints((endpoint.get("hints") or {}).get(field) or [], rule, f"{path}.hints.{field}", errors):
            break


def _hints(hints: list[Object], rule: Callable[[str], list[str]], path: str, errors: list[FieldError]) -> bool:
    """Whether there are few enough to look at what follows."""
    if len(hints) > _HINTS:
        errors.append(too_many(path, len(hints), _HINTS))
        return False
    seen: set[str] = set()
    for index, hint in enumerate(hints):
        where, name = f"{path}[{index}].name", hint.get("name") or ""
        if name in seen:
            errors.append(duplicate(where, name))
        seen.add(name)
        check(rule, name, where, errors)
    return True


def _address(address: str, family: str, path: str, index: int, errors: list[FieldError]) -> None:
    where = f"{path}[{index}]"
    if family == "FQDN":
        _host(address, where, errors)
    elif family in ("IPv4", "IPv6"):
        before = len(errors)
        ip_address(address, where, errors)
        if len(errors) == before:
            if (":" in address) != (family == "IPv6"):
                errors.append(invalid_value(path, address, f"must be an {family} address"))
            endpoint_ip(address, where, errors)


def _host(name: str, path: str, errors: list[FieldError]) -> None:
    bare = name.removesuffix(".")
    if not name:
        errors.append(required(path))
    elif names.dns_subdomain(bare):
        errors.append(invalid_value(path, bare, ",".join(names.dns_subdomain(bare))))
    elif "." not in bare:
        text = "should be a domain with at least two segments separated by dots"
        errors.append(invalid_value(path, bare, text))


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    declared_immutable(new.get("addressType"), old.get("addressType"), "addressType", errors)
    return errors


def _short(texts: list[str]) -> str:
    text = ",".join(texts[:_SHOWN])
    return f"{text} + {len(texts) - _SHOWN} more..." if len(texts) > _SHOWN else text


def ports(obj: Object, now: float) -> Any:
    found = obj.get("ports") or ()
    return _short([str(next((p[f] for f in ("port", "name") if p.get(f) is not None), "*")) for p in found]) or UNSET


def endpoints(obj: Object, now: float) -> Any:
    found = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return _short(found) or UNSET


OUR_CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")


def warnings(new: Object, old: Object | None) -> list[str]:
    """Controllers put addresses right themselves."""
    found = []
    if old is None and new.get("addressType") == "FQDN":
        found.append("spec.addressType: FQDN endpoints are deprecated")
    if ((new.get("metadata") or {}).get("labels") or {}).get(
        "endpointslice.kubernetes.io/managed-by"
    ) in OUR_CONTROLLERS:
        return found
    for i, endpoint in enumerate(new.get("endpoints") or ()):
        for j, address in enumerate(endpoint.get("addresses") or ()):
            found += address_warnings(f"endpoints[{i}].addresses[{j}]", address)
    return found


def prepare_update(new: Object, old: Object) -> None:
    """Labels count as much as what the slice says."""
    if (new["metadata"].get("labels") or {}) != (old["metadata"].get("labels") or {}):
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


KIND = builtin(
    "discovery.k8s.io/v1",
    "EndpointSlice",
    default=default,
    drop=drop,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    columns=(
        NAME,
        column("AddressType", reads("addressType"), "EndpointSlice.addressType"),
        column("Ports", ports, "EndpointSlice.ports"),
        column("Endpoints", endpoints, "EndpointSlice.endpoints"),
        AGE,
    ),
    prepare_update=prepare_update,
    counts_generation=True,
)

"""NetworkPolicy: which pods may talk to which."""

import ipaddress

from umiak.api.common.address_warnings import range_warnings
from umiak.api.common.cells import AGE, NAME, column, selects
from umiak.api.common.checks import check, label_selector, one_of, port_name_faults, port_number
from umiak.api.common.service_validation import range_faults
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, required
from umiak.objects.types import Object


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            if port.get("protocol") is None:
                port["protocol"] = "TCP"


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    late: list[FieldError] = []
    spec = obj["spec"]
    label_selector(spec.get("podSelector"), "spec.podSelector", errors)
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for index, rule in enumerate(spec.get(direction) or ()):
            path = f"spec.{direction}[{index}]"
            for at, port in enumerate(rule.get("ports") or ()):
                _port(port, f"{path}.ports[{at}]", errors)
            for at, peer in enumerate(rule.get(peers) or ()):
                _peer(peer, f"{path}.{peers}[{at}]", errors, late)
    types = spec["policyTypes"]
    if len(types) > 2:
        errors.append(invalid_value("spec.policyTypes", types, "may not specify more than two policyTypes"))
    else:
        for index, name in enumerate(types):
            one_of(name, ("Ingress", "Egress"), f"spec.policyTypes[{index}]", errors)
    return errors + late


def _port(port: Object, path: str, errors: list[FieldError]) -> None:
    value, end = port.get("port"), port.get("endPort")
    one_of(port["protocol"], ("TCP", "UDP", "SCTP"), f"{path}.protocol", errors)
    if isinstance(value, int):
        port_number(value, f"{path}.port", errors)
        if end is not None:
            if end < value:
                errors.append(invalid_value(f"{path}.endPort", end, "must be greater than or equal to `port`"))
            port_number(end, f"{path}.endPort", errors)
        return
    if end is not None:
        why = "not specified" if value is None else "non-numeric"
        errors.append(invalid_value(f"{path}.endPort", end, f"may not be specified when `port` is {why}"))
    if value is not None:
        check(port_name_faults, value, f"{path}.port", errors)


def _peer(peer: Object, path: str, errors: list[FieldError], late: list[FieldError]) -> None:
    given = [name for name in ("podSelector", "namespaceSelector", "ipBlock") if peer.get(name) is not None]
    for name in given:
        if name == "ipBlock":
            _block(peer[name], f"{path}.ipBlock", errors, late)
        else:
            label_selector(peer[name], f"{path}.{name}", errors)
    if not given:
        errors.append(required(path, "must specify a peer"))
    elif len(given) > 1 and "ipBlock" in given:
        errors.append(field_forbidden(path, "may not specify both ipBlock and another peer"))


def _block(block: Object, path: str, errors: list[FieldError], late: list[FieldError]) -> None:
    cidr = block.get("cidr") or ""
    if not cidr:
        late.append(required(f"{path}.cidr"))
        return
    check(range_faults, cidr, f"{path}.cidr", errors)
    try:
        whole = ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return
    for index, text in enumerate(block.get("except") or ()):
        where = f"{path}.except[{index}]"
        check(range_faults, text, where, errors)
        try:
            part = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        if part.network_address not in whole or whole.prefixlen >= part.prefixlen:
            errors.append(invalid_value(where, text, "must be a strict subset of `cidr`"))


def warnings(new: Object, old: Object | None) -> list[str]:
    found = []
    for direction, side in (("ingress", "from"), ("egress", "to")):
        for i, rule in enumerate(new["spec"].get(direction) or ()):
            for j, peer in enumerate(rule.get(side) or ()):
                block, path = peer.get("ipBlock") or {}, f"spec.{direction}[{i}].{side}[{j}].ipBlock"
                found += range_warnings(f"{path}.cidr", block.get("cidr") or "")
                for k, text in enumerate(block.get("except") or ()):
                    found += range_warnings(f"{path}.except[{k}]", text)
    return found


KIND = builtin(
    "networking.k8s.io/v1",
    "NetworkPolicy",
    default=default,
    validate=validate,
    warnings=warnings,
    columns=(NAME, column("Pod-Selector", selects("spec", "podSelector"), "NetworkPolicySpec.podSelector"), AGE),
    counts_generation=True,
)

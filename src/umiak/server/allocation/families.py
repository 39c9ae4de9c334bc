"""The linked fields of a service that allocation needs settled: clusterIP(s), ipFamilies, ipFamilyPolicy. Pure.

Rules and texts follow the reference's service storage; dual stack works where both families have a range.
"""

from ipaddress import ip_address

from umiak.objects.errors import FieldError, duplicate, invalid_value, not_supported, required
from umiak.objects.types import Object
from umiak.server.allocation.addresses import family_of

HEADLESS = "None"
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
BAD_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}


def needs_address(spec: Object) -> bool:
    return bool(spec.get("type") != "ExternalName")


def needs_node_ports(spec: Object) -> bool:
    if spec.get("type") == "LoadBalancer":
        return spec.get("allocateLoadBalancerNodePorts") is not False
    return bool(spec.get("type") == "NodePort")


def needs_health_check(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def is_headless(spec: Object) -> bool:
    return bool((spec.get("clusterIPs") or [""])[0] == HEADLESS)


def _set(spec: Object, field: str, value: object) -> None:
    if value:
        spec[field] = value
    else:
        spec.pop(field, None)


def keep_allocated(new: Object, old: Object) -> None:
    """Fills in what an update leaves out of what was given before, so that the same manifest can be sent again."""
    if needs_address(old) and needs_address(new):
        for field in ("clusterIP", "clusterIPs"):
            if not new.get(field):
                _set(new, field, old.get(field))
    if needs_node_ports(old) and needs_node_ports(new):
        _keep_ports(new, old)
    if needs_health_check(old) and needs_health_check(new) and not new.get("healthCheckNodePort"):
        _set(new, "healthCheckNodePort", old.get("healthCheckNodePort"))


def _keep_ports(new: Object, old: Object) -> None:
    def used(spec: Object) -> set[int]:
        return {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}

    kept = used(old) & used(new)
    before = {port.get("name", ""): port.get("nodePort") for port in old.get("ports") or ()}
    for port in new.get("ports") or ():
        known = before.get(port.get("name", ""))
        if not port.get("nodePort") and known and known not in kept:
            port["nodePort"] = known


def align_addresses(new: Object, old: Object | None) -> None:
    """Older clients know clusterIP only; clusterIPs follows it."""
    one, many = new.get("clusterIP") or "", new.get("clusterIPs") or []
    if old is None:
        if one and not many:
            new["clusterIPs"] = [one]
        return
    old_one, old_many = old.get("clusterIP") or "", old.get("clusterIPs") or []
    if old_many and not many and old_one == one:
        many = new["clusterIPs"] = list(old_many)
    if old_one != one and many == old_many:
        _set(new, "clusterIPs", [] if old_one and not one else [one])


def is_settled_dual_stack(new: Object, old: Object | None) -> bool:
    """Whether both prefer dual stack and nothing about it changed: then it stays, whatever the cluster has now."""
    return (
        old is not None
        and old.get("type") == new.get("type") != "ExternalName"
        and old.get("ipFamilyPolicy") == new.get("ipFamilyPolicy") == PREFER
        and all((old.get(f) or []) == (new.get(f) or []) for f in ("clusterIPs", "ipFamilies"))
    )


def settle_policy(new: Object, old: Object | None) -> None:
    if new.get("ipFamilyPolicy") is not None:
        return
    if old is not None and old.get("ipFamilyPolicy"):
        new["ipFamilyPolicy"] = old["ipFamilyPolicy"]
    else:
        new["ipFamilyPolicy"] = REQUIRE if _without_endpoints(new) else SINGLE


def _without_endpoints(spec: Object) -> bool:
    """Headless and without selector: nobody knows what its endpoints will be."""
    return spec.get("clusterIP") == HEADLESS and not spec.get("selector")


def check_fields(spec: Object) -> list[FieldError]:
    """What must be right before anything can be given."""
    one, many = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    errors: list[FieldError] = []
    if one and not many:
        errors.append(required("spec.clusterIPs"))
    elif one and many[0] != one:
        errors.append(invalid_value("spec.clusterIPs", many, "first value must match `clusterIP`"))
    elif not one and many:
        errors.append(invalid_value("spec.clusterIPs", many, "must be empty when `clusterIP` is not specified"))
    errors += _check_families(spec)
    wrong = _check_each(many)
    errors += wrong
    if len(many) > 2:
        errors.append(invalid_value("spec.clusterIPs", many, "may only hold up to 2 values"))
    if wrong:
        return errors
    if len(many) > 1 and len({family_of(ip) for ip in many}) < 2:
        errors.append(invalid_value("spec.clusterIPs", many, "may specify no more than one IP for each IP family"))
    return errors + _check_matches(many, spec.get("ipFamilies") or [])


def _check_families(spec: Object) -> list[FieldError]:
    errors = []
    families = spec.get("ipFamilies") or []
    for i, family in enumerate(families):
        if family not in OTHER:
            errors.append(not_supported(f"spec.ipFamilies[{i}]", family, OTHER))
        if family in families[:i]:
            errors.append(duplicate(f"spec.ipFamilies[{i}]", family))
    if spec["ipFamilyPolicy"] not in (SINGLE, PREFER, REQUIRE):
        errors.append(not_supported("spec.ipFamilyPolicy", spec["ipFamilyPolicy"], (PREFER, REQUIRE, SINGLE)))
    return errors


def _check_each(many: list[str]) -> list[FieldError]:
    errors = []
    for i, address in enumerate(many):
        if i == 0 and address == HEADLESS:
            if len(many) > 1:
                errors.append(invalid_value("spec.clusterIPs", many, "'None' must be the first and only value"))
            continue
        try:
            ip_address(address)
        except ValueError:
            errors.append(invalid_value(f"spec.clusterIPs[{i}]", address, BAD_ADDRESS))
    return errors


def _check_matches(many: list[str], families: list[str]) -> list[FieldError]:
    return [
        invalid_value(f"spec.clusterIPs[{i}]", ip, f"expected an {family} value as indicated by `ipFamilies[{i}]`")
        for i, (ip, family) in enumerate(zip(many, families, strict=False))
        if ip != HEADLESS and family in OTHER and family_of(ip) != family
    ]


def settle_families(new: Object, old: Object | None, default: str, available: set[str]) -> list[FieldError]:
    """Fills ipFamilies and ipFamilyPolicy. `default` is the cluster's first family, `available` those with a range."""
    if not needs_address(new) or is_settled_dual_stack(new, old):
        return []
    settle_policy(new, old)
    if errors := check_fields(new):
        return errors
    if errors := [*_shrink(new, old), *_check_policy(new), *_infer(new, available)]:
        return errors
    families = new.get("ipFamilies") or []
    if _without_endpoints(new):
        families = families or [default]
        dual = len(families) < 2 and new["ipFamilyPolicy"] != SINGLE
        new["ipFamilies"] = [*families, OTHER[families[0]]] if dual else families
        return []
    if errors := _check_available(new, families, available):
        return errors
    families = families or [default]
    dual = new["ipFamilyPolicy"] != SINGLE and len(families) == 1 and len(available) == 2
    new["ipFamilies"] = [*families, OTHER[families[0]]] if dual else families
    return []


def _shrink(new: Object, old: Object | None) -> list[FieldError]:
    """On an update, the wish for a single stack drops the second address; nothing else may."""
    errors = []
    for field, what in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        before, after = (old or {}).get(field) or [], new.get(field) or []
        if new["ipFamilyPolicy"] == SINGLE:
            if old is not None and before == after and len(after) > 1:
                new[field] = after[:1]
        elif after and len(after) < len(before):
            text = f"must be 'SingleStack' to release the secondary {what}"
            errors.append(invalid_value("spec.ipFamilyPolicy", new["ipFamilyPolicy"], text))
    return errors


def _check_policy(spec: Object) -> list[FieldError]:
    if spec["ipFamilyPolicy"] != SINGLE:
        return []
    return [
        invalid_value(
            "spec.ipFamilyPolicy",
            SINGLE,
            f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified",
        )
        for field, what in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families"))
        if len(spec.get(field) or []) == 2
    ]


def _infer(spec: Object, available: set[str]) -> list[FieldError]:
    """Families of the addresses that were asked for."""
    errors = []
    many = spec.get("clusterIPs") or []
    for i, address in enumerate(many):
        if address == HEADLESS:
            break
        families = spec.get("ipFamilies") or []
        if i < len(families):
            continue
        family = family_of(address)
        if family in available:
            spec["ipFamilies"] = [*families, family]
        else:
            errors.append(invalid_value(f"spec.clusterIPs[{i}]", many, f"{family} is not configured on this cluster"))
    return errors


def _check_available(spec: Object, families: list[str], available: set[str]) -> list[FieldError]:
    errors = []
    if spec["ipFamilyPolicy"] == REQUIRE and len(available) < 2:
        text = "this cluster is not configured for dual-stack services"
        errors.append(invalid_value("spec.ipFamilyPolicy", REQUIRE, text))
    return errors + [
        invalid_value(f"spec.ipFamilies[{i}]", family, "not configured on this cluster")
        for i, family in enumerate(families)
        if family not in available
    ]

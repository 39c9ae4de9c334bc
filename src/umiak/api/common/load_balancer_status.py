"""Validates where a load balancer says that it can be reached, in the status of Services and Ingresses.

Source: `ValidateLoadBalancerStatus` of the core group, `ValidateIngressLoadBalancerStatus`.
"""

import ipaddress

from umiak.api.common.checks import Errors, check, ip_address
from umiak.objects import names
from umiak.objects.errors import field_forbidden, invalid_value, not_supported, required
from umiak.objects.types import Object

PATH = "status.loadBalancer.ingress"


def points(obj: Object) -> list[Object]:
    found: list[Object] = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return found


def validate_points(new: Object, old: Object, has_modes: bool, errors: Errors) -> None:
    """Addresses that were there before are not looked at again; `has_modes` is whether they have an `ipMode`."""
    known = {point.get("ip") for point in points(old)}
    for index, point in enumerate(points(new)):
        path, address, name = f"{PATH}[{index}]", point.get("ip"), point.get("hostname")
        if address and address not in known:
            ip_address(address, f"{path}.ip", errors)
        if has_modes:
            _mode(point.get("ipMode"), address, f"{path}.ipMode", errors)
        if name:
            check(names.dns_subdomain, name, f"{path}.hostname", errors)
            if _is_address(name):
                errors.append(invalid_value(f"{path}.hostname", name, "must be a DNS name, not an IP address"))


def _mode(mode: str | None, address: str | None, path: str, errors: Errors) -> None:
    if mode is None:
        if address:
            errors.append(required(path, "must be specified when `ip` is set"))
    elif not address:
        errors.append(field_forbidden(path, "may not be specified when `ip` is not set"))
    elif mode not in ("Proxy", "VIP"):
        errors.append(not_supported(path, mode, ("Proxy", "VIP")))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

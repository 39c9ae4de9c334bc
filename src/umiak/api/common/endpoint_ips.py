"""Which addresses may stand behind a Service."""

import ipaddress

from umiak.api.common.checks import Errors, ip_address
from umiak.objects.errors import invalid_value

_SPECIAL = (
    ("is_loopback", "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
    ("is_link_local", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
)
_LOCAL_MULTICAST = (ipaddress.ip_network("224.0.0.0/24"), ipaddress.ip_network("ff02::/16"))


def endpoint_ip(ip: str, path: str, errors: Errors) -> None:
    """An address that pods can have."""
    try:
        found = ipaddress.ip_address(ip)
    except ValueError:
        errors.append(invalid_value(path, ip, "must be a valid IP address"))
        return
    if found.is_unspecified:
        errors.append(invalid_value(path, ip, f"may not be unspecified ({ip})"))
    for fact, text in _SPECIAL:
        if getattr(found, fact):
            errors.append(invalid_value(path, ip, text))
    if any(found in network for network in _LOCAL_MULTICAST):
        text = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        errors.append(invalid_value(path, ip, text))


def plain_and_endpoint_ip(ip: str, path: str, errors: Errors) -> None:
    """Both checks, the second only of what passes the first."""
    before = len(errors)
    ip_address(ip, path, errors)
    if len(errors) == before:
        endpoint_ip(ip, path, errors)

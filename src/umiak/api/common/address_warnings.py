"""What is odd about IP addresses and ranges, yet allowed.

Source: apimachinery's `pkg/util/validation/ip.go`.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from umiak.objects.go_text import quoted, whole
from umiak.objects.types import Object

Address = IPv4Address | IPv6Address
_STANDARD = re.compile(r"((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(\.(?!\Z)|\Z)){4}")
"""IPv4 addresses as all write them: those of pods are looked at with each of their statuses."""


def address_warnings(path: str, value: str) -> list[str]:
    """Of an address that is valid by the old, lenient rules."""
    if _STANDARD.fullmatch(value):
        return []
    address = _lenient(value)
    if address is None:
        return []
    if _is_non_standard(value):
        return [f'{path}: non-standard IP address {quoted(value)} is invalid: use "{address}"']
    if address.version == 6 and str(address) != value:
        return [f'{path}: IPv6 address {quoted(value)} should be in RFC 5952 canonical format ("{address}")']
    return []


def range_warnings(path: str, value: str) -> list[str]:
    """Of a CIDR that is valid by the old, lenient rules."""
    host, _, size = value.partition("/")
    address = _lenient(host)
    if address is None or not (size.isascii() and size.isdigit()) or whole(size) > address.max_prefixlen:
        return []
    network = ip_network((address, int(size)), strict=False)
    found = []
    if network.network_address != address:
        alone = f"{address}/{address.max_prefixlen}"
        choice = f'should be "{network}" or "{alone}"?'
        found.append(f"{path}: CIDR value {quoted(value)} is ambiguous in this context ({choice})")
    if _is_non_standard(host):
        found.append(f'{path}: non-standard CIDR value {quoted(value)} is invalid: use "{network}"')
    if not found and address.version == 6 and f"{address}/{size}" != value:
        right = f"{address}/{size}"
        found.append(f'{path}: IPv6 CIDR value {quoted(value)} should be in RFC 5952 canonical format ("{right}")')
    return found


def load_balancer_warnings(new: Object, old: Object | None) -> list[str]:
    """Of the addresses that a status says a load balancer has."""
    points = ((new.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return [
        text
        for index, point in enumerate(points)
        for text in address_warnings(f"status.loadBalancer.ingress[{index}]", point.get("ip") or "")
    ]


def _lenient(text: str) -> Address | None:
    """Leading zeros mean nothing, and an IPv4 address in IPv6 clothes is an IPv4 address."""
    try:
        address = ip_address(re.sub(r"(^|[.:])0+(?=\d+\.|\d+$)", r"\1", text) if "." in text else text)
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _is_non_standard(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return True
    return isinstance(address, IPv6Address) and address.ipv4_mapped is not None

"""IP addresses and ranges of them; faults in the words of Go's net/netip."""

import ipaddress
import math
import re
from typing import Any

from umiak.objects.cel import types
from umiak.objects.cel.declarations import library
from umiak.objects.cel.errors import EvaluationError, no_overload
from umiak.objects.cel.library.standard import text_cost
from umiak.objects.cel.values import Function, Opaque
from umiak.objects.go_text import quoted

OVERLOADS = """
string_to_ip: ip(string) -> net.IP
cidr_ip: net.CIDR ip() -> net.IP
ip_is_canonical: ip.isCanonical(string) -> bool
ip_family: net.IP family() -> int
is_ip: isIP(string) -> bool
ip_is_unspecified: net.IP isUnspecified() -> bool
ip_is_loopback: net.IP isLoopback() -> bool
ip_is_link_local_multicast: net.IP isLinkLocalMulticast() -> bool
ip_is_link_local_unicast: net.IP isLinkLocalUnicast() -> bool
ip_is_global_unicast: net.IP isGlobalUnicast() -> bool
ip_to_string: string(net.IP) -> string
string_to_cidr: cidr(string) -> net.CIDR
is_cidr: isCIDR(string) -> bool
cidr_contains_ip_string: net.CIDR containsIP(string) -> bool
cidr_contains_ip_ip: net.CIDR containsIP(net.IP) -> bool
cidr_contains_cidr_string: net.CIDR containsCIDR(string) -> bool
cidr_contains_cidr: net.CIDR containsCIDR(net.CIDR) -> bool
cidr_prefix_length: net.CIDR prefixLength() -> int
cidr_masked: net.CIDR masked() -> net.CIDR
cidr_to_string: string(net.CIDR) -> string
"""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class IP(Opaque):
    __slots__ = ("address",)
    type_name = "net.IP"

    def __init__(self, address: Address) -> None:
        self.address = address

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IP) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __str__(self) -> str:
        return str(self.address)

    def size(self) -> int:
        return self.address.max_prefixlen // 8


class CIDR(Opaque):
    __slots__ = ("address", "bits")
    type_name = "net.CIDR"

    def __init__(self, address: Address, bits: int) -> None:
        self.address = address
        self.bits = bits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CIDR) and (self.address, self.bits) == (other.address, other.bits)

    def __hash__(self) -> int:
        return hash((self.address, self.bits))

    def __str__(self) -> str:
        return f"{self.address}/{self.bits}"

    def size(self) -> int:
        return math.ceil(self.bits / 8)

    def masked(self) -> "CIDR":
        spare = self.address.max_prefixlen - self.bits
        return CIDR(type(self.address)(int(self.address) >> spare << spare), self.bits)

    def holds(self, address: Address) -> bool:
        if address.version != self.address.version:
            return False
        spare = self.address.max_prefixlen - self.bits
        return int(address) >> spare == int(self.address) >> spare


class _Invalid(ValueError):
    pass


def _address(text: str) -> tuple[Address, str]:
    """(address, zone); raises _Invalid as netip.ParseAddr words it."""
    first = re.search("[.:%]", text)
    fault = "unable to parse IP"
    if first and first.group() == "%":
        fault = "missing IPv6 address"
    elif first and first.group() == ".":
        fault = _fault_of_v4(text) or ""
        if not fault:
            return ipaddress.IPv4Address(text), ""
    elif first:
        body, percent, zone = text.partition("%")
        if percent and not zone:
            fault = "zone must be a non-empty string"
        else:
            try:
                return ipaddress.IPv6Address(body), zone
            except ValueError:
                fault = _fault_of_v6(body)
    raise _Invalid(f"ParseAddr({quoted(text)}): {fault}")


def _fault_of_v4(text: str) -> str | None:
    value, digits, fields = 0, 0, 0
    for at, char in enumerate(text):
        if char in "0123456789":
            if digits == 1 and value == 0:
                return "IPv4 field has octet with leading zero"
            value, digits = value * 10 + int(char), digits + 1
            if value > 255:
                return "IPv4 field has value >255"
        elif char == ".":
            if at in (0, len(text) - 1) or text[at - 1] == ".":
                return f"IPv4 field must have at least one digit (at {quoted(text[at:])})"
            if fields == 3:
                return "IPv4 address too long"
            fields, value, digits = fields + 1, 0, 0
        else:
            return f"unexpected character (at {quoted(text[at:])})"
    return None if fields == 3 else "IPv4 address too short"


_GROUP = re.compile("[0-9a-fA-F]*")


def _fault_of_v6(text: str) -> str:
    """The first fault on the way through the groups."""
    rest = text.removeprefix("::")
    ellipsis, groups = rest != text, 0
    while groups < 8:
        digits = _GROUP.match(rest).group()  # type: ignore[union-attr]
        fault = "" if digits else "each colon-separated field must have at least one digit"
        if len(digits) > 4:
            fault = "each group must have 4 or less digits"
        if not fault and rest[len(digits) : len(digits) + 1] == ".":
            return _fault_of_embedded(text, rest, ellipsis, groups)
        groups += 1
        after = rest[len(digits) :]
        if not fault and not after:
            break
        if not fault and (after[0] != ":" or len(after) == 1):
            bad = after[0] != ":"
            fault, rest = (
                "unexpected character, want colon" if bad else "colon must be followed by more characters",
                after,
            )
        elif not fault:
            rest = after[1:]
            if rest[0] == ":":
                fault = "multiple :: in address" if ellipsis else ""
                ellipsis, rest = True, rest if fault else rest[1:]
                if not rest:
                    break
        if fault:
            return f"{fault} (at {quoted(rest)})"
    else:
        if rest:
            return f"trailing garbage after address (at {quoted(rest)})"
    return "the :: must expand to at least one field of zeros" if groups == 8 else "address string too short"


def _fault_of_embedded(text: str, rest: str, ellipsis: bool, groups: int) -> str:
    if not ellipsis and groups != 6:
        return f"embedded IPv4 address must replace the final 2 fields of the address (at {quoted(rest)})"
    if groups > 6:
        return f"too many hex fields to fit an embedded IPv4 at the end of the address (at {quoted(rest)})"
    return _fault_of_v4(rest) or "address string too short"


def _parse_ip(text: str) -> IP:
    try:
        address, zone = _address(text)
    except _Invalid as error:
        raise EvaluationError(f"IP Address {quoted(text)} parse error during conversion from string: {error}") from None
    if zone:
        raise EvaluationError(f"IP address {quoted(text)} with zone value is not allowed")
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        raise EvaluationError(f"IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return IP(address)


TWICE = "network address parse error during conversion from string: "


def _parse_cidr(text: str) -> CIDR:
    try:
        found = _prefix(text)
    except _Invalid as error:
        raise EvaluationError(f"{TWICE}{TWICE}netip.ParsePrefix({quoted(text)}): {error}") from None
    address = found.address
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        raise EvaluationError(f"{TWICE}IPv4-mapped IPv6 address {quoted(text)} is not allowed")
    return found


def _prefix(text: str) -> CIDR:
    before, slash, bits = text.rpartition("/")
    if not slash:
        raise _Invalid("no '/'")
    address, zone = _address(before)
    if zone:
        raise _Invalid("IPv6 zones cannot be present in a prefix")
    if not re.fullmatch(r"0|[1-9]\d*", bits, re.ASCII):
        raise _Invalid(f"bad bits after slash: {quoted(bits)}")
    if len(bits) > 3 or int(bits) > address.max_prefixlen:
        raise _Invalid("prefix length out of range")
    return CIDR(address, int(bits))


def _succeeds(parse: Function) -> Function:
    def check(text: str) -> bool:
        try:
            parse(text)
        except EvaluationError:
            return False
        return True

    return check


def _is_link_local_multicast(ip: IP) -> bool:
    packed = ip.address.packed
    return packed[:3] == b"\xe0\x00\x00" if len(packed) == 4 else packed[0] == 0xFF and packed[1] & 0x0F == 2


def _is_link_local(ip: IP) -> bool:
    return bool(ip.address.is_link_local)


def _is_global_unicast(ip: IP) -> bool:
    address = ip.address
    if address.packed == b"\xff\xff\xff\xff":
        return False
    return not (address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local)


def _contains_ip(cidr: CIDR, other: IP | str) -> bool:
    if not isinstance(other, str):
        return cidr.holds(other.address)
    try:
        return cidr.holds(_parse_ip(other).address)
    except EvaluationError:
        raise no_overload() from None  # the reference forgets why


def _contains_cidr(cidr: CIDR, other: CIDR | str) -> bool:
    inner = _parse_cidr(other) if isinstance(other, str) else other
    return cidr.bits <= inner.bits and cidr.holds(inner.address)


def _ip(value: str | CIDR) -> IP:
    return IP(value.address) if isinstance(value, CIDR) else _parse_ip(value)


_FUNCTIONS: dict[str, Function] = {
    "ip": _ip,
    "ip.isCanonical": lambda text: str(_parse_ip(text)) == text,
    "family": lambda ip: ip.address.version,
    "isIP": _succeeds(_parse_ip),
    "isUnspecified": lambda ip: ip.address.is_unspecified,
    "isLoopback": lambda ip: ip.address.is_loopback,
    "isLinkLocalMulticast": _is_link_local_multicast,
    "isLinkLocalUnicast": _is_link_local,
    "isGlobalUnicast": _is_global_unicast,
    "cidr": _parse_cidr,
    "isCIDR": _succeeds(_parse_cidr),
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "prefixLength": lambda cidr: cidr.bits,
    "masked": lambda cidr: cidr.masked(),
}


def _lengths(operands: list[Any]) -> tuple[int, int]:
    other = operands[1]
    return operands[0].size(), math.ceil(len(other) * 0.1) if isinstance(other, str) else 0


def _contains_ip_cost(operands: list[Any], result: Any) -> int:
    mine, parsing = _lengths(operands)
    return math.ceil((mine + mine) * 0.1) + parsing


def _contains_cidr_cost(operands: list[Any], result: Any) -> int:
    mine, parsing = _lengths(operands)
    return math.ceil((mine + mine) * 0.1) + math.ceil(mine * 0.1) + 1 + parsing


_COSTS: dict[str, Any] = {
    **dict.fromkeys(["ip", "cidr", "isIP", "isCIDR"], text_cost()),
    "cidr_ip": 1,
    "ip.isCanonical": text_cost(0.2),
    "containsIP": _contains_ip_cost,
    "containsCIDR": _contains_cidr_cost,
}
_TYPES = {"net.IP": types.opaque("net.IP"), "net.CIDR": types.opaque("net.CIDR")}
LIBRARY = library(OVERLOADS, _FUNCTIONS, _COSTS, _TYPES)

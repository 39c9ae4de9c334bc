"""Formats of strings that the schema of a custom resource may demand (kube-openapi's `strfmt`)."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))")
_GO_DURATION = re.compile(r"[-+]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)")
_LOOSE_DURATION = re.compile(r"(\d+)\s*([A-Za-zµ]+)")
_UNITS = ("ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk")
_UNIT_PREFIXES = ("nano", "micro", "milli", "sec", "min", "hour", "day", "week")
_MAC = re.compile(r"([0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(\2[0-9A-Fa-f]{2})*|[0-9A-Fa-f]{4}(\.[0-9A-Fa-f]{4})*)")
_CARD = re.compile(
    r"(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|"
    r"3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})"
)
_EMAIL = re.compile(r"[^\s@<>\"(),:;\[\]\\]+@[^\s@<>\"(),:;\[\]\\]+")
_NAMED_EMAIL = re.compile(r"(?:\"(?:[^\"\\]|\\.)*\"|[^<>@\"]*)\s*<([^<>]+)>")
_SHORT_NAME = re.compile("[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONG_NAME = re.compile(rf"{_SHORT_NAME.pattern}(\.{_SHORT_NAME.pattern})*")
_COLOUR_PART = "(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])"


def _whole(pattern: str) -> Callable[[str], bool]:
    match = re.compile(pattern, re.ASCII).fullmatch
    return lambda text: match(text) is not None


def _is_date(text: str) -> bool:
    try:
        return re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_datetime(text: str) -> bool:
    parts = text.lower().split("t")
    if len(text) < 4 or len(parts) < 2 or not _is_date(parts[0]):
        return False
    match = _TIME.fullmatch(parts[1])
    return match is not None and match[1] <= "23" and match[2] <= "59" and match[3] <= "59"


def _is_duration(text: str) -> bool:
    """What Go reads, or Scala: `22 ns`, `3 weeks`."""
    if _GO_DURATION.fullmatch(text):
        return True
    found = (unit.lower() for _, unit in _LOOSE_DURATION.findall(text))
    return any(unit in _UNITS or unit.startswith(_UNIT_PREFIXES) for unit in found)


def _is_address(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return "%" not in text and ipaddress.ip_address(text).version == version
        except ValueError:
            return False

    return check


def _is_cidr(text: str) -> bool:
    address, slash, bits = text.partition("/")
    try:
        limit = ipaddress.ip_address(address).max_prefixlen
    except ValueError:
        return False
    is_number = re.fullmatch(r"0|[1-9]\d{0,2}", bits) is not None
    return bool(slash) and "%" not in address and is_number and int(bits) <= limit


def _is_mac(text: str) -> bool:
    return _MAC.fullmatch(text) is not None and len(re.sub("[^0-9A-Fa-f]", "", text)) in (12, 16, 40)


def _is_hostname(text: str) -> bool:
    """RFC 1034, with letters and symbols of any language."""
    from umiak.objects import go_regexp  # its classes take a moment to make

    pattern = (
        r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}"
        r"[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
    )
    if len(text.encode()) > 255 or any(len(part.encode()) > 63 for part in text.split(".")):
        return False
    return go_regexp.compile(pattern).match(text) is not None


def _is_email(text: str) -> bool:
    named = _NAMED_EMAIL.fullmatch(text.strip())
    return _EMAIL.fullmatch(named[1] if named else text.strip()) is not None


def _is_uri(text: str) -> bool:
    """What net/url.ParseRequestURI takes: an absolute URI, or an absolute path."""
    if not text or re.search(r"[\x00-\x20\x7f]", text) or re.search("%(?![0-9A-Fa-f]{2})", text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _is_isbn10(text: str) -> bool:
    digits = re.sub("[ -]", "", text)
    if not re.fullmatch("[0-9]{9}[0-9Xx]", digits):
        return False
    values = [10 if c in "Xx" else int(c) for c in digits]
    return sum((i + 1) * v for i, v in enumerate(values[:9])) % 11 == values[9] % 11


def _is_isbn13(text: str) -> bool:
    digits = re.sub("[ -]", "", text)
    return (
        re.fullmatch("[0-9]{13}", digits) is not None
        and sum(int(c) * (3 if i % 2 else 1) for i, c in enumerate(digits)) % 10 == 0
    )


def _is_card(text: str) -> bool:
    digits = re.sub("[^0-9]+", "", text)
    if not _CARD.fullmatch(digits):
        return False
    doubled = [int(c) * (2 if i % 2 else 1) for i, c in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return bool(text)


_H = "[0-9a-f]"
CHECKS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _whole("[0-9a-fA-F]{24}"),
    "uri": _is_uri,
    "email": _is_email,
    "hostname": _is_hostname,
    "ipv4": _is_address(4),
    "ipv6": _is_address(6),
    "cidr": _is_cidr,
    "mac": _is_mac,
    "uuid": _whole(f"(?i){_H}{{8}}-?{_H}{{4}}-?{_H}{{4}}-?{_H}{{4}}-?{_H}{{12}}"),
    "uuid3": _whole(f"(?i){_H}{{8}}-?{_H}{{4}}-?3{_H}{{3}}-?{_H}{{4}}-?{_H}{{12}}"),
    "uuid4": _whole(f"(?i){_H}{{8}}-?{_H}{{4}}-?4{_H}{{3}}-?[89ab]{_H}{{3}}-?{_H}{{12}}"),
    "uuid5": _whole(f"(?i){_H}{{8}}-?{_H}{{4}}-?5{_H}{{3}}-?[89ab]{_H}{{3}}-?{_H}{{12}}"),
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "creditcard": _is_card,
    "ssn": _whole(r"\d{3}[- ]?\d{2}[- ]?\d{4}"),
    "hexcolor": _whole("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _whole(rf"rgb\(\s*{_COLOUR_PART}\s*,\s*{_COLOUR_PART}\s*,\s*{_COLOUR_PART}\s*\)"),
    "byte": _is_base64,
    "password": lambda text: True,
    "date": _is_date,
    "duration": _is_duration,
    "datetime": _is_datetime,
    "k8sshortname": lambda text: len(text) <= 63 and _SHORT_NAME.fullmatch(text) is not None,
    "k8slongname": lambda text: len(text) <= 253 and _LONG_NAME.fullmatch(text) is not None,
}
"""By the format's name without dashes."""


def is_known(format: str, type: str) -> bool:
    """Whether the reference looks at a format of values of this type; others only draw a warning."""
    if type in ("", "string"):
        return format.replace("-", "") in CHECKS
    return format in {"integer": ("int32", "int64"), "number": ("float", "double")}.get(type, ())


def matches(format: str, text: str) -> bool:
    return CHECKS[format.replace("-", "")](text)

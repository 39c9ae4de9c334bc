"""Formats of texts by name, such as those of DNS labels."""

import math
from collections.abc import Callable
from typing import Any

from umiak.objects import names
from umiak.objects.cel.declarations import library
from umiak.objects.cel.library import urls
from umiak.objects.cel.values import NONE, Function, Opaque, Optional
from umiak.objects.structural import formats

Check = Callable[[str], list[str]]


class Format(Opaque):
    """`pattern_size` is what a match is charged for."""

    __slots__ = ("check", "name", "pattern_size")
    type_name = "kubernetes.NamedFormat"

    def __init__(self, name: str, check: Check, pattern_size: int) -> None:
        self.name = name
        self.check = check
        self.pattern_size = pattern_size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


def _prefix(check: Check) -> Check:
    return lambda text: check(names.without_trailing_dash(text))


def _of_schema(name: str, complaint: str) -> Check:
    return lambda text: [] if formats.matches(name, text) else [complaint]


def _uri(text: str) -> list[str]:
    try:
        urls.check(text)
    except urls.InvalidURL as error:
        return [str(error)]
    return []


URL_PATTERN, BASE64_PATTERN, UUID_PATTERN, TIME_PATTERN = 1103, 84, 70, 71
FORMATS = {
    "dns1123Label": Format("DNS1123Label", names.dns_label, 30),
    "dns1123Subdomain": Format("DNS1123Subdomain", names.dns_subdomain, 60),
    "dns1035Label": Format("DNS1035Label", names.dns_1035_label, 30),
    "qualifiedName": Format("QualifiedName", names.label_key, 60),
    "dns1123LabelPrefix": Format("DNS1123LabelPrefix", _prefix(names.dns_label), 30),
    "dns1123SubdomainPrefix": Format("DNS1123SubdomainPrefix", _prefix(names.dns_subdomain), 60),
    "dns1035LabelPrefix": Format("DNS1035LabelPrefix", _prefix(names.dns_1035_label), 30),
    "labelValue": Format("LabelValue", names.label_value, 40),
    "uri": Format("URI", _uri, URL_PATTERN),
    "uuid": Format("uuid", _of_schema("uuid", "does not match the UUID format"), UUID_PATTERN),
    "byte": Format("byte", _of_schema("byte", "invalid base64"), BASE64_PATTERN),
    "date": Format("date", _of_schema("date", "invalid date"), TIME_PATTERN),
    "datetime": Format("datetime", _of_schema("datetime", "invalid datetime"), TIME_PATTERN),
}
OVERLOADS = (
    "".join(f"format.{name}: format.{name}() -> kubernetes.NamedFormat\n" for name in FORMATS)
    + """
format-named: format.named(string) -> optional_type(kubernetes.NamedFormat)
format-validate: kubernetes.NamedFormat validate(string) -> optional_type(list(string))
"""
)


def _constant(format: Format) -> Function:
    return lambda: format


def _named(name: str) -> Optional:
    return Optional(FORMATS[name]) if name in FORMATS else NONE


def _validate(format: Format, text: str) -> Optional:
    faults = format.check(text)
    return Optional(faults) if faults else NONE


def _cost(operands: list[Any], result: Any) -> int:
    return math.ceil((1.0 + len(operands[1])) * 0.1) * math.ceil(operands[0].pattern_size * 0.25)


_FUNCTIONS: dict[str, Function] = {
    **{f"format.{name}": _constant(format) for name, format in FORMATS.items()},
    "format.named": _named,
    "validate": _validate,
}
LIBRARY = library(OVERLOADS, _FUNCTIONS, {"validate": _cost})

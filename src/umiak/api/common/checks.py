"""Checks of single values that many kinds share. Each appends to `errors`; a path is the field's place in the object.

Texts are those of apimachinery's `util/validation` and of `pkg/apis/core/validation`.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from umiak.api.common.metadata import IMMUTABLE, label_key, label_value, validate_labels
from umiak.api.internal import shown
from umiak.objects import names
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, not_supported, required
from umiak.objects.go_text import whole
from umiak.objects.types import Object

Errors = list[FieldError]

NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"
NOT_A_PORT = "must be between 1 and 65535, inclusive"
MAX_ID = 2**31 - 1
NOT_AN_ID = f"must be between 0 and {MAX_ID}, inclusive"
MODE_WRONG = "must be a number between 0 and 0777 (octal), both inclusive"
IP_WRONG = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"

_PORT_CHARACTERS = re.compile(r"[-a-z0-9]+")
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_config_key = re.compile(_CONFIG_KEY).fullmatch
_HEADER = "[-A-Za-z0-9]+"
_header = re.compile(_HEADER).fullmatch
_PERCENT = "[0-9]+%"
_percent = re.compile(_PERCENT).fullmatch
_HTTP_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")


def immutable(new: Any, old: Any, path: str, errors: Errors, form: str = "") -> None:
    """`form` is what `api.internal` calls the type of a value that has fields."""
    if new != old:
        errors.append(invalid_value(path, shown(form, new) if form else new, IMMUTABLE))


def declared_immutable(new: Any, old: Any, path: str, errors: Errors) -> None:
    """As `immutable`, for fields of which the reference's generated rules say so; these show no value."""
    if new != old:
        errors.append(invalid_value(path, None, IMMUTABLE))


def check(texts: Callable[[str], list[str]], value: str, path: str, errors: Errors) -> None:
    """Every fault that `texts` finds in a value."""
    for text in texts(value):
        errors.append(invalid_value(path, value, text))


def domain_prefixed_path(value: str, path: str, errors: Errors) -> None:
    """`example.com/name`."""
    if not value:
        errors.append(required(path))
        return
    domain, _, rest = value.partition("/")
    if not domain or not rest:
        errors.append(invalid_value(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")'))
        return
    check(names.dns_subdomain, domain, path, errors)
    if not _HTTP_PATH.fullmatch(rest):
        errors.append(invalid_value(path, rest, names.mismatch("Invalid path", _HTTP_PATH.pattern)))


def nonnegative(obj: Mapping[str, Any], field: str, path: str, errors: Errors) -> None:
    """`field` of `obj`, if it is there; `path` is that of `obj`."""
    value = obj.get(field)
    if value is not None and value < 0:
        errors.append(invalid_value(f"{path}.{field}", value, NEGATIVE))


def positive(value: int, path: str, errors: Errors) -> None:
    if value <= 0:
        errors.append(invalid_value(path, value, NOT_POSITIVE))


def one_of(value: Any, allowed: Collection[str], path: str, errors: Errors) -> None:
    """`allowed` is printed in its own order."""
    if value not in allowed:
        errors.append(not_supported(path, value, allowed))


def filled_one_of(value: Any, allowed: Collection[str], path: str, errors: Errors) -> None:
    """As `one_of`, but what is empty is missing."""
    if not value:
        errors.append(required(path))
    elif value not in allowed:
        errors.append(not_supported(path, value, allowed))


def filled(obj: Mapping[str, Any], field: str, path: str, errors: Errors, detail: str = "") -> bool:
    """Whether `field` of `obj` has a value; `path` is that of `obj`."""
    if obj.get(field):
        return True
    errors.append(required(f"{path}.{field}", detail))
    return False


def port_number(value: int, path: str, errors: Errors) -> None:
    if not 1 <= value <= 65535:
        errors.append(invalid_value(path, value, NOT_A_PORT))


def port_name_faults(value: str) -> list[str]:
    """What keeps a text from being the name of a port (RFC 6335)."""
    faults = ["must be no more than 15 characters"] if len(value) > 15 else []
    if not _PORT_CHARACTERS.fullmatch(value):
        faults.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        faults.append("must contain at least one letter (a-z)")
    if "--" in value:
        faults.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        faults.append("must not begin or end with a hyphen")
    return faults


def port_number_or_name(value: int | str, path: str, errors: Errors) -> None:
    if isinstance(value, str):
        check(port_name_faults, value, path, errors)
    else:
        port_number(value, path, errors)


def _starts_with_dots(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def config_key_faults(value: str) -> list[str]:
    """What keeps a text from being a key of a ConfigMap or Secret."""
    faults = [names.too_long(253)] if len(value) > 253 else []
    if not _config_key(value):
        rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        faults.append(names.mismatch(rule, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return faults + _starts_with_dots(value)


def variable_name_faults(value: str) -> list[str]:
    """What keeps a text from being the name of an environment variable."""
    if not value:
        return ["environment variable name must be non-empty"]
    if not value.isascii() or not value.isprintable() or "=" in value:
        return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
    return []


def header_name_faults(value: str) -> list[str]:
    if _header(value):
        return []
    rule = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [names.mismatch(rule, _HEADER, "X-Header-Name")]


def percent_faults(value: str) -> list[str]:
    if _percent(value):
        return []
    rule = "a valid percent string must be a numeric string followed by an ending '%'"
    return [names.mismatch(rule, _PERCENT, "1%", "93%")]


def number_or_percent(value: int | str, path: str, errors: Errors) -> None:
    """Not negative."""
    if isinstance(value, str):
        check(percent_faults, value, path, errors)
    elif value < 0:
        errors.append(invalid_value(path, value, NEGATIVE))


def at_most_everything(value: int | str, path: str, errors: Errors) -> None:
    """No more than 100%."""
    if isinstance(value, str) and _percent(value) and whole(value[:-1]) > 100:
        errors.append(invalid_value(path, value, "must not be greater than 100%"))


def amount_of(value: int | str | None) -> int:
    """The number of a number or percentage."""
    if isinstance(value, str):
        return whole(value[:-1]) if _percent(value) else 0
    return value or 0


def user_or_group(obj: Mapping[str, Any], field: str, path: str, errors: Errors) -> None:
    value = obj.get(field)
    if value is not None and not 0 <= value <= MAX_ID:
        errors.append(invalid_value(f"{path}.{field}", value, NOT_AN_ID))


def file_mode(obj: Mapping[str, Any], field: str, path: str, errors: Errors) -> None:
    value = obj.get(field)
    if value is not None and not 0 <= value <= 0o777:
        errors.append(invalid_value(f"{path}.{field}", value, MODE_WRONG))


def ip_address(value: str, path: str, errors: Errors) -> None:
    """An address without leading zeros, and no IPv4 address in IPv6 clothes."""
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        loose = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", value)
        is_sloppy = loose is not None and all(int(part) <= 255 for part in loose.groups())
        errors.append(invalid_value(path, value, "must not have leading 0s" if is_sloppy else IP_WRONG))
        return
    if found.version == 6 and found.ipv4_mapped is not None:
        errors.append(invalid_value(path, value, "must not be an IPv4-mapped IPv6 address"))


def no_backsteps(value: str, path: str, errors: Errors) -> None:
    if ".." in value.split("/"):
        errors.append(invalid_value(path, value, "must not contain '..'"))


def descending_path(value: str, path: str, errors: Errors) -> None:
    """A relative path that does not climb."""
    if value.startswith("/"):
        errors.append(invalid_value(path, value, "must be a relative path"))
    no_backsteps(value, path, errors)


def local_path(value: str, path: str, errors: Errors) -> None:
    """As `descending_path`, and free of names that begin with two dots."""
    descending_path(value, path, errors)
    if value.startswith("..") and not value.startswith("../"):
        errors.append(invalid_value(path, value, "must not start with '..'"))


def label_selector(selector: Object | None, path: str, errors: Errors, allow_bad_values: bool = False) -> None:
    if not selector:
        return
    if selector.get("matchLabels"):
        validate_labels(selector["matchLabels"], f"{path}.matchLabels", errors)
    for index, requirement in enumerate(selector.get("matchExpressions") or ()):
        selector_requirement(requirement, f"{path}.matchExpressions[{index}]", errors, allow_bad_values)


def selector_requirement(requirement: Object, path: str, errors: Errors, allow_bad_values: bool = False) -> None:
    operator, values = requirement.get("operator") or "", requirement.get("values") or ()
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(field_forbidden(f"{path}.values", text))
    else:
        errors.append(invalid_value(f"{path}.operator", operator, "not a valid selector operator"))
    check(label_key, requirement.get("key") or "", f"{path}.key", errors)
    if not allow_bad_values:
        for index, value in enumerate(values):
            check(label_value, value, f"{path}.values[{index}]", errors)


def is_empty_selector(selector: Object | None) -> bool:
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))


def selector_matches(selector: Object | None, labels: Mapping[str, str]) -> bool | None:
    """Whether labels satisfy a LabelSelector; None when it cannot be read. No selector selects nothing."""
    if selector is None:
        return False
    wanted = (selector.get("matchLabels") or {}).items()
    verdicts = [labels.get(key) == value for key, value in wanted]
    for requirement in selector.get("matchExpressions") or ():
        faults: Errors = []
        selector_requirement(requirement, "", faults)
        if faults:
            return None
        verdicts.append(_requirement_matches(requirement, labels))
    faults = []
    validate_labels(selector.get("matchLabels"), "", faults)
    return None if faults else all(verdicts)


def _requirement_matches(requirement: Object, labels: Mapping[str, str]) -> bool:
    key, values = requirement.get("key") or "", requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
    return key not in labels


def duplicates(values: Iterable[str]) -> Iterable[tuple[int, str]]:
    """(index, value) of each value that was there before."""
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield index, value
        seen.add(value)

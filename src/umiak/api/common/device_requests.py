"""Device requests, in claims and in their templates: defaults and validation."""

import re

from umiak.api.common.checks import Errors, check, duplicates
from umiak.api.common.expressions import device_selectors
from umiak.api.common.metadata import label_key, label_value
from umiak.objects import names
from umiak.objects.errors import FieldError, duplicate, invalid_value, not_supported, required, too_long, too_many
from umiak.objects.types import Object


def _default_request(request: Object) -> None:
    if not request.get("allocationMode"):
        request["allocationMode"] = "ExactCount"
    if request["allocationMode"] == "ExactCount" and not request.get("count"):
        request["count"] = 1
    default_tolerations(request)


def default_tolerations(holder: Object) -> None:
    for toleration in holder.get("tolerations") or ():
        if not toleration.get("operator"):
            toleration["operator"] = "Equal"


def default_claim_spec(spec: Object) -> None:
    """Fills the requests of a ResourceClaim's spec."""
    for request in spec.setdefault("devices", {}).get("requests") or ():
        if request.get("exactly") is not None:
            _default_request(request["exactly"])
        for choice in request.get("firstAvailable") or ():
            _default_request(choice)


_MODES = ("All", "ExactCount")
_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_NOT_A_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
_REQUESTS, _CONSTRAINTS, _CONFIGURATIONS, _CHOICES = 32, 32, 32, 8
MOST_SELECTORS = 32
TAINT_EFFECTS = ("NoExecute", "NoSchedule", "None")


def driver(name: str, path: str, errors: Errors, unit: str = "bytes") -> None:
    """The name of a driver, in any case; generated rules count characters."""
    if not name:
        errors.append(required(path))
        return
    if len(name) > 63:
        errors.append(FieldError("FieldValueTooLong", path, f"Too long: may not be more than 63 {unit}"))
    if names.dns_subdomain(name.lower()):
        rule = (
            "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        errors.append(invalid_value(path, name, names.mismatch(rule, names.DNS_SUBDOMAIN, "Example.com")))


def pool_name(name: str, path: str, errors: Errors) -> None:
    """Subdomains with slashes between them."""
    if not name:
        errors.append(required(path))
        return
    if len(name) > 253:
        errors.append(too_long(path, 253))
    for part in name.split("/"):
        check(names.dns_subdomain, part, path, errors)


def qualified_name(name: str, path: str, errors: Errors) -> None:
    """A C identifier, perhaps after a domain and a slash."""
    parts = name.split("/")
    if len(parts) == 2 and not parts[0]:
        errors.append(invalid_value(path, "", "the domain must not be empty"))
    elif len(parts) == 2:
        driver(parts[0], path, errors)
    if len(parts) == 2 and not parts[1]:
        errors.append(invalid_value(path, "", "the name must not be empty"))
    elif len(parts) <= 2:
        _identifier(parts[-1], path, errors)


def _identifier(name: str, path: str, errors: Errors) -> None:
    if len(name) > 32:
        errors.append(too_long(path, 32))
    if not re.fullmatch(_IDENTIFIER, name):
        rule = (
            "a valid C identifier must start with alphabetic character or '_', "
            "followed by a string of alphanumeric characters or '_'"
        )
        errors.append(invalid_value(path, name, names.mismatch(rule, _IDENTIFIER, "my_name", "MY_NAME", "MyName")))


def claim_spec(spec: Object, path: str) -> list[FieldError]:
    """The spec of a ResourceClaim."""
    errors: Errors = []
    late: Errors = []
    devices, path = spec.get("devices") or {}, f"{path}.devices"
    requests = devices.get("requests") or []
    known = request_names(devices)
    if len(requests) > _REQUESTS:
        errors.append(too_many(f"{path}.requests", len(requests), _REQUESTS))
    seen: set[str] = set()
    repeated: Errors = []
    for index, request in enumerate(requests):
        where, name = f"{path}.requests[{index}]", request.get("name") or ""
        check(names.dns_label, name, f"{where}.name", errors)
        _request(request, where, errors, late)
        if name in seen:
            repeated.append(duplicate(where, _printed(request)))
        seen.add(name)
    for index, constraint in enumerate(devices.get("constraints") or ()):
        _constraint(constraint, known, f"{path}.constraints[{index}]", errors, late)
    for index, config in enumerate(devices.get("config") or ()):
        where = f"{path}.config[{index}]"
        references(config, known, where, errors)
        configuration(config, where, errors, late)
    return errors + repeated + late


_ORDER = ("name", "exactly", "deviceClassName", "selectors", "allocationMode", "count", "adminAccess", "tolerations")


def _printed(request: Object) -> Object:
    """With its fields in the order of the struct."""
    ordered = {key: request[key] for key in (*_ORDER, *request) if key in request and request[key] not in (None, [])}
    if "exactly" in ordered:
        ordered["exactly"] = _printed(ordered["exactly"])
    if "firstAvailable" in ordered:
        ordered["firstAvailable"] = [_printed(choice) for choice in ordered["firstAvailable"]]
    return ordered


def request_names(devices: Object) -> set[str]:
    """What may be referred to: requests, and subrequests after a slash."""
    requests = devices.get("requests") or ()
    found = {r.get("name") or "" for r in requests}
    return found | {f"{r.get('name')}/{c.get('name')}" for r in requests for c in r.get("firstAvailable") or ()}


def _request(request: Object, path: str, errors: Errors, late: Errors) -> None:
    exactly, choices = request.get("exactly"), request.get("firstAvailable") or []
    if exactly is None and not choices:
        errors.append(required(path, "exactly one of `exactly` or `firstAvailable` is required"))
    elif exactly is not None and choices:
        text = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"
        errors.append(invalid_value(path, None, text))
    elif exactly is not None:
        _wanted(exactly, f"{path}.exactly", errors, errors, late)
    if len(choices) > _CHOICES:
        late.append(too_many(f"{path}.firstAvailable", len(choices), _CHOICES))
    for index, choice in enumerate(choices):
        where = f"{path}.firstAvailable[{index}]"
        if exactly is not None:
            _class(choice, where, late)
            continue
        check(names.dns_label, choice.get("name") or "", f"{where}.name", errors)
        _wanted(choice, where, errors, late, late)


def _wanted(request: Object, path: str, errors: Errors, classes: Errors, late: Errors) -> None:
    """What kind of device, and how many."""
    _class(request, path, classes)
    selectors = request.get("selectors") or []
    device_selectors(selectors, f"{path}.selectors", errors)
    if len(selectors) > MOST_SELECTORS:
        late.append(too_many(f"{path}.selectors", len(selectors), MOST_SELECTORS))
    mode, count = request.get("allocationMode") or "", request.get("count") or 0
    if mode == "All" and count:
        text = "must not be specified when allocationMode is 'All'"
        errors.append(invalid_value(f"{path}.count", count, text))
    elif mode == "ExactCount" and count <= 0:
        errors.append(invalid_value(f"{path}.count", count, "must be greater than zero"))
    elif mode not in _MODES:
        late.append(not_supported(f"{path}.allocationMode", mode, _MODES))
    for index, toleration in enumerate(request.get("tolerations") or ()):
        _toleration(toleration, f"{path}.tolerations[{index}]", errors, late)


def _class(request: Object, path: str, errors: Errors) -> None:
    if not request.get("deviceClassName"):
        errors.append(required(f"{path}.deviceClassName"))
    else:
        check(names.dns_subdomain, request["deviceClassName"], f"{path}.deviceClassName", errors)


def _toleration(toleration: Object, path: str, errors: Errors, late: Errors) -> None:
    key, operator, value = (toleration.get(name) or "" for name in ("key", "operator", "value"))
    if key:
        check(label_key, key, f"{path}.key", late)
    if operator == "Exists" and value:
        errors.append(invalid_value(f"{path}.value", value, "must be empty for operator `Exists`"))
    elif operator == "Equal":
        check(label_value, value, f"{path}.value", errors)
    elif not operator:
        late.append(required(f"{path}.operator"))
    elif operator != "Exists":
        late.append(not_supported(f"{path}.operator", operator, ("Equal", "Exists")))
    if toleration.get("effect") and toleration["effect"] not in TAINT_EFFECTS:
        late.append(not_supported(f"{path}.effect", toleration["effect"], TAINT_EFFECTS))


def references(holder: Object, known: set[str], path: str, errors: Errors, single: str = "") -> None:
    """Names in `requests`; `single` is what the field is called where there is but one."""
    for index, name in enumerate(holder.get("requests") or ()):
        where = f"{path}.{single}" if single else f"{path}.requests[{index}]"
        parts = name.split("/")
        if len(parts) <= 2:
            for part in parts:
                check(names.dns_label, part, where, errors)
        if len(parts) > 2 or name not in known:
            errors.append(invalid_value(where, name, _NOT_A_REQUEST))


def _constraint(constraint: Object, known: set[str], path: str, errors: Errors, late: Errors) -> None:
    references(constraint, known, path, errors)
    for index, repeated in duplicates(constraint.get("requests") or ()):
        late.append(duplicate(f"{path}.requests[{index}]", repeated))
    for field in ("matchAttribute", "distinctAttribute"):
        name = constraint.get(field)
        if name is not None:
            qualified_name(name, f"{path}.{field}", late)
            if "/" not in name:
                text = "a fully qualified name must be a domain and a name separated by a slash"
                late.append(invalid_value(f"{path}.{field}", name, text))
    if any(constraint.get(field) is not None for field in ("matchAttribute", "distinctAttribute")):
        return
    text = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
    errors.append(required(path, text))


def configuration(config: Object, path: str, errors: Errors, late: Errors) -> None:
    """Parameters for a driver, which it alone understands."""
    opaque = config.get("opaque")
    if opaque is None:
        errors.append(required(f"{path}.opaque"))
        return
    driver(opaque.get("driver") or "", f"{path}.opaque.driver", late, "characters")
    parameters = opaque.get("parameters")
    if parameters is None:
        errors.append(required(f"{path}.opaque.parameters"))
    elif not isinstance(parameters, dict):
        errors.append(invalid_value(f"{path}.opaque.parameters", "<value omitted>", "must be a valid JSON object"))


def default_time(value: Object, now: str) -> None:
    """A taint without a time is added now."""
    if value.get("timeAdded") is None:
        value["timeAdded"] = now


def taint(value: Object, path: str, errors: Errors, late: Errors) -> None:
    """A mark on devices that keeps claims away."""
    check(label_key, value.get("key") or "", f"{path}.key", errors)
    for text in label_value(value.get("value") or ""):
        errors.append(invalid_value(f"{path}.value", value["value"], text))
    effect = value.get("effect") or ""
    if not effect:
        late.append(required(f"{path}.effect"))
    elif effect not in TAINT_EFFECTS:
        late.append(not_supported(f"{path}.effect", effect, TAINT_EFFECTS))

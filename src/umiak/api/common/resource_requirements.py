"""Validates requests and limits."""

from collections.abc import Callable, Collection

from umiak.api.common.checks import NEGATIVE, Errors, check
from umiak.api.common.metadata import label_key
from umiak.api.common.resources import is_huge_page
from umiak.objects import names
from umiak.objects.errors import FieldError, duplicate, field_forbidden, invalid_value, not_supported, required
from umiak.objects.quantity import ZERO, Quantity, parse
from umiak.objects.types import Object

CONTAINER_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
STANDARD_RESOURCES = CONTAINER_RESOURCES | frozenset(
    f"{kind}.{name}" for kind in ("requests", "limits") for name in CONTAINER_RESOURCES
)
OBJECT_COUNTS = frozenset(
    {
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
STANDARD = STANDARD_RESOURCES | OBJECT_COUNTS | {"storage", "requests.storage"}


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """A resource that somebody outside Kubernetes defined."""
    return not is_native(name) and not name.startswith("requests.") and not label_key(f"requests.{name}")


def allows_overcommit(name: str) -> bool:
    return is_native(name) and not is_huge_page(name)


def resource_name(name: str, path: str, errors: Errors) -> bool:
    """Whether a name may be that of any resource."""
    before = len(errors)
    check(label_key, name, path, errors)
    if len(errors) == before and "/" not in name and name not in STANDARD and not is_huge_page(name):
        errors.append(invalid_value(path, name, "must be a standard resource type or fully qualified"))
    return len(errors) == before


def container_resource_name(name: str, path: str, errors: Errors) -> None:
    if name in CONTAINER_RESOURCES:
        return
    resource_name(name, path, errors)
    if "/" not in name:
        if not is_huge_page(name):
            errors.append(invalid_value(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        errors.append(invalid_value(path, name, "doesn't follow extended resource name standard"))


def pod_resource_name(name: str, path: str, errors: Errors) -> None:
    """Of a whole pod (KEP 2837)."""
    if resource_name(name, path, errors) and name not in ("cpu", "memory") and not is_huge_page(name):
        errors.append(not_supported(path, name, ("cpu", "hugepages-", "memory")))


def quantity_of(name: str, value: Quantity, path: str, errors: Errors) -> None:
    """Not negative, and whole for what cannot be divided."""
    if value < ZERO:
        errors.append(invalid_value(path, str(value), NEGATIVE))
    if name not in CONTAINER_RESOURCES and (name in OBJECT_COUNTS or is_extended(name)) and value.milli() % 1000:
        errors.append(invalid_value(path, str(value), "must be an integer"))


def _huge_page(name: str, value: Quantity, path: str, errors: Errors) -> None:
    try:
        page = parse(name.removeprefix("hugepages-")).value()
    except ValueError:
        page = 0
    if page <= 0 or value.value() % page:
        errors.append(invalid_value(path, str(value), f"{value} is not positive integer multiple of {name}"))


NameCheck = Callable[[str, str, Errors], object]


def requirements(
    resources: Object,
    claims: Collection[str],
    path: str,
    errors: Errors,
    check_name: NameCheck = container_resource_name,
) -> None:
    """Requests and limits of a container; `claims` are the resource claims of its pod."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, text in sorted(limits.items()):
        value, where = parse(text), f"{path}.limits[{name}]"
        check_name(name, where, errors)
        quantity_of(name, value, where, errors)
        if is_huge_page(name):
            _huge_page(name, value, where, errors)
    for name, text in sorted(requests.items()):
        value, where = parse(text), f"{path}.requests[{name}]"
        check_name(name, where, errors)
        quantity_of(name, value, where, errors)
        _within_limit(name, value, limits, path, errors)
        if is_huge_page(name):
            _huge_page(name, value, where, errors)
    together = {*limits, *requests}
    if not together & {"cpu", "memory"} and any(map(is_huge_page, together)):
        errors.append(field_forbidden(path, "HugePages require cpu or memory"))
    if resources.get("claims"):
        _claims(resources["claims"], claims, f"{path}.claims", errors)


def _within_limit(name: str, value: Quantity, limits: dict[str, str], path: str, errors: Errors) -> None:
    if name not in limits:
        if not allows_overcommit(name):
            errors.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
        return
    limit = parse(limits[name])
    if value != limit and not allows_overcommit(name):
        errors.append(invalid_value(f"{path}.requests", str(value), f"must be equal to {name} limit of {limit}"))
    elif value > limit:
        text = f"must be less than or equal to {name} limit of {limit}"
        errors.append(invalid_value(f"{path}.requests", str(value), text))


def _claims(claims: list[Object], known: Collection[str], path: str, errors: Errors) -> None:
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        name, where = claim.get("name") or "", f"{path}[{index}]"
        if not name:
            errors.append(required(where))
            continue
        request = claim.get("request") or ""
        if name in seen:
            errors.append(duplicate(where, name))
        else:
            if request:
                check(names.dns_label, request, f"{where}.request", errors)
            key = f"{name}/{request}" if request else name
            clashes = [key] if key in seen else [name for other in seen if not request and other.startswith(f"{name}/")]
            errors += [duplicate(where, clash) for clash in clashes]
            seen.add(key)
        if name not in known:
            listed = f": {', '.join(sorted(known))}" if known else " which is empty"
            text = f'Not found: "{name}": must be one of the names in pod.spec.resourceClaims{listed}'
            errors.append(FieldError("FieldValueNotFound", where, text))

"""LimitRange: bounds and defaults for what objects of a namespace may ask."""

from umiak.api.common.checks import check
from umiak.api.common.metadata import label_key
from umiak.api.common.resource_requirements import allows_overcommit, container_resource_name, resource_name
from umiak.api.common.resources import round_up
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, duplicate, field_forbidden, invalid_value, required
from umiak.objects.quantity import Quantity, parse
from umiak.objects.types import Object


def default(obj: Object) -> None:
    for item in obj.setdefault("spec", {}).get("limits") or ():
        if item.get("type") == "Container":
            limit = {**(item.get("max") or {}), **(item.get("default") or {})}
            request = {**(item.get("min") or {}), **limit, **(item.get("defaultRequest") or {})}
            for name, value in (("default", limit), ("defaultRequest", request)):
                if value:
                    item[name] = value
        for name in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            if item.get(name):
                round_up(item[name])


def prepare_create(obj: Object) -> None:
    """One without a name gets a random one."""
    metadata = obj.setdefault("metadata", {})
    if not metadata.get("name") and metadata.get("uid"):
        metadata["name"] = metadata["uid"]


_TYPES = ("Container", "Pod", "PersistentVolumeClaim")
_BOUNDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
        path, kind = f"spec.limits[{index}]", item.get("type") or ""
        before = len(errors)
        check(label_key, kind, f"{path}.type", errors)
        if len(errors) == before and "/" not in kind and kind not in _TYPES:
            text = "must be a standard limit type or fully qualified"
            errors.append(invalid_value(f"{path}.type", kind, text))
        if kind in seen:
            errors.append(duplicate(f"{path}.type", kind))
        seen.add(kind)
        _item(item, kind, path, errors)
    return errors


def _item(item: Object, kind: str, path: str, errors: list[FieldError]) -> None:
    bounds = {name: {k: parse(v) for k, v in (item.get(name) or {}).items()} for name in _BOUNDS}
    if kind == "Pod":
        for name in ("default", "defaultRequest"):
            if bounds[name]:
                errors.append(field_forbidden(f"{path}.{name}", "may not be specified when `type` is 'Pod'"))
                bounds[name] = {}
    _resource_names(kind, bounds, _BOUNDS[:-1], path, errors)
    if kind == "PersistentVolumeClaim" and "storage" not in {**bounds["min"], **bounds["max"]}:
        text = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(required(f"{path}.limits", text))
    _resource_names(kind, bounds, _BOUNDS[-1:], path, errors)
    for resource in sorted({r for amounts in bounds.values() for r in amounts}):
        _amounts({name: amounts.get(resource) for name, amounts in bounds.items()}, resource, path, errors)


def _resource_names(
    kind: str, bounds: dict[str, dict[str, Quantity]], which: tuple[str, ...], path: str, errors: list[FieldError]
) -> None:
    for name in which:
        for resource in sorted(bounds[name]):
            _resource_name(kind, resource, f"{path}.{name}[{resource}]", errors)


def _resource_name(kind: str, name: str, path: str, errors: list[FieldError]) -> None:
    check_name = container_resource_name if kind in ("Pod", "Container") else resource_name
    check_name(name, path, errors)


def _amounts(bounds: dict[str, Quantity | None], resource: str, path: str, errors: list[FieldError]) -> None:
    """The bounds of one resource contradict each other nowhere."""
    least, most, limit, request = (bounds[n] for n in ("min", "max", "default", "defaultRequest"))

    def ordered(small: Quantity | None, large: Quantity | None, field: str, shown: Quantity | None, names: str) -> None:
        if small is not None and large is not None and small > large:
            first, second = names.split("/")
            text = f"{first} value {small} is greater than {second} value {large}"
            errors.append(invalid_value(f"{path}.{field}[{resource}]", str(shown), text))

    ordered(least, most, "min", least, "min/max")
    ordered(least, request, "defaultRequest", request, "min/default request")
    ordered(request, most, "defaultRequest", request, "default request/max")
    ordered(request, limit, "defaultRequest", request, "default request/default limit")
    ordered(least, limit, "default", least, "min/default")
    ordered(limit, most, "default", most, "default/max")
    _ratio(bounds["maxLimitRequestRatio"], least, most, f"{path}.maxLimitRequestRatio[{resource}]", errors)
    if not allows_overcommit(resource) and limit is not None and request is not None and limit != request:
        text = f"default value {limit} must equal to defaultRequest value {request} in {resource}"
        errors.append(invalid_value(f"{path}.defaultRequest[{resource}]", str(request), text))


def _ratio(
    ratio: Quantity | None, least: Quantity | None, most: Quantity | None, path: str, errors: list[FieldError]
) -> None:
    if ratio is None:
        return
    if ratio < Quantity(1):
        errors.append(invalid_value(path, str(ratio), f"ratio {ratio} is less than 1"))
    if least and most is not None:
        bound = most.as_float() / least.as_float()
        if ratio.as_float() > bound:
            errors.append(invalid_value(path, str(ratio), f"ratio {ratio} is greater than max/min = {bound:.6f}"))


KIND = builtin(
    "v1",
    "LimitRange",
    default=default,
    prepare_create=prepare_create,
    validate=validate,
    creates_on_update=True,
)

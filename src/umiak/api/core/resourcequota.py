"""ResourceQuota: how much the objects of a namespace may use together."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, column
from umiak.api.common.resource_requirements import (
    OBJECT_COUNTS,
    STANDARD_RESOURCES,
    is_extended,
    quantity_of,
    resource_name,
)
from umiak.api.common.resources import is_huge_page, round_up
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value, required
from umiak.objects.quantity import parse
from umiak.objects.types import Object


def default(obj: Object) -> None:
    for part in (obj.setdefault("spec", {}), obj.get("status") or {}):
        for name in ("hard", "used"):
            if part.get(name):
                round_up(part[name])


QUOTA_RESOURCES = STANDARD_RESOURCES | OBJECT_COUNTS | {"requests.storage"}
SCOPES = frozenset(
    {
        "Terminating",
        "NotTerminating",
        "BestEffort",
        "NotBestEffort",
        "PriorityClass",
        "CrossNamespacePodAffinity",
        "VolumeAttributesClass",
    }
)
_POD_RESOURCES = STANDARD_RESOURCES | {"pods"}
_ONLY_EXISTS = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating,"
    " ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj.get("spec") or {}
    hard = spec.get("hard") or {}
    for name in sorted(hard):
        path = f"spec.hard[{name}]"
        is_huge = is_huge_page(name.removeprefix("requests."))
        if resource_name(name, path, errors) and "/" not in name and name not in QUOTA_RESOURCES and not is_huge:
            errors.append(invalid_value(path, name, "must be a standard resource for quota"))
        quantity_of(name, parse(hard[name]), path, errors)
    scopes = spec.get("scopes") or []
    for scope in scopes:
        _scope(scope, hard, "spec.scopes", scopes, scopes, errors)
    _conflicts(set(scopes), "spec.scopes", scopes, errors)
    selector = spec.get("scopeSelector")
    if selector is not None:
        _selector(selector, hard, scopes, errors)
    return errors


def validate_update(new: Object, old: Object) -> list[FieldError]:
    scopes = (new.get("spec") or {}).get("scopes")
    if set(scopes or ()) == set((old.get("spec") or {}).get("scopes") or ()):
        return []
    return [invalid_value("spec.scopes", scopes, "field is immutable")]


def _scope(scope: str, hard: Object, path: str, unknown: Any, shown: Any, errors: list[FieldError]) -> None:
    if scope not in SCOPES:
        where = path if path == "spec.scopes" else f"{path}.scopeName"
        errors.append(invalid_value(where, unknown, "unsupported scope"))
    for name in sorted(hard):
        if (name in QUOTA_RESOURCES or is_huge_page(name)) and not _scope_fits(scope, name):
            errors.append(invalid_value(path, shown, "unsupported scope applied to resource"))


def _scope_fits(scope: str, resource: str) -> bool:
    """Whether a scope means anything for a resource."""
    if scope == "BestEffort":
        return resource == "pods"
    if scope == "VolumeAttributesClass":
        return resource in ("persistentvolumeclaims", "requests.storage")
    is_pods = resource in _POD_RESOURCES or is_huge_page(resource.removeprefix("requests.")) or is_extended(resource)
    return is_pods if scope in SCOPES else True


def _conflicts(scopes: set[str], path: str, shown: Any, errors: list[FieldError]) -> None:
    for pair in ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"}):
        if pair <= scopes:
            errors.append(invalid_value(path, shown, "conflicting scopes"))


def _selector(selector: Object, hard: Object, scopes: list[str], errors: list[FieldError]) -> None:
    path = "spec.scopeSelector.matchExpressions"
    terms = selector.get("matchExpressions") or []
    printed = {
        "MatchExpressions": [
            {"ScopeName": t.get("scopeName") or "", "Operator": t.get("operator") or "", "Values": t.get("values")}
            for t in terms
        ]
        or None
    }
    for term in terms:
        scope, operator, values = term.get("scopeName") or "", term.get("operator") or "", term.get("values") or []
        _scope(scope, hard, path, scope, printed, errors)
        if scope in SCOPES - {"PriorityClass", "VolumeAttributesClass"} and operator != "Exists":
            errors.append(invalid_value(f"{path}.operator", operator, _ONLY_EXISTS))
        if operator in ("In", "NotIn"):
            if not values:
                text = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
                errors.append(required(f"{path}.values", text))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                text = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
                errors.append(invalid_value(f"{path}.values", values, text))
        else:
            errors.append(invalid_value(f"{path}.operator", operator, "not a valid selector operator"))
    _conflicts({t.get("scopeName") or "" for t in terms}, path, scopes or None, errors)


def usage(limits: bool) -> Any:
    """A cell with used and allowed amounts, of limits or of all else."""

    def cell(obj: Object, now: float) -> Any:
        status = obj.get("status") or {}
        used, hard = status.get("used") or {}, status.get("hard") or {}
        names = sorted(n for n in hard if n.startswith("limits.") == limits)
        return ", ".join(f"{n}: {used.get(n, '0')}/{hard[n]}" for n in names)

    return cell


def warnings(new: Object, old: Object | None) -> list[str]:
    """Requests never exceed limits, so a larger bound on them says nothing."""
    hard, found = new["spec"].get("hard") or {}, []
    for name in ("cpu", "memory", "storage", "ephemeral-storage") if old is None else ():
        requests, limits = f"requests.{name}", f"limits.{name}"
        if requests not in hard and name in ("cpu", "memory"):
            requests = name
        if requests in hard and limits in hard and parse(hard[requests]) > parse(hard[limits]):
            shown = f"ResourceQuota {requests} ({hard[requests]}) should be less than {limits} ({hard[limits]})"
            found.append(shown)
    return found


KIND = builtin(
    "v1",
    "ResourceQuota",
    default=default,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    columns=(
        NAME,
        column(
            "Request",
            usage(limits=False),
            "Request represents a minimum amount of cpu/memory that a container may consume.",
        ),
        column(
            "Limit",
            usage(limits=True),
            "Limits control the maximum amount of cpu/memory that a container may use"
            " independent of contention on the node.",
        ),
        AGE,
    ),
    deletion_returns_object=True,
)

"""Roles and bindings: what the four kinds of RBAC share."""

from collections.abc import Callable
from typing import Any

from umiak.api.common.cells import AGE, NAME, column
from umiak.api.common.checks import Errors, check
from umiak.api.internal import shown
from umiak.api.kind import Column
from umiak.objects import names
from umiak.objects.errors import FieldError, invalid_value, not_supported, required
from umiak.objects.types import Object

GROUP = "rbac.authorization.k8s.io"


def default_binding(obj: Object) -> None:
    """Roles, users and groups belong to the RBAC group unless they say otherwise."""
    ref = obj.setdefault("roleRef", {})
    if not ref.get("apiGroup"):
        ref["apiGroup"] = GROUP
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def _role(obj: Object, now: float) -> Any:
    ref = obj.get("roleRef") or {}
    return f"{ref.get('kind') or ''}/{ref.get('name') or ''}"


def _subjects(kind: str) -> Callable[[Object, float], Any]:
    def cell(obj: Object, now: float) -> Any:
        found = [s for s in obj.get("subjects") or () if s.get("kind") == kind]
        return ", ".join(
            f"{s.get('namespace') or ''}/{s.get('name') or ''}" if kind == "ServiceAccount" else s.get("name") or ""
            for s in found
        )

    return cell


def binding_columns(kind: str, noun: str) -> tuple[Column, ...]:
    """The columns of RoleBinding and ClusterRoleBinding."""
    return (
        NAME,
        column("Role", _role, f"rbac/v1beta1:{kind}.roleRef"),
        AGE,
        column("Users", _subjects("User"), f"Users in the {noun}", wide=True),
        column("Groups", _subjects("Group"), f"Groups in the {noun}", wide=True),
        column("ServiceAccounts", _subjects("ServiceAccount"), f"ServiceAccounts in the {noun}", wide=True),
    )


def rule(value: Object, namespaced: bool, path: str, errors: Errors, late: Errors) -> None:
    """One rule of a role; `late` takes what the reference reports last."""
    if not value.get("verbs"):
        late.append(required(f"{path}.verbs"))
    urls = value.get("nonResourceURLs")
    if urls:
        where = f"{path}.nonResourceURLs"
        if namespaced:
            errors.append(invalid_value(where, urls, "namespaced rules cannot apply to non-resource URLs"))
        if value.get("apiGroups") or value.get("resources") or value.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(invalid_value(where, urls, text))
        return
    if not value.get("apiGroups"):
        errors.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not value.get("resources"):
        errors.append(required(f"{path}.resources", "resource rules must supply at least one resource"))


def rules(obj: Object, namespaced: bool) -> tuple[Errors, Errors]:
    """(faults of the rules, those that are reported last)."""
    errors: Errors = []
    late: Errors = []
    for index, value in enumerate(obj.get("rules") or ()):
        rule(value, namespaced, f"rules[{index}]", errors, late)
    return errors, late


def validate_binding(obj: Object, namespaced: bool) -> list[FieldError]:
    """RoleBinding and ClusterRoleBinding."""
    errors: Errors = []
    late: Errors = []
    last: Errors = []
    ref = obj.get("roleRef") or {}
    if ref.get("apiGroup") != GROUP:
        errors.append(not_supported("roleRef.apiGroup", ref.get("apiGroup") or "", (GROUP,)))
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if ref.get("kind") not in kinds:
        errors.append(not_supported("roleRef.kind", ref.get("kind") or "", kinds))
    if ref.get("name"):
        check(names.path_segment, ref["name"], "roleRef.name", errors)
    else:
        last.append(required("roleRef.name"))
    for index, subject in enumerate(obj.get("subjects") or ()):
        _subject(subject, namespaced, f"subjects[{index}]", errors, late)
    return errors + late + last


def _subject(subject: Object, namespaced: bool, path: str, errors: Errors, late: Errors) -> None:
    kind, name, group = subject.get("kind") or "", subject.get("name") or "", subject.get("apiGroup") or ""
    if not name:
        late.append(required(f"{path}.name"))
    if kind == "ServiceAccount":
        if name:
            check(names.dns_subdomain, name, f"{path}.name", errors)
        if group:
            errors.append(not_supported(f"{path}.apiGroup", group, ("",)))
        if not namespaced and not subject.get("namespace"):
            errors.append(required(f"{path}.namespace"))
    elif kind in ("User", "Group"):
        if group != GROUP:
            errors.append(not_supported(f"{path}.apiGroup", group, (GROUP,)))
    else:
        errors.append(not_supported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group")))


def validate_binding_update(new: Object, old: Object) -> list[FieldError]:
    """A binding is for one role for ever."""
    if new.get("roleRef") == old.get("roleRef"):
        return []
    return [invalid_value("roleRef", shown("rbac.RoleRef", new.get("roleRef")), "field is immutable")]

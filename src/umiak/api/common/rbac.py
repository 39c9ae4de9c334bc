"""Roles and bindings: what the four kinds of RBAC share."""

from collections.abc import Callable
from typing import Any

from umiak.api.common.cells import AGE, NAME, column
from umiak.api.kind import Column
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
            f"{s['namespace']}/{s.get('name') or ''}"
            if kind == "ServiceAccount" and s.get("namespace")
            else s.get("name") or ""
            for s in found
        )

    return cell


def binding_columns(kind: str, noun: str) -> tuple[Column, ...]:
    """The columns of RoleBinding and ClusterRoleBinding."""
    return (
        NAME,
        column("Role", _role, f"{kind}.roleRef"),
        AGE,
        column("Users", _subjects("User"), f"Users in the {noun}", wide=True),
        column("Groups", _subjects("Group"), f"Groups in the {noun}", wide=True),
        column("ServiceAccounts", _subjects("ServiceAccount"), f"ServiceAccounts in the {noun}", wide=True),
    )

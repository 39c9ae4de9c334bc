"""What admission policies, validating and mutating, and their bindings share."""

from collections.abc import Callable
from typing import Any

from umiak.api.common.cells import AGE, NAME, UNSET, column, reads, selector_text
from umiak.api.common.webhooks import default_scopes
from umiak.api.kind import Column
from umiak.objects.types import Object

Cell = Callable[[Object, float], Any]


def default_match_resources(match: Object | None) -> None:
    if match is None:
        return
    if match.get("matchPolicy") is None:
        match["matchPolicy"] = "Equivalent"
    for name in ("namespaceSelector", "objectSelector"):
        if match.get(name) is None:
            match[name] = {}
    default_scopes(match.get("resourceRules"))
    default_scopes(match.get("excludeResourceRules"))


def default_policy(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("failurePolicy") is None:
        spec["failurePolicy"] = "Fail"
    default_match_resources(spec.get("matchConstraints"))


def default_binding(obj: Object) -> None:
    default_match_resources(obj.setdefault("spec", {}).get("matchResources"))


def _param_kind(obj: Object, now: float) -> Any:
    kind = (obj.get("spec") or {}).get("paramKind")
    return f"{kind.get('apiVersion') or ''}/{kind.get('kind') or ''}" if kind else UNSET


def _param_ref(obj: Object, now: float) -> Any:
    ref = (obj.get("spec") or {}).get("paramRef")
    if not ref:
        return UNSET
    if ref.get("name"):
        return f"{ref.get('namespace') or '*'}/{ref['name']}"
    return selector_text(ref["selector"]) if ref.get("selector") is not None else UNSET


def policy_columns(name: str, cell: Cell, description: str) -> tuple[Column, ...]:
    """The columns of a policy; the second counts its rules."""
    return (
        NAME,
        column(name, cell, description, type="integer"),
        column("ParamKind", _param_kind, "ParamKind specifies the kind of resources used to parameterize this policy"),
        AGE,
    )


BINDING_COLUMNS = (
    NAME,
    column(
        "PolicyName",
        reads("spec", "policyName"),
        "PolicyName indicates the policy definition which the policy binding binded to",
    ),
    column("ParamRef", _param_ref, "ParamRef indicates the param resource which sets the configuration param"),
    AGE,
)

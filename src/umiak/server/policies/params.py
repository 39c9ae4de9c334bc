"""The parameters a binding gives its policy: none, one object by its name, or all that a selector selects.

Source: apiserver's `CollectParams` in `pkg/admission/plugin/policy/generic/policy_dispatcher.go`.
"""

from umiak.api.common.checks import selector_matches
from umiak.api.kind import Kind
from umiak.objects.types import Object
from umiak.server.contract import Objects


class Misconfigured(Exception):
    """A policy or binding cannot be used as it is; the text says why."""


def kind_text(param_kind: Object) -> str:
    """As the reference prints a group, version and kind."""
    group, _, version = (param_kind.get("apiVersion") or "").rpartition("/")
    return f"{group}/{version}, Kind={param_kind.get('kind') or ''}"


async def collected(objects: Objects, kind: Kind | None, ref: Object | None, namespace: str) -> list[Object | None]:
    """One entry for each time the policy is to be evaluated. `kind` is what the policy takes as parameters, if any;
    `namespace` that of the request. Raises Misconfigured."""
    if kind is None or not ref:
        return [None]
    where = _namespace(kind, ref, namespace)
    found: list[Object | None]
    if ref.get("name"):
        one = await objects.find(kind, where, ref["name"])
        found = [] if one is None else [one]
    else:
        candidates = await objects.list(kind, where)
        found = [c for c in candidates if selector_matches(ref.get("selector"), c["metadata"].get("labels") or {})]
    if not found and ref.get("parameterNotFoundAction") == "Deny":
        raise Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
    return found


def _namespace(kind: Kind, ref: Object, namespace: str) -> str:
    """Where the parameters are; empty for those of the cluster."""
    if not kind.namespaced:
        if ref.get("namespace"):
            raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    where: str = ref.get("namespace") or namespace
    if not where:
        raise Misconfigured("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    return where

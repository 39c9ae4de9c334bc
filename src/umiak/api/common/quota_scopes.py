"""Which objects a ResourceQuota is about: its scopes, that hold for pods and for claims.

Source: `MatchingScopes` of the evaluators of k8s.io/kubernetes/pkg/quota/v1.
"""

from collections.abc import Collection

from umiak.objects import quantity
from umiak.objects.types import Object


def scopes_of(quota: Object) -> list[Object]:
    """All its scopes in the longer form: scopeName, operator, values."""
    spec = quota.get("spec") or {}
    plain = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or ()]
    return [*plain, *((spec.get("scopeSelector") or {}).get("matchExpressions") or ())]


def matches(quota: Object, group: str, plural: str, obj: Object) -> bool:
    """Whether the object is in all scopes of the quota."""
    return all(in_scope(scope, group, plural, obj) for scope in scopes_of(quota))


def in_scope(scope: Object, group: str, plural: str, obj: Object) -> bool:
    """Objects of kinds that know no scopes are in none."""
    if group:
        return False
    if plural == "persistentvolumeclaims":
        return scope["scopeName"] == "VolumeAttributesClass" and _selects(scope, attributes_classes(obj))
    return plural == "pods" and _has_pod(scope, obj)


def _has_pod(scope: Object, pod: Object) -> bool:
    spec, name = pod.get("spec") or {}, scope["scopeName"]
    if name in ("Terminating", "NotTerminating"):
        return (spec.get("activeDeadlineSeconds") is not None) == (name == "Terminating")
    if name in ("BestEffort", "NotBestEffort"):
        return is_best_effort(pod) == (name == "BestEffort")
    if name == "CrossNamespacePodAffinity":
        return _looks_abroad(spec.get("affinity") or {})
    return name == "PriorityClass" and _selects(scope, list(filter(None, [spec.get("priorityClassName")])))


def _selects(scope: Object, classes: Collection[str]) -> bool:
    """Whether one of the object's classes is meant; one without any is meant by what is not to be there."""
    values = set(scope.get("values") or ())
    outcomes = {
        "Exists": bool(classes),
        "DoesNotExist": not classes,
        "In": not values.isdisjoint(classes),
        "NotIn": not classes or any(one not in values for one in classes),
    }
    return outcomes.get(scope.get("operator", ""), False)


def attributes_classes(claim: Object) -> set[str]:
    """The classes that a claim wants, has, or is about to get."""
    status = claim.get("status") or {}
    found = {
        (claim.get("spec") or {}).get("volumeAttributesClassName"),
        status.get("currentVolumeAttributesClassName"),
        (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName"),
    }
    return {name for name in found if name}


def is_best_effort(pod: Object) -> bool:
    """Whether nothing of cpu and memory is asked for or limited anywhere."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    if status.get("qosClass"):
        return bool(status["qosClass"] == "BestEffort")
    holders = [spec, *(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    lists = [(holder.get("resources") or {}).get(which) or {} for holder in holders for which in ("requests", "limits")]
    return not any(quantity.parse(amounts[n]) for amounts in lists for n in ("cpu", "memory") if n in amounts)


def _looks_abroad(affinity: Object) -> bool:
    terms: list[Object] = []
    for side in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(side) or {}
        terms += rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [t["podAffinityTerm"] for t in rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()]
    return any(t.get("namespaces") or t.get("namespaceSelector") is not None for t in terms)

"""Whether a node suits a pod template: node selector, required node affinity, taints."""

from collections.abc import Iterable

from umiak.objects import meta
from umiak.objects.types import Object

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
DISK_PRESSURE = "node.kubernetes.io/disk-pressure"
MEMORY_PRESSURE = "node.kubernetes.io/memory-pressure"
PID_PRESSURE = "node.kubernetes.io/pid-pressure"
NETWORK_UNAVAILABLE = "node.kubernetes.io/network-unavailable"


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.removeprefix("-").isdecimal() else None


def _meets(requirement: Object, value: str | None) -> bool:
    """One requirement of a node selector term; `value` is None when the node lacks the key."""
    wanted = requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator if len(wanted) == 1:
            have, limit = _number(value), _number(wanted[0])
            if have is None or limit is None:
                return False
            return have > limit if operator == "Gt" else have < limit
    return False


def _matches_term(term: Object, node: Object) -> bool:
    """All of a term's requirements; a term without any matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    labels, name = meta.labels(node), meta.name(node)
    known = all(r["key"] == "metadata.name" and _meets(r, name) for r in fields)
    return known and all(_meets(r, labels.get(r["key"])) for r in expressions)


def fits_affinity(pod_spec: Object, node: Object) -> bool:
    """spec.nodeSelector and the required node affinity."""
    labels = meta.labels(node)
    if any(labels.get(k) != v for k, v in (pod_spec.get("nodeSelector") or {}).items()):
        return False
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_matches_term(t, node) for t in required.get("nodeSelectorTerms") or ())


def tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    return operator == "Equal" and (toleration.get("value") or "") == (taint.get("value") or "")


def tolerates_all(tolerations: Iterable[Object], node: Object, effects: Iterable[str]) -> bool:
    """Whether each taint of the node with one of the effects is tolerated."""
    tolerations = list(tolerations)
    taints = [t for t in node["spec"].get("taints") or () if t.get("effect") in set(effects)]
    return all(any(tolerates(t, taint) for t in tolerations) for taint in taints)

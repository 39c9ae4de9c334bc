"""What an update of a pod may change: images, the deadline, tolerations that are added, gates that fall.

Source: `ValidatePodUpdate` in `pkg/apis/core/validation/validation.go`.
"""

from umiak.api.common.checks import Errors
from umiak.api.internal import difference, shown
from umiak.objects.errors import FieldError, field_forbidden, invalid_value
from umiak.objects.types import Object

_UPDATABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)
OTHER_CHANGE = f"pod updates may not change fields other than {','.join(_UPDATABLE)}\n"
_DEADLINE = 2**31 - 1
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PROFILE = "container.apparmor.security.beta.kubernetes.io/"
_MIRROR = "kubernetes.io/config.mirror"
_FREE = ("activeDeadlineSeconds", "tolerations", "schedulingGates")


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: Errors = []
    _annotations(new["metadata"].get("annotations") or {}, old["metadata"].get("annotations") or {}, errors)
    spec, before = new["spec"], old["spec"]
    for kind in ("containers", "initContainers"):
        if len(spec.get(kind) or ()) != len(before.get(kind) or ()):
            return [field_forbidden(f"spec.{kind}", "pod updates may not add or remove containers")]
    if not _deadline(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"), errors):
        return errors
    _tolerations(spec.get("tolerations") or [], before.get("tolerations") or [], errors)
    _gates(spec.get("schedulingGates") or [], before.get("schedulingGates") or [], errors)
    if spec == before:
        return errors
    rest = _rest(spec, before, errors)
    if shown("core.PodSpec", rest) != shown("core.PodSpec", before):
        errors.append(field_forbidden("spec", OTHER_CHANGE + difference("core.PodSpec", before, rest)))
    return errors


def _annotations(new: Object, old: Object, errors: Errors) -> None:
    for text, names in (("remove or update", old), ("add", {name for name in new if name not in old})):
        for name in sorted(names):
            if name in old and new.get(name) == old[name]:
                continue
            if name.startswith(_PROFILE):
                errors.append(field_forbidden(f"metadata.annotations[{name}]", f"may not {text} AppArmor annotations"))
            if name == _MIRROR:
                errors.append(field_forbidden(f"metadata.annotations[{name}]", f"may not {text} mirror pod annotation"))


def _deadline(new: int | None, old: int | None, errors: Errors) -> bool:
    """Whether there is sense in looking further; a deadline can only come nearer."""
    path = "spec.activeDeadlineSeconds"
    if new is None:
        if old is not None:
            errors.append(invalid_value(path, None, "must not update from a positive integer to nil value"))
        return True
    if not 0 <= new <= _DEADLINE:
        errors.append(invalid_value(path, new, f"must be between 0 and {_DEADLINE}, inclusive"))
        return False
    if old is not None and old < new:
        errors.append(invalid_value(path, new, "must be less than or equal to previous value"))
        return False
    return True


def _tolerations(new: list[Object], old: list[Object], errors: Errors) -> None:
    def fixed(toleration: Object) -> Object:
        return {k: v for k, v in toleration.items() if k != "tolerationSeconds"}

    kept = [fixed(t) for t in new]
    if any(fixed(t) not in kept for t in old):
        text = "existing toleration can not be modified except its tolerationSeconds"
        errors.append(field_forbidden("spec.tolerations", text))


def _gates(new: list[Object], old: list[Object], errors: Errors) -> None:
    known = {gate.get("name") for gate in old}
    for index, gate in enumerate(new):
        if gate.get("name") not in known:
            text = f"only deletion is allowed, but found new scheduling gate '{gate.get('name') or ''}'"
            errors.append(field_forbidden(f"spec.schedulingGates[{index}].name", text))


def _rest(spec: Object, before: Object, errors: Errors) -> Object:
    """The new spec with what may change as it was. While it is gated, a pod may be told to fewer nodes (KEP 3838)."""
    rest = {**spec, **{name: before.get(name) for name in _FREE}}
    if (before.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        rest["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    for kind in ("containers", "initContainers"):
        pairs = zip(spec.get(kind) or (), before.get(kind) or (), strict=True)
        rest[kind] = [{**container, "image": own.get("image")} for container, own in pairs] or None
    if before.get("schedulingGates"):
        _fewer_nodes(rest, before, errors)
    return rest


def _fewer_nodes(rest: Object, before: Object, errors: Errors) -> None:
    """Checks the node selector and the node affinity, and makes them what they were."""
    wanted, had = rest.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    if any(wanted.get(key) != value for key, value in had.items()):
        text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(invalid_value("spec.nodeSelector", shown("{}string", wanted or None), text))
    rest["nodeSelector"] = before.get("nodeSelector")
    affinity = rest.get("affinity")
    now, then = (affinity or {}).get("nodeAffinity"), (before.get("affinity") or {}).get("nodeAffinity")
    if now == then:
        return
    _fewer_terms(now or {}, then or {}, errors)
    if affinity is None:
        rest["affinity"] = {"nodeAffinity": then}
    elif before.get("affinity") is None and not (affinity.get("podAffinity") or affinity.get("podAntiAffinity")):
        rest["affinity"] = None
    else:
        rest["affinity"] = {**affinity, "nodeAffinity": then}


def _fewer_terms(now: Object, then: Object, errors: Errors) -> None:
    terms, had = ((found.get(_REQUIRED) or {}).get("nodeSelectorTerms") or [] for found in (now, then))
    path = f"spec.affinity.nodeAffinity.{_REQUIRED}.nodeSelectorTerms"
    if had and len(had) != len(terms):
        text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        errors.append(invalid_value(path, shown("[]core.NodeSelectorTerm", terms or None), text))
        return
    for index, (term, own) in enumerate(zip(terms, had, strict=False)):
        if not _has_only_additions(term, own):
            text = "only additions are allowed (no mutations or deletions)"
            errors.append(invalid_value(f"{path}[{index}]", shown("core.NodeSelectorTerm", term), text))


def _has_only_additions(term: Object, own: Object) -> bool:
    lists = [(term.get(name) or [], own.get(name) or []) for name in ("matchExpressions", "matchFields")]
    if not any(had for _, had in lists):
        return not any(now for now, _ in lists)
    return all(now[: len(had)] == had for now, had in lists)

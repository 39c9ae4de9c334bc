"""What an update of a pod may change: images, the deadline, tolerations that are added, gates that fall.

Source: `ValidatePodUpdate` in `pkg/apis/core/validation/validation.go`. The reference ends the text on other changes
with a difference of its internal structs, which this one leaves out.
"""

from typing import Any

from umiak.api.common.checks import Errors
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
_FREE = frozenset({"containers", "initContainers", "activeDeadlineSeconds", "tolerations", "schedulingGates"})


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: Errors = []
    spec, before = new["spec"], old["spec"]
    for kind in ("containers", "initContainers"):
        if len(spec.get(kind) or ()) != len(before.get(kind) or ()):
            return [field_forbidden(f"spec.{kind}", "pod updates may not add or remove containers")]
    if not _deadline(spec.get("activeDeadlineSeconds"), before.get("activeDeadlineSeconds"), errors):
        return errors
    _tolerations(spec.get("tolerations") or [], before.get("tolerations") or [], errors)
    _gates(spec.get("schedulingGates") or [], before.get("schedulingGates") or [], errors)
    if spec != before and _rest(spec, before) != _rest(before, before):
        errors.append(field_forbidden("spec", OTHER_CHANGE))
    return errors


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


def _rest(spec: Object, before: Object) -> Any:
    """All that must stay. While it is gated, a pod may still be told to fewer nodes (KEP 3838)."""
    rest = {name: value for name, value in spec.items() if name not in _FREE}
    if (before.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        rest["terminationGracePeriodSeconds"] = before["terminationGracePeriodSeconds"]
    if before.get("schedulingGates"):
        rest.pop("nodeSelector", None)
        affinity = {k: v for k, v in (rest.pop("affinity", None) or {}).items() if k != "nodeAffinity"}
        rest |= {"affinity": affinity} if affinity else {}
    for kind in ("containers", "initContainers"):
        rest[kind] = [{k: v for k, v in c.items() if k != "image"} for c in spec.get(kind) or ()]
    return rest


def validate_status(new: Object, old: Object) -> list[FieldError]:
    errors: Errors = []
    status, before = new.get("status") or {}, old.get("status") or {}
    if status.get("qosClass") != before.get("qosClass"):
        errors.append(invalid_value("status.qosClass", status.get("qosClass") or "", "field is immutable"))
    nominated = status.get("nominatedNodeName") or ""
    if old["spec"].get("nodeName") and nominated and nominated != (before.get("nominatedNodeName") or ""):
        text = "may not be set on pods that are already bound to a node"
        errors.append(field_forbidden("status.nominatedNodeName", text))
    if (status.get("observedGeneration") or 0) < 0:
        path = "status.observedGeneration"
        errors.append(invalid_value(path, status["observedGeneration"], "must be a non-negative integer"))
    _ended_stays_ended(status, before, old["spec"].get("restartPolicy") or "Always", errors)
    return errors


def _ended_stays_ended(status: Object, before: Object, policy: str, errors: Errors) -> None:
    """A container that ended and is not to be restarted cannot run again."""
    if policy == "Always":
        return
    now = {c.get("name"): c for c in status.get("containerStatuses") or ()}
    for index, container in enumerate(before.get("containerStatuses") or ()):
        ended = (container.get("state") or {}).get("terminated")
        later = now.get(container.get("name"))
        if ended is None or later is None or (policy == "OnFailure" and ended.get("exitCode")):
            continue
        if (later.get("state") or {}).get("terminated") is None:
            text = "may not be transitioned to non-terminated state"
            errors.append(field_forbidden(f"status.containerStatuses[{index}].state", text))

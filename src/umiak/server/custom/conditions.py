"""What a definition's status says: which names it got, whether it is served, and whether its group may have it.

Pure: from definitions to definitions. The steps are those of apiextensions' naming, establishing and API approval
controllers, which here are one.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from umiak.api.apiextensions._approval import approval, is_protected
from umiak.objects.go_text import quoted
from umiak.objects.meta import format_time
from umiak.objects.types import Object

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
NAMES = ("plural", "singular", "shortNames", "kind", "listKind")


def condition(definition: Object, type: str) -> Object | None:
    found = (definition.get("status") or {}).get("conditions") or ()
    return next((c for c in found if c["type"] == type), None)


def is_true(definition: Object, type: str) -> bool:
    found = condition(definition, type)
    return found is not None and found["status"] == "True"


def set_condition(definition: Object, type: str, status: str, reason: str, message: str, now: datetime) -> None:
    """The time of the last transition moves with the status only."""
    found = condition(definition, type)
    if found is None:
        found = {"type": type, "status": "", "lastTransitionTime": None}
        conditions = definition.setdefault("status", {}).get("conditions") or []
        definition["status"]["conditions"] = [*conditions, found]
    if found["status"] != status or not found.get("lastTransitionTime"):
        found["lastTransitionTime"] = format_time(now)
    found.update(status=status, reason=reason, message=message)


def accepted(definition: Object) -> Object:
    found: Object = (definition.get("status") or {}).get("acceptedNames") or {}
    return found


def taken(others: Iterable[Object]) -> tuple[set[str], set[str]]:
    """(resources, kinds) that other definitions of the group have got."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        names = accepted(other)
        resources |= {names.get("plural") or "", names.get("singular") or "", *(names.get("shortNames") or ())}
        kinds |= {names.get("kind") or "", names.get("listKind") or ""}
    return resources - {""}, kinds - {""}


def settle(definition: Object, others: Iterable[Object], now: datetime) -> None:
    """Brings the status up to date, in place; `others` are the group's other definitions."""
    spec, status = definition["spec"], definition.setdefault("status", {})
    if is_protected(spec["group"]):
        _approve(definition, now)
    if spec["names"] != accepted(definition) or condition(definition, "NamesAccepted") is None:
        names, reason, message = _granted(spec["names"], accepted(definition), *taken(others))
        status["acceptedNames"] = names
        set_condition(definition, "NamesAccepted", "False" if reason else "True", *_told(reason, message), now)
    if is_true(definition, "NamesAccepted"):
        if not is_true(definition, "Established"):
            why = "InitialNamesAccepted", "the initial names have been accepted"
            set_condition(definition, "Established", "True", *why, now)
    elif condition(definition, "Established") is None:
        set_condition(definition, "Established", "False", "NotAccepted", "not all names are accepted", now)


def _told(reason: str, message: str) -> tuple[str, str]:
    return (reason, message) if reason else ("NoConflicts", "no conflicts found")


def _granted(wanted: Object, current: Object, resources: set[str], kinds: set[str]) -> tuple[Object, str, str]:
    """(accepted names, reason and text of the last conflict)."""
    names: Object = {"plural": "", "kind": "", **current}
    reason = message = ""
    for field in NAMES:
        conflicts = _conflicts(field, wanted, current, kinds if field in ("kind", "listKind") else resources)
        if conflicts:
            reason, message = f"{field[0].upper()}{field[1:]}Conflict", _aggregate(conflicts)
        elif wanted.get(field):
            names[field] = wanted[field]
        else:
            names.pop(field, None)
    names.pop("categories", None)
    if wanted.get("categories"):
        names["categories"] = wanted["categories"]
    return names, reason, message


def _conflicts(field: str, wanted: Object, current: Object, used: set[str]) -> list[str]:
    def each(value: Any) -> list[str]:
        return list(value or ()) if field == "shortNames" else [value] if value else []

    ours = set(each(current.get(field)))
    clashing = (name for name in each(wanted.get(field)) if name not in ours and name in used)
    return [f"{quoted(name)} is already in use" for name in clashing]


def _aggregate(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"


def _approve(definition: Object, now: datetime) -> None:
    state, text = approval(definition["metadata"].get("annotations") or {})
    status = "True" if state == "Approved" else "False"
    set_condition(definition, "KubernetesAPIApprovalPolicyConformant", status, f"{state}Annotation", text, now)


# How a definition ends


def begin_end(definition: Object, now: datetime) -> bool:
    """Marks the definition at its first deletion, and answers whether it did; its objects go before it."""
    about = definition["metadata"]
    if about.get("deletionTimestamp"):
        return False
    about["deletionTimestamp"] = format_time(now)
    if FINALIZER not in (about.get("finalizers") or ()):
        about["finalizers"] = [*(about.get("finalizers") or ()), FINALIZER]
    text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    set_condition(definition, "Terminating", "True", "InstanceDeletionPending", text, now)
    return True


def is_ending(definition: Object) -> bool:
    about = definition["metadata"]
    return bool(about.get("deletionTimestamp")) and FINALIZER in (about.get("finalizers") or ())


def going_on(definition: Object, now: datetime) -> None:
    why = "InstanceDeletionInProgress", "CustomResource deletion is in progress"
    set_condition(definition, "Terminating", "True", *why, now)


def ended(definition: Object, now: datetime) -> None:
    """All objects are gone; the definition may go too."""
    why = "NeverEstablished", "resource was never established"
    if is_true(definition, "Established"):
        why = "InstanceDeletionCompleted", "removed all instances"
    set_condition(definition, "Terminating", "False", *why, now)
    about = definition["metadata"]
    about["finalizers"] = [name for name in about.get("finalizers") or () if name != FINALIZER]
    if not about["finalizers"]:
        del about["finalizers"]

"""Namespace: a scope for names."""

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.common.checks import check
from umiak.api.common.metadata import STANDARD_FINALIZERS, label, label_key
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value
from umiak.objects.types import Object

UNQUALIFIED = "name is neither a standard finalizer name nor is it fully qualified"
NAME_LABEL = "kubernetes.io/metadata.name"


def default(obj: Object) -> None:
    """Every namespace carries its name as a label, so that selectors can pick it."""
    metadata = obj.setdefault("metadata", {})
    if metadata.get("name"):
        metadata["labels"] = {**(metadata.get("labels") or {}), NAME_LABEL: metadata["name"]}
    obj.setdefault("spec", {})
    status = obj.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Active"


def prepare_create(obj: Object) -> None:
    obj["status"] = {"phase": "Active"}
    finalizers = obj["spec"].get("finalizers") or []
    if "kubernetes" not in finalizers:
        obj["spec"]["finalizers"] = [*finalizers, "kubernetes"]


def prepare_update(new: Object, old: Object) -> None:
    """Finalizers of the spec change through the finalize subresource only."""
    keep_status(new, old)
    finalizers = (old.get("spec") or {}).get("finalizers")
    if finalizers is None:
        new["spec"].pop("finalizers", None)
    else:
        new["spec"]["finalizers"] = finalizers


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in (obj.get("spec") or {}).get("finalizers") or ():
        check(label_key, name, "spec.finalizers", errors)
        if "/" not in name and name not in STANDARD_FINALIZERS:
            errors.append(invalid_value("spec.finalizers", name, UNQUALIFIED))
    return errors


def phase(obj: Object) -> str:
    return (obj.get("status") or {}).get("phase") or ""


KIND = builtin(
    "v1",
    "Namespace",
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=only_status,
    validate=validate,
    validate_name=label,
    columns=(NAME, column("Status", reads("status", "phase"), "The status of the namespace"), AGE),
    selectable={"status.phase": phase},
    deletion_returns_object=True,
)

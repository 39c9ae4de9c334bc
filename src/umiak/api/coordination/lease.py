"""Lease: who holds a role, and since when."""

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, required
from umiak.objects.types import Object

_GATED = ("strategy", "preferredHolder")
"""Of coordinated leader election (KEP 4355), which is off unless a cluster asks for it."""


def prepare_create(obj: Object) -> None:
    for name in _GATED:
        (obj.get("spec") or {}).pop(name, None)


def prepare_update(new: Object, old: Object) -> None:
    for name in _GATED:
        if (old.get("spec") or {}).get(name) is None:
            (new.get("spec") or {}).pop(name, None)


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj.get("spec") or {}
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        errors.append(invalid_value("spec.leaseDurationSeconds", seconds, "must be greater than 0"))
    if transitions is not None and transitions < 0:
        errors.append(invalid_value("spec.leaseTransitions", transitions, "must be greater than or equal to 0"))
    if spec.get("strategy") == "":
        errors.append(required("spec.strategy"))
    if spec.get("preferredHolder") and not spec.get("strategy"):
        errors.append(field_forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined"))
    return errors


KIND = builtin(
    "coordination.k8s.io/v1",
    "Lease",
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    free=("holderIdentity",),
    columns=(NAME, column("Holder", reads("spec", "holderIdentity"), "LeaseSpec.holderIdentity"), AGE),
    creates_on_update=True,
    updates_unconditionally=False,
)

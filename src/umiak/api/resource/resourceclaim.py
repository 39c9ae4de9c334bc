"""ResourceClaim: a wish for devices."""

from typing import Any

from umiak.api.common import switched_off
from umiak.api.common.cells import AGE, NAME, column
from umiak.api.common.checks import declared_immutable
from umiak.api.common.device_requests import claim_spec, default_claim_spec, default_tolerations
from umiak.api.common.strategy import keep_status, nothing_but_status, reset_status
from umiak.api.registry import builtin
from umiak.api.resource._claim_status import validate_status
from umiak.objects.errors import FieldError
from umiak.objects.types import Object


def default(obj: Object) -> None:
    default_claim_spec(obj.setdefault("spec", {}))
    allocation = (obj.get("status") or {}).get("allocation") or {}
    for result in (allocation.get("devices") or {}).get("results") or ():
        default_tolerations(result)


def validate(obj: Object) -> list[FieldError]:
    return claim_spec(obj["spec"], "spec")


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    declared_immutable(new.get("spec"), old.get("spec"), "spec", errors)
    return errors


def state(obj: Object, now: float) -> Any:
    status = obj.get("status") or {}
    words = ["deleted"] if obj["metadata"].get("deletionTimestamp") else []
    if status.get("allocation") is not None:
        words += ["allocated", "reserved"] if status.get("reservedFor") else ["allocated"]
    elif not words:
        words = ["pending"]
    return ",".join(words)


KIND = builtin(
    "resource.k8s.io/v1",
    "ResourceClaim",
    drop=lambda obj: switched_off.of_device_requests(obj["spec"]),
    default=default,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=nothing_but_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    judges_updates_alone=True,
    columns=(
        NAME,
        column("State", state, "A summary of the current state (allocated, pending, reserved, etc.)."),
        AGE,
    ),
    deletion_returns_object=True,
)

"""StorageVersionMigration: rewrites stored objects in the current version."""

from typing import Any

from umiak.api.common.cells import NAME, column
from umiak.api.common.checks import check, immutable
from umiak.api.common.strategy import keep_status, nothing_but_status, reset_status
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, required
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    found, path = (obj.get("spec") or {}).get("resource") or {}, "spec.resource"
    if not found.get("resource"):
        errors.append(required(f"{path}.resource", "resource is required to be set"))
    else:
        check(names.dns_1035_label, found["resource"], f"{path}.resource", errors)
    if found.get("group"):
        check(names.dns_subdomain, found["group"], f"{path}.group", errors)
    return errors


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    form = "storagemigration.StorageVersionMigrationSpec"
    immutable(new.get("spec"), old.get("spec"), "spec", errors, form)
    return errors


def resource(obj: Object, now: float) -> Any:
    found = (obj.get("spec") or {}).get("resource") or {}
    group = f".{found['group']}" if found.get("group") else ""
    return f"{found.get('resource') or ''}{group}"


def state(obj: Object, now: float) -> Any:
    """The last of its true conditions."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    true = [c.get("type") for c in conditions if c.get("status") == "True"]
    return next((t for t in reversed(true) if t in ("Running", "Failed", "Succeeded")), "Unknown")


KIND = builtin(
    "storagemigration.k8s.io/v1",
    "StorageVersionMigration",
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=nothing_but_status,
    validate=validate,
    validate_update=validate_update,
    columns=(
        column("Name", NAME.cell, NAME.description),
        column("Resource", resource, "GroupResource to migrate"),
        column("Status", state, "Status of the migration"),
    ),
    updates_unconditionally=False,
)

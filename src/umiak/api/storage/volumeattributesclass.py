"""VolumeAttributesClass: settings of a volume that may change while it is used."""

from umiak.api.common.cells import AGE, NAME, column, reads
from umiak.api.common.checks import check, immutable
from umiak.api.common.metadata import label_key
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, required
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    if not obj.get("driverName"):
        errors.append(required("driverName"))
    else:
        check(label_key, obj["driverName"].lower(), "driverName", errors)
    if not obj.get("parameters"):
        errors.append(required("parameters", "must contain at least one key/value pair"))
    return errors


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    for field in ("driverName", "parameters"):
        immutable(new.get(field), old.get(field), field, errors)
    return errors


KIND = builtin(
    "storage.k8s.io/v1",
    "VolumeAttributesClass",
    validate=validate,
    validate_update=validate_update,
    columns=(NAME, column("DriverName", reads("driverName"), "VolumeAttributesClass.driverName"), AGE),
    deletion_returns_object=True,
)

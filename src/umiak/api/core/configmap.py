"""ConfigMap: configuration as key and text."""

from umiak.api.common.cells import AGE, NAME, column
from umiak.api.common.checks import check, config_key_faults
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, too_long
from umiak.objects.types import Object


def entries(obj: Object, now: float) -> int:
    return len(obj.get("data") or ()) + len(obj.get("binaryData") or ())


MAX_SIZE = 1024 * 1024


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    size = 0
    for key in sorted(data):
        check(config_key_faults, key, f"data[{key}]", errors)
        if key in binary:
            errors.append(invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData"))
        size += len((data[key] or "").encode())
    for key in sorted(binary):
        check(config_key_faults, key, f"binaryData[{key}]", errors)
        text = binary[key] or ""
        size += len(text) * 3 // 4 - text.count("=")
    if size > MAX_SIZE:
        errors.append(too_long("", MAX_SIZE))
    return errors


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """An immutable one stays as it is, and immutable."""
    errors: list[FieldError] = []
    if old.get("immutable"):
        if not new.get("immutable"):
            errors.append(field_forbidden("immutable", "field is immutable when `immutable` is set"))
        for field in ("data", "binaryData"):
            if new.get(field) != old.get(field):
                errors.append(field_forbidden(field, "field is immutable when `immutable` is set"))
    return errors


KIND = builtin(
    "v1",
    "ConfigMap",
    validate=validate,
    validate_update=validate_update,
    free=("labels.*", "data.*"),
    columns=(NAME, column("Data", entries, "ConfigMap.data"), AGE),
)

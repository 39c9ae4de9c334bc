"""ControllerRevision: one remembered version of a workload's template."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, column, number
from umiak.api.common.checks import immutable, nonnegative
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, required
from umiak.objects.meta import controller_of
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    missing = [required("data", "data is mandatory")] if obj.get("data") is None else []
    return [*_given(obj), *missing]


def _given(obj: Object) -> list[FieldError]:
    """Faults of what there is."""
    errors: list[FieldError] = []
    nonnegative(obj, "revision", "", errors)
    errors = [FieldError(e.type, e.path.removeprefix("."), e.message) for e in errors]
    if not isinstance(obj.get("data"), dict | None):
        errors.append(required("data", "data must be a valid JSON object"))
    return errors


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors = _given(new)
    immutable(new.get("data"), old.get("data"), "data", errors)
    return errors


def controller(obj: Object, now: float) -> Any:
    owner = controller_of(obj)
    if owner is None:
        return NONE
    group, slash, _ = owner["apiVersion"].partition("/")
    kind = f"{owner['kind']}.{group}" if slash else owner["kind"]
    return f"{kind.lower()}/{owner['name']}"


KIND = builtin(
    "apps/v1",
    "ControllerRevision",
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(
        NAME,
        column("Controller", controller, "Controller of the object"),
        column("Revision", number("revision"), "ControllerRevision.revision"),
        AGE,
    ),
)

"""ControllerRevision: one remembered version of a workload's template."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, column, number
from umiak.api.common.checks import immutable, nonnegative
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, required
from umiak.objects.meta import controller_of
from umiak.objects.types import Object


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    nonnegative(obj, "revision", "", errors)
    errors = [FieldError(e.type, e.path.removeprefix("."), e.message) for e in errors]
    data = obj.get("data")
    if data is None:
        errors.append(required("data", "data is mandatory"))
    elif not isinstance(data, dict):
        errors.append(required("data", "data must be a valid JSON object"))
    return errors


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
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
    columns=(
        NAME,
        column("Controller", controller, "Controller of the object"),
        column("Revision", number("revision"), "ControllerRevision.revision"),
        AGE,
    ),
)

"""ControllerRevision: one remembered version of a workload's template."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, column, number
from umiak.api.registry import builtin
from umiak.objects.meta import controller_of
from umiak.objects.types import Object


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
    columns=(
        NAME,
        column("Controller", controller, "Controller of the object"),
        column("Revision", number("revision"), "ControllerRevision.revision"),
        AGE,
    ),
)

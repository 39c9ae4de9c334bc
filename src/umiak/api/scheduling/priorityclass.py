"""PriorityClass: which pods go first."""

from umiak.api.common.cells import AGE, NAME, column, number, reads
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    if obj.get("preemptionPolicy") is None:
        obj["preemptionPolicy"] = "PreemptLowerPriority"


KIND = builtin(
    "scheduling.k8s.io/v1",
    "PriorityClass",
    default=default,
    columns=(
        NAME,
        column("Value", number("value"), "PriorityClass.value", type="integer"),
        column(
            "Global-Default", reads("globalDefault", otherwise=False), "PriorityClass.globalDefault", type="boolean"
        ),
        AGE,
        column("PreemptionPolicy", reads("preemptionPolicy"), "PriorityClass.preemptionPolicy"),
    ),
    counts_generation=True,
)

"""PodDisruptionBudget: how many pods of a group may be missing at once."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, column, number
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.registry import builtin
from umiak.objects.types import Object


def prepare_create(obj: Object) -> None:
    counters = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    obj["status"] = dict.fromkeys(counters, 0)


def bound(field: str) -> Any:
    """A cell with a number or percentage, N/A when it is not set."""

    def cell(obj: Object, now: float) -> Any:
        value = (obj.get("spec") or {}).get(field)
        return "N/A" if value is None else str(value)

    return cell


KIND = builtin(
    "policy/v1",
    "PodDisruptionBudget",
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    columns=(
        NAME,
        column("Min Available", bound("minAvailable"), "The minimum number of pods that must be available."),
        column("Max Unavailable", bound("maxUnavailable"), "The maximum number of pods that may be unavailable."),
        column(
            "Allowed Disruptions",
            number("status", "disruptionsAllowed"),
            "Calculated number of pods that may be disrupted at this time.",
            type="integer",
        ),
        AGE,
    ),
    counts_generation=True,
    updates_unconditionally=False,
)

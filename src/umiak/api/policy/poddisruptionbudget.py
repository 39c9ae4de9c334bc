"""PodDisruptionBudget: how many pods of a group may be missing at once."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, column, number
from umiak.api.common.checks import at_most_everything, label_selector, number_or_percent, one_of
from umiak.api.common.metadata import path_segment
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.internal import shown
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value
from umiak.objects.types import Object


def prepare_create(obj: Object) -> None:
    counters = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
    obj["status"] = dict.fromkeys(counters, 0)


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        printed = shown("policy.PodDisruptionBudgetSpec", spec)
        errors.append(invalid_value("spec", printed, "minAvailable and maxUnavailable cannot be both set"))
    for name, value in (("minAvailable", least), ("maxUnavailable", most)):
        if value is not None:
            number_or_percent(value, f"spec.{name}", errors)
            at_most_everything(value, f"spec.{name}", errors)
    label_selector(spec.get("selector"), "spec.selector", errors)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None:
        one_of(policy, ("AlwaysAllow", "IfHealthyBudget"), "spec.unhealthyPodEvictionPolicy", errors)
    return errors


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
    validate=validate,
    validate_name=path_segment,
    checks_metadata=True,
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

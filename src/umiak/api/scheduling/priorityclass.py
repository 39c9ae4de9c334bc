"""PriorityClass: which pods go first."""

from umiak.api.common.cells import AGE, NAME, column, number, reads
from umiak.api.common.checks import filled_one_of, immutable
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, field_forbidden
from umiak.objects.types import Object


def default(obj: Object) -> None:
    if obj.get("preemptionPolicy") is None:
        obj["preemptionPolicy"] = "PreemptLowerPriority"


HIGHEST = 1_000_000_000
SYSTEM_CLASSES = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    name, value = (obj.get("metadata") or {}).get("name") or "", obj.get("value") or 0
    if name.startswith("system-"):
        if SYSTEM_CLASSES.get(name) != value:
            text = "priority class names with 'system-' prefix are reserved for system use only. error: "
            errors.append(field_forbidden("metadata.name", f"{text}{name} is not a known system priority class"))
    elif value > HIGHEST:
        text = f"maximum allowed value of a user defined priority is {HIGHEST}"
        errors.append(field_forbidden("value", text))
    policy = obj["preemptionPolicy"]
    filled_one_of(policy, ("PreemptLowerPriority", "Never"), "preemptionPolicy", errors)
    return errors


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    if (new.get("value") or 0) != (old.get("value") or 0):
        errors.append(field_forbidden("value", "may not be changed in an update."))
    immutable(new.get("preemptionPolicy"), old.get("preemptionPolicy"), "preemptionPolicy", errors)
    return errors


KIND = builtin(
    "scheduling.k8s.io/v1",
    "PriorityClass",
    default=default,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
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

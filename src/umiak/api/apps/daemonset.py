"""DaemonSet: one pod on every node."""

from umiak.api.common import cells, switched_off
from umiak.api.common.cells import AGE, NAME, column, number
from umiak.api.common.checks import (
    amount_of,
    at_most_everything,
    immutable,
    is_empty_selector,
    label_selector,
    nonnegative,
    number_or_percent,
    selector_matches,
)
from umiak.api.common.pod_defaults import default_template
from umiak.api.common.pod_validation import pod_template
from umiak.api.common.pod_warnings import is_new_template, of_template
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.common.workloads import NO_MATCH, counters, not_decremented, runs_for_ever, shown_labels, template_labels
from umiak.api.internal import shown
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value, not_supported, required
from umiak.objects.go_text import whole
from umiak.objects.types import Object

GENERATION = "deprecated.daemonset.template.generation"
_COUNTERS = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        if rolling.get("maxUnavailable") is None:
            rolling["maxUnavailable"] = 1
        if rolling.get("maxSurge") is None:
            rolling["maxSurge"] = 0
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    default_template(spec.setdefault("template", {}))
    if not (obj.setdefault("metadata", {}).get("annotations") or {}).get(GENERATION):
        _set_generation(obj, 0)


def prepare_create(obj: Object) -> None:
    obj["status"] = dict.fromkeys(_COUNTERS, 0)
    _set_generation(obj, 1)


def _set_generation(obj: Object, generation: int) -> None:
    """Counts the template's versions, for clients of APIs long gone."""
    metadata = obj.setdefault("metadata", {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), GENERATION: str(generation)}


def prepare_update(new: Object, old: Object) -> None:
    keep_status(new, old)
    before = ((old.get("metadata") or {}).get("annotations") or {}).get(GENERATION) or "0"
    changed = new["spec"].get("template") != old["spec"].get("template")
    _set_generation(new, (whole(before) if before.isascii() and before.isdigit() else 0) + changed)


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj["spec"]
    selector, labels = spec.get("selector"), template_labels(spec)
    label_selector(selector, "spec.selector", errors)
    if selector_matches(selector, labels) is False:
        errors.append(invalid_value("spec.template.metadata.labels", shown_labels(spec), NO_MATCH))
    if selector is not None and is_empty_selector(selector):
        errors.append(
            invalid_value(
                "spec.selector", shown("*meta.LabelSelector", selector), "empty selector is invalid for daemonset"
            )
        )
    pod_template(spec["template"], "spec.template", errors)
    runs_for_ever(spec, "DaemonSet", "spec", errors)
    nonnegative(spec, "minReadySeconds", "spec", errors)
    _strategy(spec["updateStrategy"], errors)
    nonnegative(spec, "revisionHistoryLimit", "spec", errors)
    return errors


def _strategy(strategy: Object, errors: list[FieldError]) -> None:
    kind, rolling, path = strategy["type"], strategy.get("rollingUpdate"), "spec.updateStrategy.rollingUpdate"
    if kind == "OnDelete":
        return
    if kind != "RollingUpdate":
        printed = shown("apps.DaemonSetUpdateStrategy", strategy)
        errors.append(not_supported("spec.updateStrategy", printed, ("RollingUpdate", "OnDelete")))
        return
    missing, surge = rolling["maxUnavailable"], rolling["maxSurge"]  # type: ignore[index]
    for check in (number_or_percent, at_most_everything):
        check(missing, f"{path}.maxUnavailable", errors)
        check(surge, f"{path}.maxSurge", errors)
    if amount_of(missing) and amount_of(surge):
        errors.append(invalid_value(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    elif not amount_of(missing) and not amount_of(surge):
        errors.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    immutable(new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector", errors, "*meta.LabelSelector")
    return [*errors, *validate(new)]


def validate_status(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    more = ("observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount")
    counters(new.get("status") or {}, (*_COUNTERS, *more), errors)
    not_decremented(new, old, errors)
    return errors


KIND = builtin(
    "apps/v1",
    "DaemonSet",
    drop=switched_off.fields_of_pods("spec", "template", "spec"),
    default=default,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    prepare_status=only_status,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    validate_status=validate_status,
    warnings=of_template("spec", "template", changed=is_new_template),
    columns=(
        NAME,
        column(
            "Desired",
            number("status", "desiredNumberScheduled"),
            "DaemonSetStatus.desiredNumberScheduled",
            type="integer",
        ),
        column(
            "Current",
            number("status", "currentNumberScheduled"),
            "DaemonSetStatus.currentNumberScheduled",
            type="integer",
        ),
        column("Ready", number("status", "numberReady"), "DaemonSetStatus.numberReady", type="integer"),
        column(
            "Up-to-date",
            number("status", "updatedNumberScheduled"),
            "DaemonSetStatus.updatedNumberScheduled",
            type="integer",
        ),
        column("Available", number("status", "numberAvailable"), "DaemonSetStatus.numberAvailable", type="integer"),
        column("Node Selector", cells.shows_labels("spec", "template", "spec", "nodeSelector"), "PodSpec.nodeSelector"),
        AGE,
        *cells.containers_columns("spec", "template"),
        column("Selector", cells.selects("spec", "selector"), "DaemonSetSpec.selector", wide=True),
    ),
    counts_generation=True,
    annotated_fields=("deprecated.daemonset.template.generation",),
)

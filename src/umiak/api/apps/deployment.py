"""Deployment: rolling updates of ReplicaSets."""

from typing import Any

from umiak.api.common import cells, switched_off
from umiak.api.common.cells import AGE, NAME, column, number
from umiak.api.common.checks import amount_of, at_most_everything, immutable, nonnegative, number_or_percent
from umiak.api.common.pod_defaults import default_template
from umiak.api.common.pod_warnings import of_template
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.common.workloads import (
    at_most_replicas,
    available_are_ready,
    counters,
    not_decremented,
    selector_of,
    template_of,
)
from umiak.api.internal import shown
from umiak.api.kind import Scale
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, not_supported
from umiak.objects.types import Object


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    strategy = spec.setdefault("strategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        for name in ("maxUnavailable", "maxSurge"):
            if rolling.get(name) is None:
                rolling[name] = "25%"
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    if spec.get("progressDeadlineSeconds") is None:
        spec["progressDeadlineSeconds"] = 600
    default_template(spec.setdefault("template", {}))


def prepare_status(new: Object, old: Object) -> None:
    """Status updates keep the labels too."""
    only_status(new, old)
    labels = old["metadata"].get("labels")
    if labels is None:
        new["metadata"].pop("labels", None)
    else:
        new["metadata"]["labels"] = labels


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj["spec"]
    nonnegative(spec, "replicas", "spec", errors)
    if selector_of(spec, "deployment", "spec", errors):
        template_of(spec, "ReplicaSet", "spec", errors)
    else:
        errors.append(
            invalid_value("spec.selector", shown("*meta.LabelSelector", spec["selector"]), "invalid label selector")
        )
    _strategy(spec["strategy"], errors)
    for name in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        nonnegative(spec, name, "spec", errors)
    deadline = spec["progressDeadlineSeconds"]
    if deadline <= (spec.get("minReadySeconds") or 0):
        errors.append(invalid_value("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return errors


def _strategy(strategy: Object, errors: list[FieldError]) -> None:
    kind, rolling, path = strategy["type"], strategy.get("rollingUpdate"), "spec.strategy.rollingUpdate"
    if kind == "Recreate":
        if rolling is not None:
            errors.append(field_forbidden(path, "may not be specified when strategy `type` is 'Recreate'"))
    elif kind != "RollingUpdate":
        printed = shown("apps.DeploymentStrategy", strategy)
        errors.append(not_supported("spec.strategy", printed, ("Recreate", "RollingUpdate")))
    else:
        missing, surge = rolling["maxUnavailable"], rolling["maxSurge"]  # type: ignore[index]
        number_or_percent(missing, f"{path}.maxUnavailable", errors)
        number_or_percent(surge, f"{path}.maxSurge", errors)
        if not amount_of(missing) and not amount_of(surge):
            errors.append(invalid_value(f"{path}.maxUnavailable", missing, "may not be 0 when `maxSurge` is 0"))
        at_most_everything(missing, f"{path}.maxUnavailable", errors)


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    immutable(new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector", errors, "*meta.LabelSelector")
    return errors


def validate_status(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    status = new.get("status") or {}
    replicas = ("updatedReplicas", "readyReplicas", "availableReplicas")
    more = ("unavailableReplicas", "terminatingReplicas", "collisionCount")
    counters(status, ("observedGeneration", "replicas", *replicas, *more), errors)
    at_most_replicas(status, replicas, errors)
    available_are_ready(status, "readyReplicas", errors)
    not_decremented(new, old, errors)
    return errors


def prepare_update(new: Object, old: Object) -> None:
    """Annotations count as much as the spec."""
    keep_status(new, old)
    if (new["metadata"].get("annotations") or {}) != (old["metadata"].get("annotations") or {}):
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


def ready(obj: Object, now: float) -> Any:
    desired = (obj.get("spec") or {}).get("replicas") or 0
    return f"{(obj.get('status') or {}).get('readyReplicas') or 0}/{desired}"


KIND = builtin(
    "apps/v1",
    "Deployment",
    drop=switched_off.fields_of_pods("spec", "template", "spec"),
    default=default,
    prepare_create=reset_status,
    prepare_update=prepare_update,
    prepare_status=prepare_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=of_template("spec", "template", use="Pod names and hostnames"),
    columns=(
        NAME,
        column("Ready", ready, "Number of the pod with ready state"),
        column("Up-to-date", number("status", "updatedReplicas"), "DeploymentStatus.updatedReplicas"),
        column("Available", number("status", "availableReplicas"), "DeploymentStatus.availableReplicas"),
        AGE,
        *cells.containers_columns("spec", "template"),
        column(
            "Selector",
            lambda obj, now: cells.selector_text(obj["spec"].get("selector")),
            "DeploymentSpec.selector",
            wide=True,
        ),
    ),
    scale=Scale(),
    counts_generation=True,
)

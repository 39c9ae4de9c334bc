"""Deployment: rolling updates of ReplicaSets."""

from typing import Any

from umiak.api.common import cells
from umiak.api.common.cells import AGE, NAME, column, number
from umiak.api.common.pod_defaults import default_template
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.kind import Scale
from umiak.api.registry import builtin
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


def ready(obj: Object, now: float) -> Any:
    desired = (obj.get("spec") or {}).get("replicas") or 0
    return f"{(obj.get('status') or {}).get('readyReplicas') or 0}/{desired}"


KIND = builtin(
    "apps/v1",
    "Deployment",
    default=default,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=prepare_status,
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

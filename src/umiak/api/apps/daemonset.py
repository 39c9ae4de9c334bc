"""DaemonSet: one pod on every node."""

from umiak.api.common import cells
from umiak.api.common.cells import AGE, NAME, column, number
from umiak.api.common.pod_defaults import default_template
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.registry import builtin
from umiak.objects.types import Object


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


def prepare_create(obj: Object) -> None:
    counters = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
    obj["status"] = dict.fromkeys(counters, 0)


KIND = builtin(
    "apps/v1",
    "DaemonSet",
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
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
)

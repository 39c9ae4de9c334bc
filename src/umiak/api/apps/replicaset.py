"""ReplicaSet: keeps a number of equal pods running."""

from umiak.api.common import cells
from umiak.api.common.cells import AGE, NAME, column, number
from umiak.api.common.pod_defaults import default_template
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.kind import Scale
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(spec.setdefault("template", {}))


def prepare_create(obj: Object) -> None:
    obj["status"] = {"replicas": 0}


KIND = builtin(
    "apps/v1",
    "ReplicaSet",
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    columns=(
        NAME,
        column("Desired", number("spec", "replicas"), "ReplicaSetSpec.replicas", type="integer"),
        column("Current", number("status", "replicas"), "ReplicaSetStatus.replicas", type="integer"),
        column("Ready", number("status", "readyReplicas"), "ReplicaSetStatus.readyReplicas", type="integer"),
        AGE,
        *cells.containers_columns("spec", "template"),
        column("Selector", cells.selects("spec", "selector"), "ReplicaSetSpec.selector", wide=True),
    ),
    selectable={"status.replicas": lambda obj: str((obj.get("status") or {}).get("replicas") or 0)},
    scale=Scale(),
    counts_generation=True,
)

"""ReplicationController: the forerunner of ReplicaSet."""

from umiak.api.common import cells
from umiak.api.common.cells import AGE, NAME, column, number
from umiak.api.common.pod_defaults import default_template
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.kind import Scale
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    """Selector and labels are the template's, unless given."""
    spec = obj.setdefault("spec", {})
    template = spec.get("template")
    labels = ((template or {}).get("metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        metadata = obj.setdefault("metadata", {})
        if not metadata.get("labels"):
            metadata["labels"] = dict(labels)
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(template)


def prepare_create(obj: Object) -> None:
    obj["status"] = {"replicas": 0}


KIND = builtin(
    "v1",
    "ReplicationController",
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    columns=(
        NAME,
        column("Desired", number("spec", "replicas"), "ReplicationControllerSpec.replicas", type="integer"),
        column("Current", number("status", "replicas"), "ReplicationControllerStatus.replicas", type="integer"),
        column("Ready", number("status", "readyReplicas"), "ReplicationControllerStatus.readyReplicas", type="integer"),
        AGE,
        *cells.containers_columns("spec", "template"),
        column("Selector", cells.shows_labels("spec", "selector"), "ReplicationControllerSpec.selector", wide=True),
    ),
    selectable={"status.replicas": lambda obj: str((obj.get("status") or {}).get("replicas") or 0)},
    scale=Scale(),
    counts_generation=True,
)

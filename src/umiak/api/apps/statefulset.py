"""StatefulSet: pods with lasting names and volumes."""

from typing import Any

from umiak.api.common import cells
from umiak.api.common.cells import AGE, NAME, column
from umiak.api.common.pod_defaults import default_claim_spec, default_template
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.kind import Scale
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    _default_strategy(spec.setdefault("updateStrategy", {}))
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    for when in ("whenDeleted", "whenScaled"):
        if not retention.get(when):
            retention[when] = "Retain"
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    default_template(spec.setdefault("template", {}))
    for claim in spec.get("volumeClaimTemplates") or ():
        _default_claim(claim)


def _default_strategy(strategy: Object) -> None:
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "RollingUpdate" and rolling is not None:
        if rolling.get("partition") is None:
            rolling["partition"] = 0
        if rolling.get("maxUnavailable") is None:
            rolling["maxUnavailable"] = 1


def _default_claim(claim: Object) -> None:
    """A claim template shows its kind and, like a new claim, a pending status."""
    claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
    default_claim_spec(claim.setdefault("spec", {}))
    status = claim.setdefault("status", {})
    if not status.get("phase"):
        status["phase"] = "Pending"


def prepare_create(obj: Object) -> None:
    obj["status"] = {"replicas": 0, "availableReplicas": 0}


def ready(obj: Object, now: float) -> Any:
    return f"{(obj.get('status') or {}).get('readyReplicas') or 0}/{(obj.get('spec') or {}).get('replicas') or 0}"


KIND = builtin(
    "apps/v1",
    "StatefulSet",
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    columns=(
        NAME,
        column("Ready", ready, "Number of the pod with ready state"),
        AGE,
        *cells.containers_columns("spec", "template"),
    ),
    scale=Scale(),
    counts_generation=True,
)

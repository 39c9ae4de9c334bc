"""StatefulSet: pods with lasting names and volumes."""

from typing import Any

from umiak.api.common import cells, switched_off
from umiak.api.common.cells import AGE, NAME, column
from umiak.api.common.checks import (
    amount_of,
    at_most_everything,
    check,
    immutable,
    nonnegative,
    number_or_percent,
    one_of,
)
from umiak.api.common.metadata import label
from umiak.api.common.pod_defaults import default_claim_spec, default_template
from umiak.api.common.pod_warnings import of_template
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.common.volume_sources import claim_spec
from umiak.api.common.workloads import (
    at_most_replicas,
    available_are_ready,
    counters,
    not_decremented,
    runs_for_ever,
    selector_of,
    template_of,
)
from umiak.api.internal import shown
from umiak.api.kind import Scale
from umiak.api.registry import builtin
from umiak.objects import names
from umiak.objects.errors import FieldError, invalid_value
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


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj["spec"]
    policy = spec["podManagementPolicy"]
    if policy not in ("OrderedReady", "Parallel"):
        errors.append(invalid_value("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
    _strategy(spec["updateStrategy"], errors)
    retention = spec["persistentVolumeClaimRetentionPolicy"]
    for when in ("whenDeleted", "whenScaled"):
        where = f"spec.persistentVolumeClaimRetentionPolicy.{when}"
        one_of(retention[when], ("Retain", "Delete"), where, errors)
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        claim_spec(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}].spec", errors)
    nonnegative(spec, "replicas", "spec", errors)
    nonnegative(spec, "minReadySeconds", "spec", errors)
    nonnegative(spec.get("ordinals") or {}, "start", "spec.ordinals", errors)
    if spec.get("serviceName"):
        check(names.dns_label, spec["serviceName"], "spec.serviceName", errors)
    _selector_and_template(spec, errors)
    return errors


def _selector_and_template(spec: Object, errors: list[FieldError]) -> None:
    late: list[FieldError] = []
    is_missing = spec.get("selector") is None
    is_readable = selector_of(spec, "statefulset", "spec", late if is_missing else errors)
    if not is_readable:
        errors.append(invalid_value("spec.selector", shown("*meta.LabelSelector", spec["selector"]), ""))
        runs_for_ever(spec, "StatefulSet", "spec", errors)
    else:
        template_of(_as_made(spec), "StatefulSet", "spec", errors)
    errors += late


def _as_made(spec: Object) -> Object:
    """The spec with the template as its pods will have it: own host name, and a volume for each claim template."""
    template = spec["template"]
    pod = {k: v for k, v in (template.get("spec") or {}).items() if k not in ("hostname", "subdomain")}
    claims = [((c.get("metadata") or {}).get("name") or "") for c in spec.get("volumeClaimTemplates") or ()]
    if claims:
        own = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in dict.fromkeys(claims)]
        pod["volumes"] = own + [v for v in pod.get("volumes") or () if v.get("name") not in claims]
    return {**spec, "template": {**template, "spec": pod}}


def _strategy(strategy: Object, errors: list[FieldError]) -> None:
    kind, rolling, path = strategy["type"], strategy.get("rollingUpdate"), "spec.updateStrategy.rollingUpdate"
    if kind == "OnDelete":
        if rolling is not None:
            shown = {"Partition": rolling.get("partition") or 0, "MaxUnavailable": rolling.get("maxUnavailable")}
            errors.append(invalid_value(path, shown, "only allowed for updateStrategy 'RollingUpdate'"))
    elif kind != "RollingUpdate":
        shown = {"Type": kind, "RollingUpdate": rolling}
        errors.append(invalid_value("spec.updateStrategy", shown, "must be 'RollingUpdate' or 'OnDelete'"))
    elif rolling is not None:
        nonnegative(rolling, "partition", path, errors)
        missing = rolling["maxUnavailable"]
        number_or_percent(missing, f"{path}.maxUnavailable", errors)
        if not amount_of(missing):
            errors.append(invalid_value(f"{path}.maxUnavailable", missing, "cannot be 0"))
        at_most_everything(missing, f"{path}.maxUnavailable", errors)


_FIXED = {
    "selector": "*meta.LabelSelector",
    "volumeClaimTemplates": "[]core.PersistentVolumeClaim",
    "serviceName": "",
    "podManagementPolicy": "",
}


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, form in _FIXED.items():
        immutable(new["spec"].get(name), old["spec"].get(name), f"spec.{name}", errors, form)
    return errors


def validate_status(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    status = new.get("status") or {}
    replicas = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    counters(status, ("replicas", *replicas, "observedGeneration", "collisionCount"), errors)
    at_most_replicas(status, replicas, errors)
    available_are_ready(status, "status.readyReplicas", errors)
    not_decremented(new, old, errors)
    return errors


def ready(obj: Object, now: float) -> Any:
    return f"{(obj.get('status') or {}).get('readyReplicas') or 0}/{(obj.get('spec') or {}).get('replicas') or 0}"


KIND = builtin(
    "apps/v1",
    "StatefulSet",
    drop=switched_off.fields_of_pods("spec", "template", "spec"),
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    validate_name=label,
    warnings=of_template("spec", "template"),
    columns=(
        NAME,
        column("Ready", ready, "Number of the pod with ready state"),
        AGE,
        *cells.containers_columns("spec", "template"),
    ),
    scale=Scale(),
    counts_generation=True,
)

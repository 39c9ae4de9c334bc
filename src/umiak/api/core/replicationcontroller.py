"""ReplicationController: the forerunner of ReplicaSet."""

from umiak.api.common import cells, switched_off
from umiak.api.common.cells import AGE, NAME, column, number
from umiak.api.common.checks import nonnegative
from umiak.api.common.pod_defaults import default_template
from umiak.api.common.pod_validation import pod_template
from umiak.api.common.pod_warnings import of_template
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.common.workloads import (
    NO_MATCH,
    at_most_replicas,
    counters,
    runs_for_ever,
    shown_labels,
    template_labels,
)
from umiak.api.kind import Scale
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value, required
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


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj["spec"]
    selector, template = spec.get("selector") or {}, spec.get("template")
    if not selector:
        errors.append(required("spec.selector"))
    if template is None:
        errors.append(required("spec.template"))
    else:
        labels = template_labels(spec)
        if any(labels.get(key) != value for key, value in selector.items()):
            errors.append(invalid_value("spec.template.metadata.labels", shown_labels(spec), NO_MATCH))
        pod_template(template, "spec.template", errors)
        runs_for_ever(spec, "ReplicationController", "spec", errors)
    nonnegative(spec, "replicas", "spec", errors)
    nonnegative(spec, "minReadySeconds", "spec", errors)
    return errors


def validate_status(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    status = new.get("status") or {}
    replicas = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    counters(status, ("replicas", *replicas, "observedGeneration"), errors)
    at_most_replicas(status, replicas, errors)
    return errors


KIND = builtin(
    "v1",
    "ReplicationController",
    drop=switched_off.fields_of_pods("spec", "template", "spec"),
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    validate_status=validate_status,
    warnings=of_template("spec", "template", use="Pod names and hostnames", of_old=True),
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

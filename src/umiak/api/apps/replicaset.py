"""ReplicaSet: keeps a number of equal pods running."""

from umiak.api.common import cells, switched_off
from umiak.api.common.cells import AGE, NAME, column, number
from umiak.api.common.checks import immutable, nonnegative
from umiak.api.common.pod_defaults import default_template
from umiak.api.common.pod_warnings import of_template
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.common.workloads import at_most_replicas, available_are_ready, counters, selector_of, template_of
from umiak.api.internal import shown
from umiak.api.kind import Scale
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value
from umiak.objects.types import Object


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(spec.setdefault("template", {}))


def prepare_create(obj: Object) -> None:
    obj["status"] = {"replicas": 0}


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj["spec"]
    nonnegative(spec, "replicas", "spec", errors)
    nonnegative(spec, "minReadySeconds", "spec", errors)
    if selector_of(spec, "deployment", "spec", errors):
        template_of(spec, "ReplicaSet", "spec", errors)
    else:
        errors.append(
            invalid_value("spec.selector", shown("*meta.LabelSelector", spec["selector"]), "invalid label selector")
        )
    return errors


def validate_update(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    immutable(new["spec"].get("selector"), old["spec"].get("selector"), "spec.selector", errors, "*meta.LabelSelector")
    return errors


def validate_status(new: Object, old: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    status = new.get("status") or {}
    replicas = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    counters(status, ("replicas", *replicas, "observedGeneration"), errors)
    at_most_replicas(status, replicas, errors)
    available_are_ready(status, "readyReplicas", errors)
    return errors


KIND = builtin(
    "apps/v1",
    "ReplicaSet",
    drop=switched_off.fields_of_pods("spec", "template", "spec"),
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    validate_update=validate_update,
    validate_status=validate_status,
    warnings=of_template("spec", "template", use="Pod names and hostnames"),
    columns=(
        NAME,
        column("Desired", number("spec", "replicas"), "ReplicaSetSpec.replicas", type="integer"),
        column("Current", number("status", "replicas"), "ReplicaSetStatus.replicas", type="integer"),
        column("Ready", number("status", "readyReplicas"), "ReplicaSetStatus.readyReplicas", type="integer"),
        AGE,
        *cells.containers_columns("spec", "template"),
        column("Selector", cells.selects("spec", "selector"), "ReplicaSetSpec.selector", wide=True),
    ),
    scale=Scale(),
    counts_generation=True,
)

"""Job: pods that run to their end."""

from typing import Any

from umiak.api.common import cells, switched_off
from umiak.api.common.cells import AGE, NAME, column, condition_is_true, human_duration, seconds_of
from umiak.api.common.checks import immutable, label_selector, selector_matches
from umiak.api.common.job_defaults import default_job_spec
from umiak.api.common.job_validation import job_spec
from umiak.api.common.pod_warnings import of_template
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.common.workloads import NO_MATCH, shown_labels, template_labels
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value, required
from umiak.objects.types import Object

NAME_LABELS = ("job-name", "batch.kubernetes.io/job-name")
UID_LABELS = ("controller-uid", "batch.kubernetes.io/controller-uid")


def default(obj: Object) -> None:
    """A Job without labels takes its template's."""
    spec = obj.setdefault("spec", {})
    default_job_spec(spec)
    labels = (spec["template"].get("metadata") or {}).get("labels")
    metadata = obj.setdefault("metadata", {})
    if labels and not metadata.get("labels"):
        metadata["labels"] = labels


def prepare_create(obj: Object) -> None:
    if not obj["spec"].get("manualSelector"):
        _make_selector(obj)
    labels = (obj["spec"]["template"].get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = labels
    obj["status"] = {}


def _make_selector(obj: Object) -> None:
    """Marks the template with the Job's name and uid, and selects by the uid."""
    spec, metadata = obj["spec"], obj["metadata"]
    labels = spec["template"].setdefault("metadata", {}).setdefault("labels", {})
    for label in NAME_LABELS:
        labels.setdefault(label, metadata.get("name") or "")
    for label in UID_LABELS:
        labels.setdefault(label, metadata.get("uid") or "")
    selector = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    selector.setdefault(UID_LABELS[1], metadata.get("uid") or "")


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    spec = obj["spec"]
    selector = spec.get("selector")
    if not spec.get("manualSelector") and selector is not None:
        _generated_selector(obj, errors)
    job_spec(spec, "spec", errors)
    if selector is None:
        errors.append(required("spec.selector"))
    label_selector(selector, "spec.selector", errors)
    if selector_matches(selector, template_labels(spec)) is False:
        errors.append(invalid_value("spec.template.metadata.labels", shown_labels(spec), NO_MATCH))
    return errors


def _generated_selector(obj: Object, errors: list[FieldError]) -> None:
    """The labels that make the selector unique are the Job's own."""
    metadata, labels = obj["metadata"], template_labels(obj["spec"])
    name, uid = metadata.get("name") or "", metadata.get("uid") or ""
    if not uid:
        errors.append(required("metadata.uid"))
    expected = dict(zip((UID_LABELS[0], NAME_LABELS[0], UID_LABELS[1], NAME_LABELS[1]), (uid, name) * 2, strict=True))
    for key, value in expected.items():
        path = "spec.template.metadata.labels"
        if key not in labels:
            errors.append(required(path, f"must be '{value}'"))
        elif labels[key] != value:
            errors.append(invalid_value(f"{path}[{key}]", labels, f"must be '{value}'"))
    selector = obj["spec"]["selector"]
    if selector_matches(selector, expected) is False:
        printed = {**selector, "matchLabels": dict(sorted((selector.get("matchLabels") or {}).items()))}
        errors.append(invalid_value("spec.selector", printed, "`selector` not auto-generated"))


_FORMS = {"podFailurePolicy": "*batch.PodFailurePolicy", "successPolicy": "*batch.SuccessPolicy"}


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """Most of a Job never changes; a suspended one that never ran may still get other nodes."""
    errors: list[FieldError] = []
    spec, before = new["spec"], old["spec"]
    is_elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    if not is_elastic or spec.get("completions") is None or before.get("completions") is None:
        immutable(spec.get("completions"), before.get("completions"), "spec.completions", errors)
    immutable(spec.get("selector"), before.get("selector"), "spec.selector", errors, "*meta.LabelSelector")
    status = old.get("status") or {}
    if before.get("suspend") and not status.get("startTime"):
        immutable(_without_placement(spec), _without_placement(before), "spec.template", errors, "core.PodTemplateSpec")
    else:
        immutable(spec.get("template"), before.get("template"), "spec.template", errors, "core.PodTemplateSpec")
    for field in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        immutable(spec.get(field), before.get(field), f"spec.{field}", errors, _FORMS.get(field, ""))
    return errors


def _without_placement(spec: Object) -> Object:
    """A template without what decides where its pods run and how much they use (KEPs 2926, 5440)."""
    template = spec.get("template") or {}
    placement = ("affinity", "nodeSelector", "tolerations", "schedulingGates")
    pod = {k: v for k, v in (template.get("spec") or {}).items() if k not in placement}
    for kind in ("containers", "initContainers"):
        if pod.get(kind):
            pod[kind] = [{k: v for k, v in c.items() if k != "resources"} for c in pod[kind]]
    metadata = {k: v for k, v in (template.get("metadata") or {}).items() if k not in ("labels", "annotations")}
    return {"metadata": metadata, "spec": pod}


def completions(obj: Object, now: float) -> Any:
    spec, succeeded = obj.get("spec") or {}, (obj.get("status") or {}).get("succeeded") or 0
    if spec.get("completions") is not None:
        return f"{succeeded}/{spec['completions']}"
    parallelism = spec.get("parallelism") or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def duration(obj: Object, now: float) -> Any:
    status = obj.get("status") or {}
    if not status.get("startTime"):
        return ""
    end = seconds_of(status["completionTime"]) if status.get("completionTime") else now
    return human_duration(end - seconds_of(status["startTime"]))


def state(obj: Object, now: float) -> Any:
    if condition_is_true(obj, "Complete"):
        return "Complete"
    if condition_is_true(obj, "Failed"):
        return "Failed"
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    later = ("Suspended", "FailureTarget", "SuccessCriteriaMet")
    return next((name for name in later if condition_is_true(obj, name)), "Running")


def succeeded(obj: Object) -> str:
    return str((obj.get("status") or {}).get("succeeded") or 0)


KIND = builtin(
    "batch/v1",
    "Job",
    drop=lambda obj: switched_off.of_job(obj["spec"]),
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    validate_update=validate_update,
    warnings=of_template("spec", "template", use="Pod names and hostnames"),
    columns=(
        NAME,
        column("Status", state, "Status of the job."),
        column("Completions", completions, "JobStatus.succeeded"),
        column("Duration", duration, "Time required to complete the job."),
        AGE,
        *cells.containers_columns("spec", "template"),
        column("Selector", cells.selects("spec", "selector"), "JobSpec.selector", wide=True),
    ),
    selectable={"status.successful": succeeded},
    counts_generation=True,
    default_propagation="Orphan",
)

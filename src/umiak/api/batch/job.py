"""Job: pods that run to their end."""

from typing import Any

from umiak.api.batch._job_status import validate_status
from umiak.api.common import cells, switched_off
from umiak.api.common.cells import AGE, NAME, column, condition_is_true, human_duration, seconds_of
from umiak.api.common.checks import immutable, label_selector, selector_matches
from umiak.api.common.job_defaults import default_job_spec
from umiak.api.common.job_validation import job_spec
from umiak.api.common.metadata import IMMUTABLE
from umiak.api.common.pod_warnings import of_template
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.common.workloads import NO_MATCH, shown_labels, template_labels
from umiak.api.internal import shown
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
    if not spec.get("manualSelector") and spec.get("selector") is not None:
        _generated_selector(obj, errors)
    _whole_spec(spec, errors)
    return errors


def _whole_spec(spec: Object, errors: list[FieldError]) -> None:
    selector = spec.get("selector")
    job_spec(spec, "spec", errors)
    if selector is None:
        errors.append(required("spec.selector"))
    label_selector(selector, "spec.selector", errors)
    if selector_matches(selector, template_labels(spec)) is False:
        errors.append(invalid_value("spec.template.metadata.labels", shown_labels(spec), NO_MATCH))


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
    """Most of a Job never changes; a suspended one without pods may still get other nodes and resources."""
    errors: list[FieldError] = []
    spec, before = new["spec"], old["spec"]
    _whole_spec(spec, errors)
    _completions(spec, before, errors)
    immutable(spec.get("selector"), before.get("selector"), "spec.selector", errors, "*meta.LabelSelector")
    _template(spec["template"], old, errors)
    for field in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        immutable(spec.get(field), before.get(field), f"spec.{field}", errors, _FORMS.get(field, ""))
    return errors


def _completions(spec: Object, before: Object, errors: list[FieldError]) -> None:
    """Those of an indexed Job go with its parallelism (KEP 3715)."""
    wanted = spec.get("completions")
    if spec.get("completionMode") != "Indexed":
        immutable(wanted, before.get("completions"), "spec.completions", errors)
    elif wanted is not None and wanted not in (before.get("completions"), spec.get("parallelism")):
        errors.append(invalid_value("spec.completions", wanted, "can only be modified in tandem with spec.parallelism"))


def _template(template: Object, old: Object, errors: list[FieldError]) -> None:
    status, before = old.get("status") or {}, old["spec"]["template"]
    paused = any(c.get("type") == "Suspended" and c.get("status") == "True" for c in status.get("conditions") or ())
    is_idle = (not status.get("startTime") or paused) and not status.get("active")
    if not old["spec"].get("suspend") or not is_idle:
        immutable(template, before, "spec.template", errors, "core.PodTemplateSpec")
        return
    pod = template.get("spec") or {}
    kept = _with_placement_of(pod, before.get("spec") or {})
    printed = shown("core.PodSpec", pod)
    if printed != shown("core.PodSpec", kept):
        errors.append(invalid_value("spec.template.spec", printed, IMMUTABLE))


def _with_placement_of(new: Object, old: Object) -> Object:
    """An old pod spec with the new one's choice of nodes and its containers' resources (KEPs 2926, 5440)."""
    pod = {**old, **{name: new.get(name) for name in ("nodeSelector", "tolerations", "schedulingGates")}}
    wanted, had = new.get("affinity"), old.get("affinity")
    if wanted is not None:
        pod["affinity"] = {**(had or {}), "nodeAffinity": wanted.get("nodeAffinity")}
    elif had is not None:
        pod["affinity"] = {k: v for k, v in had.items() if k != "nodeAffinity" and v is not None} or None
    for kind in ("containers", "initContainers"):
        mine, its = old.get(kind) or [], new.get(kind) or []
        if mine and len(mine) == len(its):
            pairs = zip(mine, its, strict=True)
            pod[kind] = [
                {**c, "resources": n.get("resources")} if c.get("name") == n.get("name") else c for c, n in pairs
            ]
    return pod


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
    validate_status=validate_status,
    judges_updates_alone=True,
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

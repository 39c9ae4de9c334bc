"""Job: pods that run to their end."""

from typing import Any

from umiak.api.common import cells
from umiak.api.common.cells import AGE, NAME, column, condition_is_true, human_duration, seconds_of
from umiak.api.common.job_defaults import default_job_spec
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.registry import builtin
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
        metadata["labels"] = dict(labels)


def prepare_create(obj: Object) -> None:
    if not obj["spec"].get("manualSelector"):
        _make_selector(obj)
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
    default=default,
    prepare_create=prepare_create,
    prepare_update=keep_status,
    prepare_status=only_status,
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

"""Validates what is written to the status of a Job: how it may end, and that it stays ended.

Most rules hold only for what a write changes, so that an old fault is in nobody's way. Source: `validateJobStatus`,
`ValidateJobStatusUpdate` in `pkg/apis/batch/validation/validation.go`, and which of it counts in
`getStatusValidationOptions` of `pkg/registry/batch/job/strategy.go` (KEP 4368).
"""

from collections.abc import Iterator
from typing import Any

from umiak.api.common.checks import Errors, nonnegative
from umiak.api.common.job_validation import count_indexes
from umiak.objects.errors import FieldError, duplicate, invalid_value, required
from umiak.objects.types import Object

_COUNTERS = ("active", "succeeded", "failed", "ready", "terminating")


class _Status:
    def __init__(self, job: Object) -> None:
        self.spec, self.fields = job.get("spec") or {}, job.get("status") or {}
        true = {c.get("type") for c in self.fields.get("conditions") or () if c.get("status") == "True"}
        self.complete, self.failed = "Complete" in true, "Failed" in true
        self.failing, self.successful = "FailureTarget" in true, "SuccessCriteriaMet" in true
        self.finished, self.suspended = self.complete or self.failed, "Suspended" in true
        self.true = true

    def __getitem__(self, name: str) -> Any:
        return self.fields.get(name)


def _odd(text: str) -> FieldError:
    """Of the conditions, whose value is not shown."""
    return FieldError("FieldValueInvalid", "status.conditions", f"Invalid value: {text}")


def validate_status(new: Object, old: Object) -> list[FieldError]:
    errors: Errors = []
    now, then = _Status(new), _Status(old)
    for name in _COUNTERS:
        nonnegative(now.fields, name, "status", errors)
    _uncounted(now["uncountedTerminatedPods"] or {}, errors)
    for rules in (_endings, _pods, _indexes, _more, _lasting):
        errors += rules(now, then)
    return errors


def _uncounted(pods: Object, errors: Errors) -> None:
    seen: set[str] = set()
    for kind in ("succeeded", "failed"):
        for index, uid in enumerate(pods.get(kind) or ()):
            path = f"status.uncountedTerminatedPods.{kind}[{index}]"
            if not uid:
                errors.append(invalid_value(path, uid, "must not be empty"))
            elif uid in seen:
                errors.append(duplicate(path, uid))
            seen.add(uid)


def _endings(now: _Status, then: _Status) -> Iterator[FieldError]:
    completed = now.complete != then.complete
    started, ended = now["startTime"], now["completionTime"]
    timed = ended != then["completionTime"]
    if (completed or now.failed != then.failed) and now.complete and now.failed:
        yield _odd("cannot set Complete=True and Failed=true conditions")
    if (completed or now.failing != then.failing) and now.complete and now.failing:
        yield _odd("cannot set Complete=True and FailureTarget=true conditions")
    if (completed or timed) and ended and not now.complete:
        text = "cannot set completionTime when there is no Complete=True condition"
        yield invalid_value("status.completionTime", ended, text)
    if (completed or timed) and not ended and now.complete:
        yield required("status.completionTime", "completionTime is required for Complete jobs")
    if (timed or started != then["startTime"]) and started and ended and ended < started:
        yield invalid_value("status.completionTime", ended, "must be equal to or after `startTime`")
    if (now.failed != then.failed or now["failedIndexes"] != then["failedIndexes"]) and now.failed and not now.failing:
        yield _odd("cannot set Failed=True condition without the FailureTarget=true condition")
    if (completed or now.successful != then.successful) and now.complete and not now.successful:
        yield _odd("cannot set Complete=True condition without the SuccessCriteriaMet=true condition")


def _pods(now: _Status, then: _Status) -> Iterator[FieldError]:
    """Of a job that has ended none runs any more."""
    ended = now.finished != then.finished
    empty = now.spec.get("suspend") is True and now.spec.get("completions") == 0
    if not now.finished:
        return
    if (ended or (now["active"] or 0) != (then["active"] or 0)) and (now["active"] or 0) > 0:
        yield invalid_value("status.active", now["active"], "active>0 is invalid for finished job")
    if (ended or now["startTime"] != then["startTime"]) and not empty and not now["startTime"]:
        yield required("status.startTime", "startTime is required for finished job")
    pods = now["uncountedTerminatedPods"]
    if (ended or pods != then["uncountedTerminatedPods"]) and pods and (pods.get("failed") or pods.get("succeeded")):
        shown = {"Succeeded": pods.get("succeeded"), "Failed": pods.get("failed")}
        yield invalid_value("status.uncountedTerminatedPods", shown, "must be empty for finished job")


def _indexes(now: _Status, then: _Status) -> Iterator[FieldError]:
    done, failed, completions = now["completedIndexes"] or "", now["failedIndexes"], now.spec.get("completions")
    limit = now.spec.get("backoffLimitPerIndex")
    moved, failed_moved = done != (then["completedIndexes"] or ""), failed != then["failedIndexes"]
    if moved and (fault := _format_fault(done, completions)):
        yield invalid_value("status.completedIndexes", done, f"error parsing completedIndexes: {fault}")
    is_counted = failed is not None and limit is not None
    if failed_moved and is_counted and (fault := _format_fault(failed or "", completions)):
        yield invalid_value("status.failedIndexes", failed, f"error parsing failedIndexes: {fault}")
    if moved and done and now.spec.get("completionMode") != "Indexed":
        text = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield invalid_value("status.completedIndexes", done, text)
    if failed_moved and failed is not None and limit is None:
        text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        yield invalid_value("status.failedIndexes", failed, text)


def _format_fault(text: str, completions: int | None) -> str:
    """Nothing when nobody said how many there are to be."""
    if completions is None:
        return ""
    try:
        count_indexes(text, completions)
    except ValueError as fault:
        return str(fault)
    return ""


def _more(now: _Status, then: _Status) -> Iterator[FieldError]:
    ended, terminating, ready = now.finished != then.finished, now["terminating"], now["ready"]
    if (ended or terminating != then["terminating"]) and now.finished and (terminating or 0) > 0:
        yield invalid_value("status.terminating", terminating, "terminating>0 is invalid for finished job")
    moved = ready != then["ready"] or (now["active"] or 0) != (then["active"] or 0)
    if moved and ready is not None and ready > (now["active"] or 0):
        yield invalid_value("status.ready", ready, "cannot set more ready pods than active")
    if now.successful and now.failed:
        yield _odd("cannot set SuccessCriteriaMet=True and Failed=true conditions")
    if now.successful and now.failing:
        yield _odd("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
    if now.spec.get("successPolicy") is not None and now.complete and not now.successful:
        yield _odd("cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True")


def _lasting(now: _Status, then: _Status) -> Iterator[FieldError]:
    """What cannot be taken back."""
    for name in ("Failed", "Complete", "FailureTarget"):
        if name in then.true and name not in now.true:
            yield _odd(f"cannot disable the terminal {name}=True condition")
    spec, started = now.spec, now["startTime"]
    elastic = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    for name in ("failed", "succeeded"):
        count = now[name] or 0
        if count < (then[name] or 0) and not (name == "succeeded" and elastic):
            yield invalid_value(f"status.{name}", count, f"cannot decrease the {name} counter")
    ended = now["completionTime"]
    if ended and then["completionTime"] and ended != then["completionTime"]:
        yield invalid_value("status.completionTime", ended, "field is immutable")
    resumes = then.suspended and any(
        c.get("type") == "Suspended" and c.get("status") == "False" for c in now["conditions"] or ()
    )
    if then["startTime"] and started != then["startTime"] and not spec.get("suspend") and not resumes:
        yield invalid_value("status.startTime", started, "field is immutable for unsuspended job once set")
    if then.successful and not now.successful:
        yield _odd("cannot disable the SuccessCriteriaMet=True condition")
    if then.complete and not then.successful and now.successful:
        yield _odd("cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions")

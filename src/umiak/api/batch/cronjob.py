"""CronJob: starts Jobs by the clock."""

from typing import Any

from umiak.api.common import cells
from umiak.api.common.cells import AGE, NAME, NONE, UNSET, column, counts, reads
from umiak.api.common.job_defaults import default_job_template_spec
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.types import Object

_DEFAULTS = {"suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1}


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("concurrencyPolicy"):
        spec["concurrencyPolicy"] = "Allow"
    for name, value in _DEFAULTS.items():
        if spec.get(name) is None:
            spec[name] = value
    template = spec.setdefault("jobTemplate", {})
    if template.get("metadata") is None:
        template["metadata"] = {}
    default_job_template_spec(template.setdefault("spec", {}))


def suspend(obj: Object, now: float) -> Any:
    value = (obj.get("spec") or {}).get("suspend")
    return UNSET if value is None else str(value)


def last_schedule(obj: Object, now: float) -> Any:
    last = (obj.get("status") or {}).get("lastScheduleTime")
    return cells.since(last, now) if last else NONE


KIND = builtin(
    "batch/v1",
    "CronJob",
    default=default,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=only_status,
    columns=(
        NAME,
        column("Schedule", reads("spec", "schedule"), "CronJobSpec.schedule"),
        column("Timezone", reads("spec", "timeZone", otherwise=NONE), "CronJobSpec.timeZone"),
        column("Suspend", suspend, "CronJobSpec.suspend", type="boolean"),
        column("Active", counts("status", "active"), "CronJobStatus.active", type="integer"),
        column("Last Schedule", last_schedule, "CronJobStatus.lastScheduleTime"),
        AGE,
        *cells.containers_columns("spec", "jobTemplate", "spec", "template"),
        column("Selector", cells.selects("spec", "jobTemplate", "spec", "selector"), "JobSpec.selector", wide=True),
    ),
    counts_generation=True,
)

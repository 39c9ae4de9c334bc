"""CronJob: starts Jobs by the clock."""

import re
from typing import Any

from umiak.api.common import cells, switched_off
from umiak.api.common.cells import AGE, NAME, NONE, UNSET, column, counts, reads
from umiak.api.common.checks import nonnegative
from umiak.api.common.cron import check_schedule
from umiak.api.common.job_defaults import default_job_template_spec
from umiak.api.common.job_validation import job_spec
from umiak.api.common.pod_warnings import of_template
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.errors import FieldError, invalid_value, not_supported, required
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


def validate(obj: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    late: list[FieldError] = []
    spec = obj["spec"]
    if not spec.get("schedule"):
        late.append(required("spec.schedule"))
    else:
        _schedule(spec["schedule"], errors)
    nonnegative(spec, "startingDeadlineSeconds", "spec", errors)
    if spec.get("timeZone") is not None:
        _time_zone(spec["timeZone"], errors)
    policies = ("Allow", "Forbid", "Replace")
    if spec["concurrencyPolicy"] not in policies:
        errors.append(not_supported("spec.concurrencyPolicy", spec["concurrencyPolicy"], policies))
    _template(spec["jobTemplate"]["spec"], errors)
    nonnegative(spec, "successfulJobsHistoryLimit", "spec", errors)
    nonnegative(spec, "failedJobsHistoryLimit", "spec", errors)
    name = (obj.get("metadata") or {}).get("name") or ""
    if len(name) > 52:
        errors.append(invalid_value("metadata.name", name, "must be no more than 52 characters"))
    return errors + late


def _schedule(schedule: str, errors: list[FieldError]) -> None:
    fault = check_schedule(schedule)
    if fault:
        errors.append(invalid_value("spec.schedule", schedule, fault))
    if "TZ" in schedule:
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        errors.append(invalid_value("spec.schedule", schedule, text))


def _time_zone(zone: str, errors: list[FieldError]) -> None:
    path = "spec.timeZone"
    if not zone:
        errors.append(invalid_value(path, zone, "timeZone must be nil or non-empty string"))
        return
    if any(part in (".", "..") or not re.fullmatch(r"[A-Za-z0-9_+][A-Za-z0-9._+-]*", part) for part in zone.split("/")):
        errors.append(invalid_value(path, zone, f"unknown time zone {zone}"))
        return
    if zone.lower() == "local":
        text = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        errors.append(invalid_value(path, zone, text))
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        errors.append(invalid_value(path, zone, f"unknown time zone {zone}"))


def _template(spec: Object, errors: list[FieldError]) -> None:
    path = "spec.jobTemplate.spec"
    job_spec(spec, path, errors)
    if spec.get("selector") is not None:
        errors.append(invalid_value(f"{path}.selector", spec["selector"], "`selector` will be auto-generated"))
    if spec.get("manualSelector"):
        errors.append(not_supported(f"{path}.manualSelector", True, ("nil", "false")))


def suspend(obj: Object, now: float) -> Any:
    value = (obj.get("spec") or {}).get("suspend")
    return UNSET if value is None else str(value)


def last_schedule(obj: Object, now: float) -> Any:
    last = (obj.get("status") or {}).get("lastScheduleTime")
    return cells.since(last, now) if last else NONE


KIND = builtin(
    "batch/v1",
    "CronJob",
    drop=lambda obj: switched_off.of_job(obj["spec"]["jobTemplate"]["spec"]),
    default=default,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=only_status,
    validate=validate,
    warnings=of_template("spec", "jobTemplate", "spec", "template", use="Pod names and hostnames"),
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

"""Starts a CronJob's Jobs when they are due, and keeps as many finished ones as wanted."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from umiak.api.batch import cronjob
from umiak.api.batch import job as jobs
from umiak.controllers._act import delete_if_there, has_cause, is_code
from umiak.controllers._jobs import is_finished
from umiak.controllers._memory import Memory
from umiak.controllers._pods import is_true
from umiak.controllers._schedule import Missed, due_time, until_next
from umiak.controllers._status import compact
from umiak.objects import meta
from umiak.objects.cron import InvalidSchedule, Schedule, load_zone, parse
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Context, Controller, Outcome, RetryAfter, owner_keys

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
RFC1123 = "%a, %d %b %Y %H:%M:%S +0000"
NEVER = "time difference between two schedules is less than 1 second"
SEEN: Memory[tuple[str, ...]] = Memory()
"""By the keys of CronJobs: uid, schedule and time zone when last looked at."""
REFUSED = RetryAfter(timedelta(seconds=1))


def finish_of(job: Object) -> str:
    """Complete, Failed, or nothing."""
    return next((t for t in ("Complete", "Failed") if is_true(job, t)), "")


def job_name(cron: Object, due: datetime) -> str:
    """One per minute, so that no run can be started twice."""
    return f"{meta.name(cron)}-{int(due.timestamp()) // 60}"


def new_job(cron: Object, due: datetime, zone: tzinfo) -> Object:
    template = cron["spec"]["jobTemplate"]
    about = meta.metadata(template)
    local = due.astimezone(zone)
    stamp = meta.format_time(due) if local.utcoffset() == timedelta(0) else local.isoformat(timespec="seconds")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(cron, due),
            "namespace": meta.namespace(cron),
            "labels": dict(about.get("labels") or {}),
            "annotations": {**(about.get("annotations") or {}), SCHEDULED_AT: stamp},
            "ownerReferences": [meta.owner_reference(cron)],
        },
        "spec": template["spec"],
    }


def reference(job: Object) -> Object:
    return {
        "kind": "Job",
        "namespace": meta.namespace(job),
        "name": meta.name(job),
        "uid": meta.uid(job),
        "apiVersion": "batch/v1",
        "resourceVersion": meta.resource_version(job),
    }


def expendable(cron: Object, mine: Sequence[Object]) -> list[Object]:
    """The oldest finished Jobs beyond the history limits."""
    found = []
    for field, end in (("successfulJobsHistoryLimit", "Complete"), ("failedJobsHistoryLimit", "Failed")):
        limit = cron["spec"].get(field)
        if limit is None:
            continue
        ended = sorted((j for j in mine if finish_of(j) == end), key=_started)
        found += ended[: max(0, len(ended) - limit)]
    return found


def _started(job: Object) -> tuple[bool, str, str]:
    start = (job.get("status") or {}).get("startTime") or ""
    return start == "", start, meta.name(job)


class Run:
    """One look at a CronJob; `status` becomes what it should be."""

    def __init__(self, ctx: Context, cron: Object) -> None:
        self.ctx, self.cron, self.spec = ctx, cron, cron["spec"]
        self.status: Object = dict(cron.get("status") or {})
        self.now = ctx.clock.now()

    def tell(self, type: str, reason: str, message: str) -> None:
        self.ctx.events.event(self.cron, type, reason, message)

    @property
    def active(self) -> list[Object]:
        return self.status.get("active") or []

    def is_active(self, uid: str) -> bool:
        return any(r.get("uid") == uid for r in self.active)

    def drop_active(self, uid: str) -> None:
        self.status["active"] = [r for r in self.active if r.get("uid") != uid]

    # keeping track of Jobs

    async def clean_up(self, mine: Sequence[Object]) -> None:
        for job in expendable(self.cron, mine):
            await self.delete(job)

    async def delete(self, job: Object) -> bool:
        """Whether the Job is gone or going."""
        try:
            await delete_if_there(self.ctx, jobs.KIND, job, "Background")
        except StatusError as error:
            self.tell("Warning", "FailedDelete", f"Deleted job: {error}")
            return False
        self.drop_active(meta.uid(job))
        self.tell("Normal", "SuccessfulDelete", f"Deleted job {meta.name(job)}")
        return True

    async def follow(self, mine: Sequence[Object]) -> None:
        """Takes ended Jobs off the list of active ones, and those that are gone."""
        for job in mine:
            if is_finished(job):
                self._note_end(job)
            elif not self.is_active(meta.uid(job)):
                message = f"Saw a job that the controller did not create or forgot: {meta.name(job)}"
                self.tell("Warning", "UnexpectedJob", message)
        known = {meta.uid(j) for j in mine}
        for ref in [r for r in self.active if r.get("uid") not in known]:
            if await self._fetch(ref) is None:
                self.tell("Normal", "MissingJob", f"Active job went missing: {ref['name']}")
                self.drop_active(ref.get("uid") or "")

    def _note_end(self, job: Object) -> None:
        if self.is_active(meta.uid(job)):
            self.drop_active(meta.uid(job))
            message = f"Saw completed job: {meta.name(job)}, condition: {finish_of(job)}"
            self.tell("Normal", "SawCompletedJob", message)
        completed = (job.get("status") or {}).get("completionTime") or ""
        if finish_of(job) == "Complete" and completed > (self.status.get("lastSuccessfulTime") or ""):
            self.status["lastSuccessfulTime"] = completed

    async def _fetch(self, ref: Object) -> Object | None:
        try:
            return await self.ctx.client.get(jobs.KIND, ref["name"], ref.get("namespace") or "")
        except StatusError as error:
            if is_code(error, 404):
                return None
            raise

    # starting Jobs

    def _zone(self) -> tzinfo:
        return load_zone(self.spec.get("timeZone") or "")

    def _schedule(self, zone: tzinfo) -> Schedule:
        text = self.spec["schedule"]
        if "TZ" in text:
            link = "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/"
            message = (
                f'CRON_TZ or TZ used in schedule "{text}" is not officially supported, see {link} for more details'
            )
            self.tell("Warning", "UnsupportedSchedule", message)
        return parse(text, zone)

    async def start(self) -> Outcome:
        """Starts the Job that is due, if any; says when the next one is."""
        name = self.spec.get("timeZone") or ""
        try:
            zone = self._zone()
        except InvalidSchedule as error:
            self.tell("Warning", "UnknownTimeZone", f'invalid timeZone: "{name}": {error}')
            return DONE
        if self.spec.get("suspend"):
            return DONE
        try:
            schedule = self._schedule(zone)
        except InvalidSchedule as error:
            self.tell("Warning", "UnparseableSchedule", f'unparseable schedule: "{self.spec["schedule"]}" : {error}')
            return DONE
        return self._next(schedule) if self._is_rescheduled() else await self._start(schedule, zone)

    def _is_rescheduled(self) -> bool:
        """Whether the schedule is another than before: then its next run counts, none of the past."""
        seen, key = SEEN.of(self.ctx), meta.key(self.cron)
        before, now = seen.get(key), (meta.uid(self.cron), self.spec["schedule"], self.spec.get("timeZone") or "")
        seen[key] = now
        return before is not None and before[0] == now[0] and before != now

    async def _start(self, schedule: Schedule, zone: tzinfo) -> Outcome:
        due, missed = due_time(self.cron, self.status, self.now, schedule)
        if missed is Missed.MANY and due is not None:
            advice = "Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            self.tell("Warning", "TooManyMissedTimes", f"too many missed start times. {advice}")
        if missed is Missed.NEVER:
            self.tell("Warning", "InvalidSchedule", f"invalid schedule: {self.spec['schedule']} : {NEVER}")
            return DONE
        if due is None or not self._may_start(due):
            return self._next(schedule)
        if self.spec.get("concurrencyPolicy") == "Replace" and not await self._end_active():
            return REFUSED
        if await self._create(due, zone):
            return self._next(schedule)
        return DONE

    def _next(self, schedule: Schedule) -> Outcome:
        wait = until_next(self.cron, self.status, self.now, schedule)
        return DONE if wait is None else RetryAfter(wait)

    def _may_start(self, due: datetime) -> bool:
        deadline = self.spec.get("startingDeadlineSeconds")
        if deadline is not None and due + timedelta(seconds=deadline) < self.now:
            when = due.astimezone(load_zone("")).strftime(RFC1123)
            self.tell("Warning", "MissSchedule", f"Missed scheduled time to start a job: {when}")
            return False
        name, last = job_name(self.cron, due), self.status.get("lastScheduleTime")
        if any(r.get("name") == name for r in self.active) or (last and meta.parse_time(last) == due):
            return False
        if self.spec.get("concurrencyPolicy") == "Forbid" and self.active:
            message = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self.tell("Normal", "JobAlreadyActive", message)
            return False
        return True

    async def _end_active(self) -> bool:
        """Deletes the Jobs that the new one replaces; False when one could not be."""
        for ref in list(self.active):
            try:
                job = await self.ctx.client.get(jobs.KIND, ref["name"], ref.get("namespace") or "")
            except StatusError as error:
                self.tell("Warning", "FailedGet", f"Get job: {error}")
                return False
            if not await self.delete(job):
                return False
        return True

    async def _create(self, due: datetime, zone: tzinfo) -> bool:
        """Whether the run is ours and noted."""
        wanted = new_job(self.cron, due, zone)
        try:
            made = await self.ctx.client.create(jobs.KIND, wanted)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                if not has_cause(error, "NamespaceTerminating"):
                    self.tell("Warning", "FailedCreate", f"Error creating job: {error}")
                raise
            made = await self.ctx.client.get(jobs.KIND, meta.name(wanted), meta.namespace(wanted))
            owner = meta.controller_of(made) or {}
            if owner.get("uid") != meta.uid(self.cron) or self.is_active(meta.uid(made)):
                return False
        else:
            self.tell("Normal", "SuccessfulCreate", f"Created job {meta.name(made)}")
        self.status["active"] = [*self.active, reference(made)]
        self.status["lastScheduleTime"] = meta.format_time(due)
        return True


async def reconcile(ctx: Context, key: Key) -> Outcome:
    cron = ctx.cache.get(cronjob.KIND, key)
    if cron is None:
        SEEN.of(ctx).pop(key, None)
        return DONE
    mine = [
        j
        for j in ctx.cache.owned(jobs.KIND, meta.uid(cron))
        if (meta.controller_of(j) or {}).get("uid") == meta.uid(cron)
    ]
    run = Run(ctx, cron)
    outcome: Outcome = DONE
    try:
        await run.clean_up(mine)
        await run.follow(mine)
        if not meta.is_being_deleted(cron):
            outcome = await run.start()
    finally:
        status = compact(run.status)
        if status != (cron.get("status") or {}):
            await ctx.client.update(cronjob.KIND, {**cron, "status": status}, subresource="status")
    return outcome


CONTROLLER = Controller(
    name="cronjob-controller",
    watches=cronjob.KIND,
    reconcile=reconcile,
    also=(Also(jobs.KIND, owner_keys(cronjob.KIND)),),
)

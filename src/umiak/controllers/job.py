"""Runs a Job's pods to their end and counts them.

A look goes: judge (`_jobs.View`), delete or make pods, note ended pods in the status, take their finalizers, turn notes
into counts, and when nothing runs any more say that the Job is complete or failed.
"""

from collections.abc import Sequence

import msgspec

from umiak.api.batch import job as jobs
from umiak.api.core import pod as pods
from umiak.controllers._act import create_pod, delete_pod, every, is_code, slow_start
from umiak.controllers._claims import candidates, claim, selector_of, waking_keys
from umiak.controllers._jobs import (
    FINALIZER,
    MAX_BATCH,
    Failures,
    View,
    completions,
    index_of,
    is_failed,
    is_finished,
    is_indexed,
    is_managed_elsewhere,
    is_suspended,
    is_tracked,
    match_failure,
    new_condition,
)
from umiak.controllers._memory import Memory
from umiak.controllers._pods import is_ready, phase
from umiak.controllers._status import compact, find_condition
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.cache import parse_version
from umiak.reconcile.contract import DONE, Also, Context, Controller, Outcome, RetryAfter

KEPT = ("ready", "terminating", "uncountedTerminatedPods", "failedIndexes")
UNTRACK = {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}


class Known(msgspec.Struct):
    """What is remembered of a Job from one look to the next."""

    uid: str = ""
    failures: Failures = msgspec.field(default_factory=Failures)
    """Recent ones, for the wait before the next pod."""
    version: int = 0
    """The newest of the Job's that is known to count nothing that the cache does not show as counted."""


KNOWN: Memory[Known] = Memory()
"""By the keys of Jobs."""


# Pods


async def untrack(ctx: Context, pod: Object, *, unchanged: bool = False) -> None:
    """Takes the Job's finalizer off the pod, if it is still there; raises a conflict when that pod was to be
    `unchanged` and is not: it may have ended meanwhile, and then it counts."""
    only = {"resourceVersion": meta.resource_version(pod)} if unchanged else {"uid": meta.uid(pod)}
    patch = {"metadata": {**only, **UNTRACK}}
    try:
        await ctx.client.patch(pods.KIND, meta.name(pod), meta.namespace(pod), patch, type="strategic")
    except StatusError as error:
        if error.code != 404:
            raise


async def _delete(ctx: Context, view: View, victims: Sequence[Object], *, untracked: bool) -> Exception | None:
    """Deletes active pods and keeps the view's numbers; the first error, once all were tried."""

    async def remove(pod: Object) -> None:
        if untracked and is_tracked(pod):
            await untrack(ctx, pod, unchanged=True)
        await delete_pod(ctx, view.job, pod)
        view.active -= 1
        view.terminating += 1
        view.ready -= is_ready(pod)

    try:
        await every(remove(pod) for pod in victims)
    except Exception as error:
        return error
    return None


async def _create(ctx: Context, view: View) -> Exception | None:
    indexes = view.to_create()

    async def make(number: int) -> Object | None:
        return await create_pod(ctx, view.job, view.new_pod(indexes[number]))

    made = await slow_start(len(indexes), make)
    view.active += len(made)
    return made.error


async def _manage(ctx: Context, view: View) -> Exception | None:
    """Deletes what is too much, else makes what is missing."""
    surplus = view.surplus()
    if surplus or is_suspended(view.job):
        gone = {meta.uid(p) for p in surplus}
        error = await _delete(ctx, view, surplus, untracked=True)
        view.pods = [p for p in view.pods if meta.uid(p) not in gone]
        return error
    return await _create(ctx, view)


# Conditions


def put_suspended(view: View) -> tuple[str, str] | None:
    """Brings the Suspended condition up to date; the event to tell when it changed."""
    suspended = is_suspended(view.job)
    reason, message = ("JobSuspended", "Job suspended") if suspended else ("JobResumed", "Job resumed")
    value = "True" if suspended else "False"
    known = find_condition(view.status, "Suspended")
    if known is None and not suspended:
        return None
    if known is not None and (known["status"], known.get("reason"), known.get("message")) == (value, reason, message):
        return None
    _put(view.status, new_condition("Suspended", value, reason, message, view.now))
    view.status["startTime"] = None if suspended else meta.format_time(view.now)
    return ("Suspended", message) if suspended else ("Resumed", message)


def _put(status: Object, condition: Object) -> None:
    """Replaces the condition of that type where it stands, or appends it."""
    known = status.get("conditions") or []
    if any(c["type"] == condition["type"] for c in known):
        status["conditions"] = [condition if c["type"] == condition["type"] else c for c in known]
    else:
        status["conditions"] = [*known, condition]


def announce_end(view: View) -> None:
    """Notes that the Job is about to end; from now on `finish` is the condition that says it has (KEP-4368)."""
    if view.finish is None:
        return
    if view.finish["type"] == "FailureTarget":
        _put(view.status, view.finish)
        view.finish = view.failed_after(view.finish)
    elif view.finish["type"] == "SuccessCriteriaMet":
        if find_condition(view.status, "SuccessCriteriaMet") is None:
            _put(view.status, view.finish)
        reason, message = view.finish.get("reason") or "", view.finish.get("message") or ""
        view.finish = new_condition("Complete", "True", reason, message, view.now)


def put_end(view: View) -> bool:
    """Says that the Job has ended, once all its pods have and are counted; whether it did."""
    if view.finish is None or view.status["uncountedTerminatedPods"] or view.terminating > 0:
        return False
    _put(view.status, view.finish)
    if view.finish["type"] == "Complete":
        view.status["completionTime"] = view.finish["lastTransitionTime"]
    return True


# Counting


def count_released(status: Object, tracked: set[str]) -> None:
    """Turns notes of pods that have lost their finalizer into counts."""
    notes = status["uncountedTerminatedPods"]
    for field in ("succeeded", "failed"):
        kept = [uid for uid in notes.get(field) or () if uid in tracked]
        status[field] = (status.get(field) or 0) + len(notes.get(field) or ()) - len(kept)
        notes.pop(field, None)
        if kept:
            notes[field] = kept


class Ended:
    """Goes through the pods and notes those that have ended."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.release: list[Object] = []
        self.full = False
        """Whether some had to be left for the next time."""
        self._new_indexes: set[int] = set()
        succeeds = view.finish is not None and view.finish["type"] == "SuccessCriteriaMet"
        self._all_fail = view.finish is not None and not succeeds
        for pod in sorted(view.pods, key=lambda p: -1 if index_of(p) is None else index_of(p) or 0):
            if is_tracked(pod) and view.may_let_go(pod) and not self.full:
                self.release.append(pod)
                self._note(pod)
                self.full = self._noted() >= MAX_BATCH

    def _noted(self) -> int:
        return len(self._new_indexes) + sum(map(len, self.view.status["uncountedTerminatedPods"].values()))

    def _note(self, pod: Object) -> None:
        view, uid = self.view, meta.uid(pod)
        index, indexed = index_of(pod), is_indexed(view.job)
        valid = not indexed or (index is not None and index < (completions(view.job) or 0))
        if phase(pod) == "Succeeded" and uid not in view.noted_failed:
            if indexed and valid and index is not None and index not in view.known_succeeded:
                self._new_indexes.add(index)
            elif not indexed and uid not in view.noted_succeeded:
                self._write("succeeded", uid)
        elif valid and uid not in view.noted_failed and (is_failed(pod, view.job) or self._all_fail):
            self._note_failure(pod)

    def _note_failure(self, pod: Object) -> None:
        if match_failure(self.view.job, pod).counts:
            self._write("failed", meta.uid(pod))

    def _write(self, field: str, uid: str) -> None:
        self.view.status["uncountedTerminatedPods"].setdefault(field, []).append(uid)

    def put_indexes(self) -> None:
        view = self.view
        if not is_indexed(view.job):
            return
        indexes = view.known_succeeded | type(view.known_succeeded).of(self._new_indexes)
        view.status["completedIndexes"] = str(indexes)
        view.status["succeeded"] = len(indexes)
        view.status["failedIndexes"] = None if view.failed_indexes is None else str(view.failed_indexes)


async def _flush(ctx: Context, view: View) -> None:
    """Writes the status if it differs from what the server has."""
    status = compact(view.status, keep=KEPT)
    if view.failed_indexes is None:
        status.pop("failedIndexes", None)
    if status != (view.job.get("status") or {}):
        view.job = await ctx.client.update(jobs.KIND, {**view.job, "status": status}, subresource="status")
        _known(ctx, view.job).version = parse_version(meta.resource_version(view.job))


async def _track(ctx: Context, view: View) -> None:
    view.status |= {"active": view.active, "ready": view.ready, "terminating": view.terminating}
    tracked = {meta.uid(p) for p in view.pods if is_tracked(p)}
    count_released(view.status, tracked)
    ended = Ended(view)
    ended.put_indexes()
    announce_end(view)
    await _flush(ctx, view)
    _known(ctx, view.job).failures = view.failures
    error = await _release(ctx, ended.release, tracked)
    count_released(view.status, tracked)
    finished = error is None and not ended.full and put_end(view)
    await _flush(ctx, view)
    if error is not None:
        raise error
    if finished:
        _tell_end(ctx, view)


async def _release(ctx: Context, ended: Sequence[Object], tracked: set[str]) -> Exception | None:
    async def let_go(pod: Object) -> None:
        await untrack(ctx, pod)
        tracked.discard(meta.uid(pod))

    try:
        await every(let_go(pod) for pod in ended)
    except Exception as error:
        return error
    return None


def _tell_end(ctx: Context, view: View) -> None:
    finish = view.finish or {}
    if finish["type"] != "Complete":
        ctx.events.event(view.job, "Warning", finish["reason"], finish["message"])
        return
    total = completions(view.job)
    if total is not None and (view.status.get("succeeded") or 0) > total:
        message = "Too many succeeded pods running after completion count reached"
        ctx.events.event(view.job, "Warning", "TooManySucceededPods", message)
    ctx.events.event(view.job, "Normal", "Completed", "Job completed")


# The whole


def _known(ctx: Context, job: Object) -> Known:
    known = KNOWN.of(ctx).get(meta.key(job))
    if known is None or known.uid != meta.uid(job):
        known = KNOWN.of(ctx)[meta.key(job)] = Known(meta.uid(job))
    return known


async def _see_counted(ctx: Context, job: Object) -> None:
    """Has the cache show at least those pods as let go that the Job has counted, lest they are counted again.

    It may lag behind a Job that another leader wrote; our own writes it shows. (The reference counts twice then.)
    """
    version, known = parse_version(meta.resource_version(job)), _known(ctx, job)
    if known.version == version:
        return
    held = [meta.key(p) for p in ctx.cache.owned(pods.KIND, meta.uid(job)) if is_tracked(p)]
    notes = (job.get("status") or {}).get("uncountedTerminatedPods")
    if (held or notes) and ctx.cache.position(pods.KIND) < version:
        await ctx.inquiry.catch_up(pods.KIND, meta.namespace(job), str(selector_of(job)), held)
    known.version = version


async def _own_pods(ctx: Context, job: Object) -> list[Object]:
    await _see_counted(ctx, job)
    selector = selector_of(job)
    known = candidates(ctx.cache, pods.KIND, job, selector)
    return await claim(ctx, pods.KIND, jobs.KIND, job, selector, known, (FINALIZER,))


async def _advance(ctx: Context, view: View) -> Exception | None:
    """Ends the active pods of a Job that is to end, else sees to its pods and judges whether it is complete."""
    if view.finish is not None:
        error = await _delete(ctx, view, view.active_pods, untracked=False)
        if view.active > 0:
            view.finish = None  # not before all are told to end
        return error
    managed = not meta.is_being_deleted(view.job)
    error = await _manage(ctx, view) if managed else None
    if view.is_complete():
        view.finish = view.success()
    elif managed:
        told = put_suspended(view)
        if told is not None:
            ctx.events.event(view.job, "Normal", *told)
    return error


async def reconcile(ctx: Context, key: Key) -> Outcome:
    job = ctx.cache.get(jobs.KIND, key)
    if job is None or is_managed_elsewhere(job) or is_finished(job):
        KNOWN.of(ctx).pop(key, None)
        return DONE
    if job["spec"].get("completionMode") not in (None, "NonIndexed", "Indexed"):
        message = "Skipped Job sync because completion mode is unknown"
        ctx.events.event(job, "Warning", "UnknownCompletionMode", message)
        return DONE
    mine = await _own_pods(ctx, job)
    view = View(job, mine, _known(ctx, job).failures, ctx.clock.now())
    error = await _advance(ctx, view)
    try:
        await _track(ctx, view)
    except StatusError as failure:
        if is_code(failure, 404):
            return DONE
        raise
    if error is not None:
        raise error
    return RetryAfter(min(view.waits)) if view.waits and view.finish is None else DONE


CONTROLLER = Controller(
    name="job-controller",
    watches=jobs.KIND,
    reconcile=reconcile,
    also=(Also(pods.KIND, waking_keys(jobs.KIND, selector_of)),),
)

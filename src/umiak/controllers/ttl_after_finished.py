"""Deletes finished Jobs once their time to live has passed."""

from datetime import datetime, timedelta

from umiak.api.batch import job as jobs
from umiak.client.contract import Preconditions
from umiak.controllers._act import is_code
from umiak.controllers._pods import condition, is_true
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Outcome, RetryAfter


def finished_at(job: Object) -> datetime | None:
    ended = next((t for t in ("Complete", "Failed") if is_true(job, t)), None)
    moment = (condition(job, ended) or {}).get("lastTransitionTime") if ended else None
    return meta.parse_time(moment) if moment else None


def time_left(job: Object, now: datetime) -> timedelta | None:
    """How long the Job may stay; None means for ever."""
    ttl, end = job["spec"].get("ttlSecondsAfterFinished"), finished_at(job)
    if ttl is None or end is None or meta.is_being_deleted(job):
        return None
    return end + timedelta(seconds=ttl) - now


async def reconcile(ctx: Context, key: Key) -> Outcome:
    """The delete is bound to the very version that was judged, so a Job that was given more time stays."""
    job = ctx.cache.get(jobs.KIND, key)
    left = None if job is None else time_left(job, ctx.clock.now())
    if job is None or left is None:
        return DONE
    if left > timedelta(0):
        return RetryAfter(left)
    only = Preconditions(uid=meta.uid(job), resource_version=meta.resource_version(job))
    try:
        await ctx.client.delete(jobs.KIND, key.name, key.namespace, only=only, propagation="Foreground")
    except StatusError as error:
        if not is_code(error, 404):
            raise
    return DONE


CONTROLLER = Controller(
    name="ttl-after-finished-controller",
    watches=jobs.KIND,
    reconcile=reconcile,
)

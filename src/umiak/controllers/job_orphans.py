"""Takes the tracking finalizer off pods that no running Job counts any more, so that they can go."""

from collections.abc import Iterable

from umiak.api.batch import job as jobs
from umiak.api.core import pod as pods
from umiak.controllers._jobs import is_finished, is_managed_elsewhere, is_tracked
from umiak.controllers.job import untrack
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome


def is_counted(pod: Object, cache: Cache) -> bool:
    """Whether somebody still answers for the pod: another kind of owner, or a Job that is not finished."""
    owner = meta.controller_of(pod)
    if owner is None:
        return False
    if owner["kind"] != "Job" or owner["apiVersion"] != jobs.KIND.api_version:
        return True
    job = cache.get(jobs.KIND, Key(meta.namespace(pod), owner["name"]))
    if job is None or meta.uid(job) != owner["uid"]:
        return False
    return is_managed_elsewhere(job) or not is_finished(job)


async def reconcile(ctx: Context, key: Key) -> Outcome:
    pod = ctx.cache.get(pods.KIND, key)
    if pod is not None and is_tracked(pod) and not is_counted(pod, ctx.cache):
        await untrack(ctx, pod)
    return DONE


def pod_matters(old: Object | None, new: Object | None) -> bool:
    return new is not None and is_tracked(new)


def keys_of_job(job: Object, cache: Cache) -> Iterable[Key]:
    return [meta.key(p) for p in cache.owned(pods.KIND, meta.uid(job))]


def job_matters(old: Object | None, new: Object | None) -> bool:
    """Pods are let go when the Job is finished or gone."""
    return new is None or is_finished(new)


CONTROLLER = Controller(
    name="job-orphans",
    component="job-controller",
    watches=pods.KIND,
    reconcile=reconcile,
    should_wake=pod_matters,
    also=(Also(jobs.KIND, keys_of_job, job_matters),),
)

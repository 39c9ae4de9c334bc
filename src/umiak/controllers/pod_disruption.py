"""Takes back the DisruptionTarget condition of pods that were to be disrupted but were not."""

from datetime import datetime, timedelta

from umiak.api.core import pod as pods
from umiak.controllers._pods import condition, is_terminal
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Outcome, RetryAfter

TARGET = "DisruptionTarget"
BY_KUBELET = "TerminationByKubelet"
TIMEOUT = timedelta(minutes=2)


def time_left(pod: Object, now: datetime) -> timedelta | None:
    """How long the condition may stay; None when there is none to take back."""
    found = condition(pod, TARGET)
    if found is None or found["status"] != "True" or found.get("reason") == BY_KUBELET:
        return None
    if meta.is_being_deleted(pod) or is_terminal(pod) or not found.get("lastTransitionTime"):
        return None
    return meta.parse_time(found["lastTransitionTime"]) + TIMEOUT - now


def cleared(pod: Object, now: datetime) -> Object:
    """The pod with the condition false."""
    made = {"type": TARGET, "status": "False", "lastProbeTime": None, "lastTransitionTime": meta.format_time(now)}
    conditions = [made if c["type"] == TARGET else c for c in pod["status"]["conditions"]]
    return {**pod, "status": {**pod["status"], "conditions": conditions}}


async def reconcile(ctx: Context, key: Key) -> Outcome:
    pod, now = ctx.cache.get(pods.KIND, key), ctx.clock.now()
    left = None if pod is None else time_left(pod, now)
    if pod is None or left is None:
        return DONE
    if left > timedelta(0):
        return RetryAfter(left)
    await ctx.client.update(pods.KIND, cleared(pod, now), subresource="status")
    return DONE


def matters(old: Object | None, new: Object | None) -> bool:
    return new is not None and condition(new, TARGET) is not None


CONTROLLER = Controller(
    name="pod-disruption",
    component="controllermanager",
    watches=pods.KIND,
    reconcile=reconcile,
    should_wake=matters,
)

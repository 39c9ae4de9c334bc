"""Deletes pods from nodes with NoExecute taints that they do not tolerate, or no longer."""

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.client.contract import Preconditions
from umiak.controllers._pods import is_terminal, node_name
from umiak.controllers._status import new_condition, with_condition
from umiak.controllers._taints import FOREVER, taints, toleration_seconds
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome, RetryAfter

REASON = "TaintManagerEviction"


class Pending(msgspec.Struct):
    """An eviction to come. `since` is when the taints were first seen (monotonic)."""

    uid: str
    since: float


def no_execute(node: Object | None) -> list[Object]:
    return taints(node or {}, "NoExecute")


def pods_of(node: Object, cache: Cache) -> Iterable[Key]:
    return [meta.key(p) for p in cache.on_node(POD, meta.name(node))]


def taints_changed(old: Object | None, new: Object | None) -> bool:
    return no_execute(old) != no_execute(new)


def pod_should_wake(old: Object | None, new: Object | None) -> bool:
    if old is None or new is None:
        return True
    return any(old["spec"].get(f) != new["spec"].get(f) for f in ("tolerations", "nodeName"))


async def reconcile(ctx: Context, key: Key) -> Outcome:
    pending: dict[Key, Pending] = ctx.memory.setdefault("pending", {})
    pod = ctx.cache.get(POD, key)
    node = ctx.cache.get(NODE, Key("", node_name(pod))) if pod is not None and node_name(pod) else None
    found = no_execute(node)
    tolerated = FOREVER if pod is None else toleration_seconds(pod["spec"].get("tolerations") or (), found)
    waiting = pending.get(key)
    if waiting is not None and pod is not None and waiting.uid != meta.uid(pod):
        waiting = None
    if pod is None or not found or tolerated == FOREVER:
        if pending.pop(key, None) is not None and pod is not None:
            _tell(ctx, key, f"Cancelling deletion of Pod {key}")
        return DONE
    now = ctx.clock.monotonic()
    if waiting is None:
        waiting = pending[key] = Pending(meta.uid(pod), now)
    left = (tolerated or 0) - (now - waiting.since)
    if left > 0:
        return RetryAfter(timedelta(seconds=left))
    pending.pop(key, None)
    _tell(ctx, key, f"Marking for deletion Pod {key}")
    await evict(ctx, pod)
    return DONE


def _tell(ctx: Context, key: Key, message: str) -> None:
    about = {"apiVersion": "v1", "kind": "Pod", "name": key.name, "namespace": key.namespace}
    ctx.events.event(about, "Normal", REASON, message)


async def evict(ctx: Context, pod: Object) -> None:
    """Says in the pod's status why, then deletes it."""
    name, namespace = meta.name(pod), meta.namespace(pod)
    try:
        if not is_terminal(pod):
            await _mark(ctx, pod)
        await ctx.client.delete(POD, name, namespace, only=Preconditions(uid=meta.uid(pod)))
    except StatusError as error:
        if error.code != 404:
            raise


async def _mark(ctx: Context, pod: Object) -> None:
    message = "Taint manager: deleting due to NoExecute taint"
    condition = new_condition("DisruptionTarget", "True", "DeletionByTaintManager", message, ctx.clock.now())
    if meta.generation(pod):
        condition["observedGeneration"] = meta.generation(pod)
    change = {"metadata": {"uid": meta.uid(pod)}, "status": with_condition(pod, condition)}
    await ctx.client.patch(POD, meta.name(pod), meta.namespace(pod), change, type="strategic", subresource="status")


CONTROLLER = Controller(
    name="taint-eviction",
    watches=POD,
    reconcile=reconcile,
    also=[Also(NODE, pods_of, should_wake=taints_changed)],
    should_wake=pod_should_wake,
    workers=8,
)

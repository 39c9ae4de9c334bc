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
    """An eviction to come, at `until` (monotonic). Once fixed the time stays, whatever taints come besides."""

    uid: str
    until: float


def no_execute(node: Object | None) -> list[Object]:
    return taints(node or {}, "NoExecute")


def pods_of(node: Object, cache: Cache) -> Iterable[Key]:
    return [meta.key(p) for p in cache.on_node(POD, meta.name(node))]


def taints_changed(old: Object | None, new: Object | None) -> bool:
    return no_execute(old) != no_execute(new)


def pod_should_wake(old: Object | None, new: Object | None) -> bool:
    if old is None or new is None:
        return new is None or bool(node_name(new))
    return any(old["spec"].get(f) != new["spec"].get(f) for f in ("tolerations", "nodeName"))


async def reconcile(ctx: Context, key: Key) -> Outcome:
    pending: dict[Key, Pending] = ctx.memory.setdefault("pending", {})
    pod = ctx.cache.get(POD, key)
    if pod is None:
        return _cancel(ctx, pending, key)
    waiting = pending.get(key)
    if waiting is not None and waiting.uid != meta.uid(pod):
        waiting = None
    node = ctx.cache.get(NODE, Key("", node_name(pod))) if node_name(pod) else None
    if node is not None:
        found = no_execute(node)
        tolerated = toleration_seconds(pod["spec"].get("tolerations") or (), found)
        if not found or tolerated is None or tolerated == FOREVER:
            _cancel(ctx, pending, key)
            return DONE if not found or tolerated == FOREVER else await _evict(ctx, pod, key)
        if waiting is None:
            waiting = pending[key] = Pending(meta.uid(pod), ctx.clock.monotonic() + tolerated)
    if waiting is None:
        return DONE
    left = waiting.until - ctx.clock.monotonic()
    if left > 0:
        return RetryAfter(timedelta(seconds=left))
    del pending[key]
    return await _evict(ctx, pod, key)


def _cancel(ctx: Context, pending: dict[Key, Pending], key: Key) -> Outcome:
    if pending.pop(key, None) is not None:
        _tell(ctx, key, f"Cancelling deletion of Pod {key}")
    return DONE


async def _evict(ctx: Context, pod: Object, key: Key) -> Outcome:
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

"""Removes pods that nobody else will: finished ones beyond 12,500, those of nodes that are gone, and those that
end without ever having had a node or on a node that is marked out of service. Looks every 20 seconds.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta

from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.client.contract import Preconditions, Unreachable
from umiak.controllers._act import every
from umiak.controllers._pods import is_ready, is_terminal, node_name
from umiak.controllers._status import new_condition, with_condition
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import Context, Loop

EVERY = timedelta(seconds=20)
QUARANTINE = timedelta(seconds=40)
"""How long a node must be missing before its pods are lost."""
MOST_FINISHED = 12_500
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
log = logging.getLogger(__name__)


def surplus(pods: Iterable[Object], most: int) -> list[Object]:
    """The finished pods beyond `most`: evicted ones first, then the oldest."""
    finished = [p for p in pods if is_terminal(p)]
    finished.sort(
        key=lambda p: (p["status"].get("reason") != "Evicted", meta.metadata(p)["creationTimestamp"], meta.name(p))
    )
    return finished[: max(0, len(finished) - most)]


def is_out_of_service(node: Object | None) -> bool:
    """Not ready, and marked by an administrator."""
    taints = (node or {}).get("spec", {}).get("taints") or ()
    return node is not None and not is_ready(node) and any(t["key"] == OUT_OF_SERVICE for t in taints)


def is_stuck(pod: Object, nodes: dict[str, Object]) -> bool:
    """Whether the pod is being deleted with nobody there to end it."""
    name = node_name(pod)
    return meta.is_being_deleted(pod) and (not name or is_out_of_service(nodes.get(name)))


def failed(pod: Object, message: str, ctx: Context) -> Object:
    """The change to the pod's status that makes it failed; `message` says why when that is a disruption."""
    status: Object = {"phase": "Failed"}
    if message:
        condition = new_condition("DisruptionTarget", "True", "DeletionByPodGC", message, ctx.clock.now())
        if meta.generation(pod):
            condition["observedGeneration"] = meta.generation(pod)
        status |= with_condition(pod, condition)
    return status


async def remove(ctx: Context, pod: Object, message: str = "") -> None:
    """Marks the pod failed, since no node will, and deletes it at once."""
    name, namespace = meta.name(pod), meta.namespace(pod)
    try:
        if not is_terminal(pod):
            change = {"metadata": {"uid": meta.uid(pod)}, "status": failed(pod, message, ctx)}
            await ctx.client.patch(POD, name, namespace, change, type="strategic", subresource="status")
        await ctx.client.delete(POD, name, namespace, only=Preconditions(uid=meta.uid(pod)), grace_seconds=0)
    except (StatusError, Unreachable) as error:
        if not (isinstance(error, StatusError) and error.code == 404):
            log.warning("cannot remove pod %s/%s: %s", namespace, name, error)


async def lost_nodes(ctx: Context, pods: Iterable[Object], nodes: dict[str, Object]) -> set[str]:
    """Names of nodes that pods claim but that have been missing for long enough, also to the server's knowledge."""
    now = ctx.clock.monotonic()
    missing: dict[str, float] = ctx.memory.setdefault("missing", {})
    claimed = {node_name(p) for p in pods} - {""}
    for name in set(missing) - claimed | set(missing) & set(nodes):
        del missing[name]
    for name in claimed - set(nodes):
        missing.setdefault(name, now)
    due = [name for name, since in missing.items() if now - since >= QUARANTINE.total_seconds()]
    return {name for name in due if not await _exists(ctx, name)}


async def _exists(ctx: Context, name: str) -> bool:
    try:
        await ctx.client.get(NODE, name)
    except (StatusError, Unreachable) as error:
        return not (isinstance(error, StatusError) and error.code == 404)
    return True


async def look(ctx: Context) -> None:
    pods = ctx.cache.list(POD)
    nodes = {meta.name(n): n for n in ctx.cache.list(NODE)}
    lost = await lost_nodes(ctx, pods, nodes)
    orphans = [p for p in pods if node_name(p) in lost]
    others = {meta.uid(p): p for p in [*surplus(pods, MOST_FINISHED), *(p for p in pods if is_stuck(p, nodes))]}
    await every(remove(ctx, p, "PodGC: node no longer exists") for p in orphans)
    await every(remove(ctx, p) for p in others.values() if ctx.cache.get(POD, Key(meta.namespace(p), meta.name(p))))


async def run(ctx: Context) -> None:
    while True:
        await look(ctx)
        await ctx.clock.sleep(EVERY.total_seconds())


CONTROLLER = Loop(name="pod-garbage-collector", run=run, reads=(POD, NODE))

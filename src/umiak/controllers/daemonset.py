"""Keeps one pod of a DaemonSet on each node that suits it."""

from collections.abc import Sequence
from datetime import timedelta

from umiak.api.apps import controllerrevision, daemonset
from umiak.api.core import node as nodes
from umiak.api.core import pod as pods
from umiak.controllers import _daemons as daemons
from umiak.controllers import _revisions as revisions
from umiak.controllers._act import Batch, create_pod, delete_if_there, delete_pod, every, slow_start, write_status
from umiak.controllers._claims import candidates, claim, selector_of, waking_keys
from umiak.controllers._daemons import Moves, Snapshot
from umiak.controllers._hash import template_hash
from umiak.controllers._pods import until_next_available
from umiak.controllers._status import compact
from umiak.controllers._waits import Waits
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome, RetryAfter

BURST = 250
"""Most pods made, and most deleted, in one go."""
FAILED_PODS = Waits(first=1, limit=15 * 60)
"""How long a node's failed pods are left before the next one is replaced."""
NUMBERS = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")


def status_of(snapshot: Snapshot) -> Object:
    found = snapshot.counts()
    numbers = {
        "currentNumberScheduled": found["current"],
        "numberMisscheduled": found["misscheduled"],
        "desiredNumberScheduled": snapshot.desired,
        "numberReady": found["ready"],
        "updatedNumberScheduled": found["updated"],
        "numberAvailable": found["available"],
        "numberUnavailable": snapshot.desired - found["available"],
        "observedGeneration": meta.generation(snapshot.ds),
    }
    return compact({**(snapshot.ds.get("status") or {}), **numbers}, keep=NUMBERS)


# History


async def _snapshot_revision(ctx: Context, ds: Object, data: Object, number: int) -> Object:
    """Records the present template. Another revision of that name means a hash collision: count it, try again."""
    template = ds["spec"]["template"]
    hashed = template_hash(template, (ds.get("status") or {}).get("collisionCount"))
    labels = {**meta.labels(template), revisions.LABEL: hashed}
    made = revisions.new_revision(ds, f"{meta.name(ds)}-{hashed}", labels, data, number)
    if meta.annotations(ds):
        made["metadata"]["annotations"] = meta.annotations(ds)
    try:
        return await ctx.client.create(controllerrevision.KIND, made)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
        found = await ctx.client.get(controllerrevision.KIND, meta.name(made), meta.namespace(made))
        if revisions.records(found, data):
            return found
        status = dict(ds.get("status") or {})
        status["collisionCount"] = (status.get("collisionCount") or 0) + 1
        await write_status(ctx, daemonset.KIND, ds, status)
        raise


async def _merge_twins(ctx: Context, twins: Sequence[Object], mine: Sequence[Object]) -> Object:
    """Keeps the newest of several revisions with the same template; pods of the others join it."""
    keep, label = twins[-1], revisions.LABEL
    wanted = meta.labels(keep).get(label)
    for pod in mine if len(twins) > 1 else ():
        if meta.labels(pod).get(label) != wanted:
            patch = {"metadata": {"labels": {label: wanted}}}
            await ctx.client.patch(pods.KIND, meta.name(pod), meta.namespace(pod), patch)
    for twin in twins[:-1]:
        await delete_if_there(ctx, controllerrevision.KIND, twin)
    return keep


async def _history(ctx: Context, ds: Object, mine: Sequence[Object]) -> tuple[str, list[Object]]:
    """The hash of the present revision, made if need be, and the old revisions."""
    data = revisions.template_patch(ds)
    known = await revisions.claim_all(ctx, daemonset.KIND, ds, selector_of(ds))
    twins = [r for r in known if revisions.records(r, data)]
    old = [r for r in known if not revisions.records(r, data)]
    number = revisions.highest(old) + 1
    if twins:
        present = await _merge_twins(ctx, twins, mine)
        if revisions.number(present) < number:
            present = await revisions.renumber(ctx, present, number)
    else:
        present = await _snapshot_revision(ctx, ds, data, number)
    return meta.labels(present).get(revisions.LABEL) or meta.name(present), old


async def _clean_up(ctx: Context, ds: Object, old: Sequence[Object], mine: Sequence[Object]) -> None:
    limit = ds["spec"].get("revisionHistoryLimit")
    live = {meta.labels(p).get(revisions.LABEL, "") for p in mine}
    for revision in revisions.expendable(old, live, 10 if limit is None else limit):
        await delete_if_there(ctx, controllerrevision.KIND, revision)


# Acting


def _tell_finished(ctx: Context, ds: Object, moves: Moves) -> timedelta | None:
    """Adds finished pods to those to delete, as far as their wait is over; the shortest wait left."""
    left: list[timedelta] = []
    for node, pod in moves.failed:
        waiting = FAILED_PODS.left(ctx, (meta.uid(ds), _observed(ds), node))
        if waiting:
            left.append(waiting)
            continue
        FAILED_PODS.again(ctx, (meta.uid(ds), _observed(ds), node))
        message = f"Found failed daemon pod {meta.key(pod)} on node {node}, will try to kill it"
        ctx.events.event(ds, "Warning", "FailedDaemonPod", message)
        moves.delete.append(pod)
    for node, pod in moves.succeeded:
        message = f"Found succeeded daemon pod {meta.key(pod)} on node {node}, will try to delete it"
        ctx.events.event(ds, "Normal", "SucceededDaemonPod", message)
        moves.delete.append(pod)
    return min(left, default=None)


def _observed(ds: Object) -> int:
    return (ds.get("status") or {}).get("observedGeneration") or 0


async def _carry_out(ctx: Context, ds: Object, moves: Moves, revision_hash: str) -> None:
    async def make(index: int) -> Object | None:
        return await create_pod(ctx, ds, daemons.new_pod(ds, moves.create[index], revision_hash))

    made: Batch[Object] = await slow_start(min(len(moves.create), BURST), make)
    await every(delete_pod(ctx, ds, pod) for pod in moves.delete[:BURST])
    if made.error is not None:
        raise made.error


async def _own_pods(ctx: Context, ds: Object) -> list[Object]:
    selector = selector_of(ds)
    known = candidates(ctx.cache, pods.KIND, ds, selector)
    return await claim(ctx, pods.KIND, daemonset.KIND, ds, selector, known)


def _look(ctx: Context, ds: Object, all_nodes: Sequence[Object], revision_hash: str) -> Snapshot:
    """The present state, our own writes included."""
    labels = selector_of(ds)
    mine = [p for p in ctx.cache.owned(pods.KIND, meta.uid(ds)) if labels.matches(meta.labels(p))]
    return Snapshot(ds, all_nodes, mine, revision_hash, ctx.clock.now())


async def _manage(ctx: Context, snapshot: Snapshot) -> timedelta | None:
    """Places pods; when all are in place, goes on with the update. How long a failed pod still waits, if any."""
    ds, moves = snapshot.ds, snapshot.place()
    left = _tell_finished(ctx, ds, moves)
    if moves.create or moves.delete:
        await _carry_out(ctx, ds, moves, snapshot.hash)
    elif daemons.is_rolling(ds):
        await _carry_out(ctx, ds, snapshot.update(), snapshot.hash)
    return left


def _next_look(snapshot: Snapshot, left: timedelta | None) -> Outcome:
    waits = [] if left is None else [left]
    if daemons.min_ready(snapshot.ds):
        every_pod = (p for found in snapshot.pods.values() for p in found)
        soonest = until_next_available(every_pod, daemons.min_ready(snapshot.ds), snapshot.now)
        waits += [] if soonest is None else [soonest]
    return RetryAfter(min(waits)) if waits else DONE


async def reconcile(ctx: Context, key: Key) -> Outcome:
    ds = ctx.cache.get(daemonset.KIND, key)
    if ds is None:
        return DONE
    if not ds["spec"]["selector"]:
        message = "This daemon set is selecting all pods. A non-empty selector is required."
        ctx.events.event(ds, "Warning", "SelectingAll", message)
        return DONE
    if meta.is_being_deleted(ds):
        return DONE
    mine = await _own_pods(ctx, ds)
    revision_hash, old = await _history(ctx, ds, mine)
    all_nodes = sorted(ctx.cache.list(nodes.KIND), key=meta.name)
    error, left = None, None
    try:
        left = await _manage(ctx, Snapshot(ds, all_nodes, mine, revision_hash, ctx.clock.now()))
        await _clean_up(ctx, ds, old, mine)
    except Exception as failure:  # the status is told all the same
        error = failure
    after = _look(ctx, ds, all_nodes, revision_hash)
    status = status_of(after)
    if status != (ds.get("status") or {}):
        await write_status(ctx, daemonset.KIND, ds, status)
    if error is not None:
        raise error
    return _next_look(after, left)


# Waking


def node_matters(old: Object | None, new: Object | None) -> bool:
    """Labels and taints decide where daemons run; a node's status does not."""
    if old is None or new is None:
        return True
    return meta.labels(old) != meta.labels(new) or old["spec"].get("taints") != new["spec"].get("taints")


def keys_of_node(node: Object, cache: Cache) -> list[Key]:
    return cache.keys(daemonset.KIND)


CONTROLLER = Controller(
    name="daemonset-controller",
    watches=daemonset.KIND,
    reconcile=reconcile,
    also=(
        Also(pods.KIND, waking_keys(daemonset.KIND, selector_of), of=daemonset.KIND),
        Also(controllerrevision.KIND, waking_keys(daemonset.KIND, selector_of)),
        Also(nodes.KIND, keys_of_node, node_matters),
    ),
)

"""A StatefulSet runs at most one pod per ordinal, and keeps its order.

One per ordinal is about containers, not API objects: a pod on a machine that cannot be reached is not replaced until
it is known to have stopped.
"""

from collections.abc import Iterable

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.chaos.invariants._pods import is_active, is_over, is_ready, replicas, serves
from umiak.testing.chaos.invariants.contract import Invariant
from umiak.testing.chaos.world import Change, World

DOER = "statefulset-controller"


def ordinal(pod: Object) -> int:
    return int(meta.name(pod).rpartition("-")[2])


def _owner(world: World, pod: Object) -> Object | None:
    owner = meta.controller_of(pod) or {}
    return next((s for s in world.objects("StatefulSet") if meta.uid(s) == owner.get("uid")), None)


def _is_ordered(owner: Object) -> bool:
    return owner["spec"].get("podManagementPolicy") != "Parallel"


def at_write(world: World, change: Change) -> Iterable[str]:
    if change.kind != "Pod":
        return
    yield from _doubles(world)
    if change.deed != DOER:
        return
    owner = _owner(world, change.last)
    if owner is None:
        return
    if change.old is None:
        yield from _order_of_making(world, owner, change.last)
    elif change.new is None:
        yield from _force(change)
    if change.begins_deletion:
        yield from _order_of_ending(world, owner, change.last)


def _doubles(world: World) -> Iterable[str]:
    seen: dict[str, str] = {}
    owners = {meta.name(s) for s in world.objects("StatefulSet")}
    for machine, pods in world.running.items():
        for key in pods.values():
            if key.name.rpartition("-")[0] not in owners:
                continue
            if key.name in seen:
                yield f"{key.name} runs on {seen[key.name]} and on {machine}"
            seen[key.name] = machine


def _force(change: Change) -> Iterable[str]:
    if change.last["spec"].get("nodeName") and not is_over(change.last):
        yield f"{change.key.name} was removed while it may still run"


def _order_of_making(world: World, owner: Object, pod: Object) -> Iterable[str]:
    if ordinal(pod) >= world.most(owner, replicas):
        yield f"{meta.name(pod)} is beyond the {world.most(owner, replicas)} replicas"
    if not _is_ordered(owner):
        return
    pods = {ordinal(p): p for p in world.owned("Pod", meta.uid(owner))}
    for lower in range(ordinal(pod)):
        before = pods.get(lower)
        if before is None and not _was_there(world, owner, lower):
            yield f"{meta.name(pod)} was made before number {lower}"
        elif before is not None and not world.ever_recently(before, is_ready):
            yield f"{meta.name(pod)} was made before {meta.name(before)} was ready"


def _was_there(world: World, owner: Object, number: int) -> bool:
    """Whether a pod of that number was there a moment ago, so that old news may still have it."""
    name, since = f"{meta.name(owner)}-{number}", world.time() - world.patience
    gone = (uid for uid, at in world.gone.items() if at >= since)
    return any(meta.name(world.past[uid][-1].object) == name for uid in gone if uid in world.past)


def _order_of_ending(world: World, owner: Object, pod: Object) -> Iterable[str]:
    """Higher ordinals go first when pods are too many; when they are replaced, one at a time."""
    if not _is_ordered(owner):
        return
    others = [p for p in world.owned("Pod", meta.uid(owner)) if meta.uid(p) != meta.uid(pod)]
    if ordinal(pod) >= world.most(owner, replicas):
        for other in others:
            if ordinal(other) > ordinal(pod) and is_active(other):
                yield f"{meta.name(pod)} went before {meta.name(other)}"
        return
    if is_over(pod) or ordinal(pod) >= world.least(owner, replicas):
        return
    for other in others:
        if ordinal(other) > ordinal(pod) and not world.ever_recently(other, serves):
            yield f"{meta.name(pod)} was taken down while {meta.name(other)} does not serve"


def at_rest(world: World) -> Iterable[str]:
    for owner in world.objects("StatefulSet"):
        name, wanted, status = meta.name(owner), replicas(owner), owner.get("status") or {}
        pods = [p for p in world.owned("Pod", meta.uid(owner)) if serves(p)]
        if sorted(map(ordinal, pods)) != list(range(wanted)):
            yield f"StatefulSet {name} wants {wanted} and has {sorted(map(ordinal, pods))}"
        told = [status.get(field) or 0 for field in ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas")]
        if set(told) != {wanted} or status.get("currentRevision") != status.get("updateRevision"):
            yield f"StatefulSet {name} wants {wanted}; replicas, ready, current, updated are {told}"


INVARIANT = Invariant("statefulset", at_write, at_rest)

"""A ReplicaSet never makes more pods than it is told to have, nor deletes more than that."""

from collections.abc import Iterable

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.chaos.invariants._pods import is_active, replicas
from umiak.testing.chaos.invariants.contract import Invariant
from umiak.testing.chaos.world import Change, World

DOER = "replicaset-controller"


def _owner(world: World, pod: Object) -> Object | None:
    uid = (meta.controller_of(pod) or {}).get("uid")
    return next((s for s in world.objects("ReplicaSet") if meta.uid(s) == uid), None)


def _may_stay(world: World, pod: Object) -> bool:
    """Whether somebody with old news may count on the pod; the ReplicaSet itself knows which it has deleted."""
    return meta.uid(pod) not in world.ended_by.get(DOER, ()) and world.ever_recently(pod, is_active)


def at_write(world: World, change: Change) -> Iterable[str]:
    if change.kind != "Pod" or change.deed != DOER or world.crowded:
        return
    owner = _owner(world, change.last)
    if owner is None:
        return
    pods = world.owned("Pod", meta.uid(owner))
    if change.old is None:
        have, most = sum(map(is_active, pods)), world.most(owner, replicas)
        if have > most:
            yield f"{meta.name(owner)} has {have} pods; it was told to have {most}"
    elif change.begins_deletion:
        left = sum(_may_stay(world, p) for p in world.lately_owned("Pod", meta.uid(owner)))
        least = world.least(owner, replicas)
        if left < least and not meta.is_being_deleted(owner):
            yield f"{meta.name(owner)} leaves {left} pods; it was told to have {least}"


def at_rest(world: World) -> Iterable[str]:
    for owner in world.objects("ReplicaSet"):
        have = sum(map(is_active, world.owned("Pod", meta.uid(owner))))
        told = (owner.get("status") or {}).get("replicas") or 0
        if not have == told == replicas(owner):
            yield f"ReplicaSet {meta.name(owner)} wants {replicas(owner)}, has {have} and says {told}"


INVARIANT = Invariant("replicaset", at_write, at_rest)

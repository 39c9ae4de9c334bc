"""A rollout never wants more pods than replicas and maxSurge, and never gives up pods that are needed.

The reference counts what ReplicaSets are told to have (`deployment/util.NewRSNewReplicas`, `rolling.go`): a pod that
its ReplicaSet is yet to delete does not count. What is available is judged by what the controller may still believe.
"""

from collections.abc import Iterable

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.chaos.invariants._pods import is_active, replicas, serves, share
from umiak.testing.chaos.invariants.contract import Invariant
from umiak.testing.chaos.world import Change, World

DOER = "deployment-controller"


def _rolling(deployment: Object) -> Object:
    return deployment["spec"]["strategy"].get("rollingUpdate") or {}


def _surge(deployment: Object) -> int:
    return share(_rolling(deployment).get("maxSurge"), replicas(deployment), up=True)


def _most(deployment: Object) -> int:
    return replicas(deployment) + _surge(deployment)


def _fewest(deployment: Object) -> int:
    """How many must serve; none when all are replaced at once."""
    if deployment["spec"]["strategy"]["type"] == "Recreate":
        return 0
    gone = share(_rolling(deployment).get("maxUnavailable"), replicas(deployment), up=False)
    return replicas(deployment) - (gone if gone or _surge(deployment) else 1)


def _deployment_of(world: World, replica_set: Object) -> Object | None:
    owner = meta.controller_of(replica_set)
    found = (o for o in world.objects("Deployment") if owner and meta.uid(o) == owner["uid"])
    return next(found, None)


def at_write(world: World, change: Change) -> Iterable[str]:
    if change.kind != "ReplicaSet" or change.deed != DOER or change.new is None or world.crowded:
        return
    deployment = _deployment_of(world, change.new)
    if deployment is None:
        return
    before = replicas(change.old) if change.old else 0
    if replicas(change.new) > before:
        yield from _too_many(world, deployment)
    elif replicas(change.new) < before:
        yield from _too_few(world, deployment, change.new, before)


def _too_many(world: World, deployment: Object) -> Iterable[str]:
    wanted = sum(map(replicas, world.owned("ReplicaSet", meta.uid(deployment))))
    most = world.most(deployment, _most)
    if wanted > most:
        yield f"{meta.name(deployment)}: its ReplicaSets are told to have {wanted} pods; {most} are allowed"


def _too_few(world: World, deployment: Object, lowered: Object, before: int) -> Iterable[str]:
    sets = world.owned("ReplicaSet", meta.uid(deployment))
    serving = {meta.uid(s): _believed(world, s) for s in sets}
    after = sum(min(replicas(s), serving[meta.uid(s)]) for s in sets)
    given_up = min(before, _surely(world, lowered)) - replicas(lowered)
    fewest = world.least(deployment, _fewest)
    if given_up > 0 and after < fewest:
        told = f"{after} serving pods are left by scaling {meta.name(lowered)}; {fewest} must be"
        yield f"{meta.name(deployment)}: {told}"


def _believed(world: World, replica_set: Object) -> int:
    return sum(world.ever_recently(p, serves) for p in world.lately_owned("Pod", meta.uid(replica_set)))


def _surely(world: World, replica_set: Object) -> int:
    """How many pods serve by old news as well as by new."""
    pods = world.owned("Pod", meta.uid(replica_set))
    return sum(all(map(serves, world.recent(meta.uid(p)))) for p in pods)


def at_rest(world: World) -> Iterable[str]:
    for deployment in world.objects("Deployment"):
        name, wanted, status = meta.name(deployment), replicas(deployment), deployment.get("status") or {}
        sets = world.owned("ReplicaSet", meta.uid(deployment))
        pods = [p for s in sets for p in world.owned("Pod", meta.uid(s)) if is_active(p)]
        told = [status.get(f) or 0 for f in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")]
        if status.get("observedGeneration") != meta.generation(deployment) or set(told) != {wanted}:
            yield f"Deployment {name} wants {wanted}; replicas, updated, ready, available are {told}"
        if sum(map(serves, pods)) != wanted or len(pods) != wanted:
            yield f"Deployment {name} wants {wanted} and has {len(pods)} pods, {sum(map(serves, pods))} of them serving"


INVARIANT = Invariant("deployment", at_write, at_rest)

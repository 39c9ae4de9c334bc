"""An eviction is granted only while enough other pods serve.

The server grants by the budget's status, which may be as old as the controller's news; a controller that was down adds
that time.
"""

from collections.abc import Iterable

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.chaos.invariants._pods import replicas, serves, share
from umiak.testing.chaos.invariants.contract import Invariant
from umiak.testing.chaos.plan import LONGEST_OUTAGE
from umiak.testing.chaos.world import Change, World


def _covers(budget: Object, pod: Object) -> bool:
    wanted = budget["spec"]["selector"]["matchLabels"]
    return bool(wanted.items() <= meta.labels(pod).items())


def _scale(world: World, pods: Iterable[Object]) -> int:
    """How many pods their controllers want, at the least that anybody may still believe."""
    owners = {(meta.controller_of(p) or {}).get("uid", "") for p in pods}
    total = 0
    for kind in ("Deployment", "StatefulSet"):
        for owner in world.objects(kind):
            sets = {meta.uid(s) for s in world.owned("ReplicaSet", meta.uid(owner))}
            if owners & {meta.uid(owner), *sets}:
                total += world.least(owner, replicas)
    return total


def _needed(world: World, budget: Object, pods: list[Object]) -> int:
    spec = budget["spec"]
    if "minAvailable" in spec:
        wanted = spec["minAvailable"]
        return wanted if isinstance(wanted, int) else share(wanted, _scale(world, pods), up=True)
    return _scale(world, pods) - share(spec["maxUnavailable"], _scale(world, pods), up=True)


def at_write(world: World, change: Change) -> Iterable[str]:
    if change.kind != "Pod" or change.deed != "evict" or not change.begins_deletion:
        return
    evicted = change.old or change.last
    patience = world.patience + LONGEST_OUTAGE * 2
    for budget in world.objects("PodDisruptionBudget"):
        if not _covers(budget, evicted) or not serves(evicted):
            continue
        pods = [p for p in world.lately("Pod", patience) if _covers(budget, p)]
        left = sum(_may_serve(world, p, patience) for p in pods if meta.uid(p) != meta.uid(evicted))
        needed = _needed(world, budget, pods)
        if left < needed:
            yield f"{meta.name(evicted)} was evicted: {left} others serve, budget {meta.name(budget)} needs {needed}"


def _may_serve(world: World, pod: Object, patience: float) -> bool:
    """Pods that an eviction took count no more: the server itself has noted them."""
    if meta.uid(pod) in world.ended_by["evict"]:
        return False
    return any(map(serves, world.recent(meta.uid(pod), patience)))


def _is_computable(world: World, budget: Object) -> bool:
    """Shares need the scale of whoever controls the pods, and not everybody has one; then the status stays as it is."""
    owners = [meta.controller_of(p) or {} for p in world.objects("Pod") if _covers(budget, p)]
    is_number = isinstance(budget["spec"].get("minAvailable"), int)
    return is_number or all(o.get("kind") in ("ReplicaSet", "StatefulSet") for o in owners)


def at_rest(world: World) -> Iterable[str]:
    for budget in world.objects("PodDisruptionBudget"):
        status = budget.get("status") or {}
        if not _is_computable(world, budget):
            continue
        serving = sum(serves(p) for p in world.objects("Pod") if _covers(budget, p))
        if status.get("currentHealthy") != serving or status.get("observedGeneration") != meta.generation(budget):
            yield f"PodDisruptionBudget {meta.name(budget)} says {status.get('currentHealthy')} serve; {serving} do"


INVARIANT = Invariant("disruption", at_write, at_rest)

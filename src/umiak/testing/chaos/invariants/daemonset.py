"""A DaemonSet has one pod on each node; while it is replaced with surge, two."""

from collections.abc import Iterable

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.chaos.invariants._pods import is_active, serves
from umiak.testing.chaos.invariants.contract import Invariant
from umiak.testing.chaos.world import Change, World

DOER = "daemonset-controller"


def node_of(pod: Object) -> str:
    """Where it is, or is meant to be."""
    if name := pod["spec"].get("nodeName"):
        return str(name)
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or ()
    fields = (f for term in terms for f in term.get("matchFields") or () if f["key"] == "metadata.name")
    return next((str(f["values"][0]) for f in fields), "")


def _allowed(owner: Object) -> int:
    rolling = (owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return 2 if rolling.get("maxSurge") else 1


def at_write(world: World, change: Change) -> Iterable[str]:
    if change.kind != "Pod" or change.deed != DOER or world.crowded or change.old is not None:
        return
    uid = (meta.controller_of(change.last) or {}).get("uid", "")
    owner = next((o for o in world.objects("DaemonSet") if meta.uid(o) == uid), None)
    if owner is None:
        return
    there = [p for p in world.owned("Pod", uid) if is_active(p) and node_of(p) == node_of(change.last)]
    if len(there) > _allowed(owner):
        yield f"{meta.name(owner)} has {len(there)} pods for {node_of(change.last)}: {sorted(map(meta.name, there))}"


def at_rest(world: World) -> Iterable[str]:
    nodes = sorted(map(meta.name, world.objects("Node")))
    for owner in world.objects("DaemonSet"):
        pods, status = [p for p in world.owned("Pod", meta.uid(owner)) if serves(p)], owner.get("status") or {}
        where = sorted(p["spec"]["nodeName"] for p in pods)
        if where != nodes:
            yield f"DaemonSet {meta.name(owner)} has pods on {where}; nodes are {nodes}"
        fields = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
        told = [status.get(field) or 0 for field in fields]
        if set(told) != {len(nodes)}:
            yield f"DaemonSet {meta.name(owner)}: desired, current, ready, updated are {told} for {len(nodes)} nodes"


INVARIANT = Invariant("daemonset", at_write, at_rest)

"""A pod is bound once, to a node that is there and has room."""

from collections.abc import Iterable

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.chaos.invariants._pods import is_over
from umiak.testing.chaos.invariants.contract import Invariant
from umiak.testing.chaos.world import Change, World


def millicores(text: str) -> int:
    return int(text.removesuffix("m")) if text.endswith("m") else int(text) * 1000


def _cpu(pod: Object) -> int:
    requests = ((c.get("resources") or {}).get("requests") or {} for c in pod["spec"]["containers"])
    return sum(millicores(wanted.get("cpu", "0")) for wanted in requests)


def at_write(world: World, change: Change) -> Iterable[str]:
    if change.kind != "Pod" or change.new is None:
        return
    before, now = (change.old or {}).get("spec", {}).get("nodeName"), change.new["spec"].get("nodeName")
    if before and now != before:
        yield f"{change.key.name} was on {before} and is now on {now}"
    if before or not now or change.deed != "scheduler":
        return
    node = next((n for n in world.objects("Node") if meta.name(n) == now), None)
    if node is None:
        gone = (u for u, at in world.gone.items() if world.time() - at <= world.patience and u in world.past)
        if not any(meta.name(world.past[u][-1].object) == now for u in gone):
            yield f"{change.key.name} was bound to {now}, which is not there"
        return
    here = [p for p in world.objects("Pod") if p["spec"].get("nodeName") == now and not is_over(p)]
    room = node["status"]["allocatable"]
    cpu = sum(map(_cpu, here))
    if cpu > millicores(room["cpu"]) or len(here) > int(room["pods"]):
        yield f"{now} has room for {room['cpu']} cpu and {room['pods']} pods; {len(here)} pods want {cpu}m"


def at_rest(world: World) -> Iterable[str]:
    for pod in world.objects("Pod"):
        if not pod["spec"].get("nodeName") and not pod["spec"].get("nodeSelector"):
            yield f"Pod {meta.name(pod)} is not scheduled"


INVARIANT = Invariant("scheduling", at_write, at_rest)

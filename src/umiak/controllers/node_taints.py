"""Keeps a node's NoSchedule taints in step with its conditions, and its old labels with the new ones."""

from umiak.api.core.node import KIND as NODE
from umiak.controllers._taints import NOT_READY, UNREACHABLE, swap_taints, taints
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Outcome

UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
}
OURS = {*BY_CONDITION.values(), UNSCHEDULABLE}
LABELS = {
    "kubernetes.io/os": "beta.kubernetes.io/os",
    "kubernetes.io/arch": "beta.kubernetes.io/arch",
}
"""Stable label to the beta one that must say the same."""


def wanted(node: Object) -> list[str]:
    """Keys of the taints that the node should have."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    keys = [BY_CONDITION.get((c["type"], c.get("status", ""))) for c in conditions]
    unschedulable = (node.get("spec") or {}).get("unschedulable")
    return [k for k in keys if k] + ([UNSCHEDULABLE] if unschedulable else [])


def labels_to_set(node: Object) -> dict[str, str]:
    labels = meta.labels(node)
    return {new: labels[old] for old, new in LABELS.items() if old in labels and labels.get(new) != labels[old]}


async def reconcile(ctx: Context, key: Key) -> Outcome:
    node = ctx.cache.get(NODE, key)
    if node is None:
        return DONE
    keys = wanted(node)
    present = [t["key"] for t in taints(node, "NoSchedule") if t["key"] in OURS]
    add = [{"key": k, "effect": "NoSchedule"} for k in keys]
    await swap_taints(ctx, node, add, [(k, "NoSchedule") for k in present if k not in keys])
    labels = labels_to_set(node)
    if labels:
        await ctx.client.patch(NODE, key.name, "", {"metadata": {"labels": labels}}, type="strategic")
    return DONE


def should_wake(old: Object | None, new: Object | None) -> bool:
    if old is None or new is None:
        return new is not None
    return wanted(old) != wanted(new) or (old.get("spec"), meta.labels(old)) != (new.get("spec"), meta.labels(new))


CONTROLLER = Controller(
    name="node-taints",
    watches=NODE,
    reconcile=reconcile,
    should_wake=should_wake,
    workers=8,
    component="node-controller",
)

"""Reject nodes that are cordoned, unless the pod tolerates that."""

from umiak.scheduler.contract import FITS, Cycle, Event, Plugin, Reject, Verdict
from umiak.scheduler.node_affinity import tolerates
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView

CORDONED = "node(s) were unschedulable"
_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    if not node.unschedulable:
        return FITS
    tolerated = any(tolerates(t, _TAINT) for t in cycle.pod.spec.get("tolerations") or ())
    return FITS if tolerated else Reject((CORDONED,), hopeless=True)


def may_be_used(cycle: Cycle, old: NodeView | None, new: NodeView) -> bool:
    return not new.unschedulable and (old is None or old.unschedulable)


def tolerates_it(cycle: Cycle, old: PodView, new: PodView) -> bool:
    return any(tolerates(t, _TAINT) for t in new.spec.get("tolerations") or ())


PLUGIN = Plugin(
    name="NodeUnschedulable",
    order=20,
    filter=filter_node,
    points=frozenset({"preFilter"}),
    local=True,
    retry_on={
        Event.NODE_ADDED: may_be_used,
        Event.NODE_TAINTS: may_be_used,
        Event.OWN_TOLERATIONS: tolerates_it,
    },
)

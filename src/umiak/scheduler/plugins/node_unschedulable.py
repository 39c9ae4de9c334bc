"""Reject nodes that are cordoned, unless the pod tolerates that."""

from umiak.scheduler.contract import FITS, Cycle, Event, Plugin, Reject, Verdict
from umiak.scheduler.node_affinity import tolerates
from umiak.scheduler.nodes import NodeView

CORDONED = "node(s) were unschedulable"
_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    if not node.unschedulable:
        return FITS
    tolerated = any(tolerates(t, _TAINT) for t in cycle.pod.spec.get("tolerations") or ())
    return FITS if tolerated else Reject((CORDONED,), hopeless=True)


PLUGIN = Plugin(
    name="NodeUnschedulable",
    order=20,
    filter=filter_node,
    points=frozenset({"preFilter"}),
    local=True,
    retry_on=frozenset({Event.NODE_ADDED, Event.NODE_TAINTS}),
)

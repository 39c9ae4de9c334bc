"""Reject every node but the one the pod names."""

from umiak.scheduler.contract import FITS, Cycle, Event, Plugin, Reject, Verdict, always
from umiak.scheduler.nodes import NodeView

OTHER = "node(s) didn't match the requested node name"


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    wanted = cycle.pod.spec.get("nodeName")
    return Reject((OTHER,), hopeless=True) if wanted and wanted != node.name else FITS


PLUGIN = Plugin(
    name="NodeName",
    order=10,
    filter=filter_node,
    local=True,
    retry_on={Event.NODE_ADDED: always},
    points=frozenset({"preFilter"}),
)

"""Reject nodes without room for what the pod requests; prefer the emptier ones (LeastAllocated)."""

from umiak.scheduler.contract import FITS, MAX_SCORE, Cycle, Event, Plugin, Reject, Verdict
from umiak.scheduler.nodes import NodeView

NO_ROOM = "Too many pods"


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    reasons: list[str] = []
    hopeless = False
    allocatable, requested = node.allocatable, node.requested
    if len(node.pods) + 1 > allocatable.get("pods", 0):
        reasons.append(NO_ROOM)
    for name, amount in cycle.pod.requests.items():
        offered = allocatable.get(name, 0)
        if amount > offered - requested.get(name, 0) and amount > 0:
            reasons.append(f"Insufficient {name}")
            hopeless = hopeless or amount > offered
    return Reject(tuple(reasons), hopeless) if reasons else FITS


def least_allocated(wanted: int, offered: int) -> int:
    if offered == 0 or wanted > offered:
        return 0
    return (offered - wanted) * MAX_SCORE // offered


def score(cycle: Cycle, node: NodeView) -> int:
    """Containers without requests count for a little, so that they spread, too."""
    pod = cycle.pod
    parts = [
        (node.nonzero_cpu + pod.nonzero_cpu, node.allocatable.get("cpu", 0)),
        (node.nonzero_memory + pod.nonzero_memory, node.allocatable.get("memory", 0)),
    ]
    known = [least_allocated(wanted, offered) for wanted, offered in parts if offered]
    return sum(known) // len(known) if known else 0


PLUGIN = Plugin(
    name="NodeResourcesFit",
    order=60,
    weight=1,
    filter=filter_node,
    score=score,
    retry_on=frozenset({Event.POD_REMOVED, Event.POD_CHANGED, Event.NODE_ADDED, Event.NODE_ROOM}),
)

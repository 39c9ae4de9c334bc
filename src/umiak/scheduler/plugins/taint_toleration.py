"""Reject nodes with a taint that the pod does not tolerate; prefer those with fewer taints it would rather avoid."""

from collections.abc import Sequence

from umiak.scheduler.contract import FITS, Cycle, Event, Plugin, Reject, Verdict, always, normalize_highest
from umiak.scheduler.node_affinity import tolerates, untolerated
from umiak.scheduler.nodes import NodeView

NAME = "TaintToleration"
REPELLED = "node(s) had untolerated taint(s)"
FORBIDDING = ("NoSchedule", "NoExecute")


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    if not node.taints:
        return FITS
    taint = untolerated(node.taints, cycle.pod.spec.get("tolerations") or (), FORBIDDING)
    return FITS if taint is None else Reject((REPELLED,), hopeless=True)


def prescore(cycle: Cycle, nodes: Sequence[NodeView]) -> None:
    """Only tolerations for PreferNoSchedule, or for any effect, count here."""
    tolerations = cycle.pod.spec.get("tolerations") or ()
    cycle.notes[NAME] = [t for t in tolerations if t.get("effect") in (None, "", "PreferNoSchedule")]


def score(cycle: Cycle, node: NodeView) -> int:
    soft = (t for t in node.taints if t.get("effect") == "PreferNoSchedule")
    return sum(1 for taint in soft if not any(tolerates(t, taint) for t in cycle.notes[NAME]))


def normalize(cycle: Cycle, scores: dict[str, int]) -> None:
    normalize_highest(scores, reverse=True)


def became_tolerable(cycle: Cycle, old: NodeView | None, new: NodeView) -> bool:
    tolerations = cycle.pod.spec.get("tolerations") or ()
    if untolerated(new.taints, tolerations, FORBIDDING) is not None:
        return False
    return old is None or untolerated(old.taints, tolerations, FORBIDDING) is not None


PLUGIN = Plugin(
    name=NAME,
    order=30,
    weight=3,
    filter=filter_node,
    prescore=prescore,
    score=score,
    normalize=normalize,
    points=frozenset({"preFilter"}),
    local=True,
    retry_on={
        Event.NODE_ADDED: became_tolerable,
        Event.NODE_TAINTS: became_tolerable,
        Event.OWN_TOLERATIONS: always,
    },
)

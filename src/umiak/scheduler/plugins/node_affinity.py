"""Keep to the pod's nodeSelector and required node affinity; prefer what it prefers."""

from umiak.objects.types import Object
from umiak.scheduler.contract import (
    FITS,
    SKIP,
    Before,
    Cycle,
    Event,
    OnlyNodes,
    Plugin,
    Reject,
    RejectAll,
    Verdict,
    Word,
    normalize_highest,
)
from umiak.scheduler.node_affinity import required_terms, term_matches, wants
from umiak.scheduler.nodes import NodeView

NAME = "NodeAffinity"
MISMATCH = "node(s) didn't match Pod's node affinity/selector"
CONFLICT = "pod affinity terms conflict"


def _named(term: Object) -> frozenset[str] | None:
    """The nodes a term allows by name; None when it does not name any."""
    names: frozenset[str] | None = None
    for field in term.get("matchFields") or ():
        if field["key"] == "metadata.name" and field["operator"] == "In":
            values = frozenset(field.get("values") or ())
            names = values if names is None else names & values
    return names


def prefilter(cycle: Cycle) -> Before:
    spec = cycle.pod.spec
    terms = required_terms(spec)
    if terms is None:
        return None if spec.get("nodeSelector") else SKIP
    allowed = [_named(term) for term in terms]
    if not allowed or any(names is None for names in allowed):
        return None
    union = frozenset(name for names in allowed if names for name in names)
    return OnlyNodes(union) if union else RejectAll(CONFLICT)


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    return FITS if wants(cycle.pod.spec, node.labels, node.name) else Reject((MISMATCH,), hopeless=True)


def prescore(cycle: Cycle, nodes: list[NodeView]) -> Word | None:
    affinity = (cycle.pod.spec.get("affinity") or {}).get("nodeAffinity") or {}
    cycle.notes[NAME] = affinity.get("preferredDuringSchedulingIgnoredDuringExecution")
    return None if cycle.notes[NAME] else SKIP


def score(cycle: Cycle, node: NodeView) -> int:
    preferred = cycle.notes[NAME]
    return sum(p["weight"] for p in preferred if term_matches(p["preference"], node.labels, node.name))


def normalize(cycle: Cycle, scores: dict[str, int]) -> None:
    normalize_highest(scores)


PLUGIN = Plugin(
    name=NAME,
    order=40,
    weight=2,
    prefilter=prefilter,
    filter=filter_node,
    prescore=prescore,
    score=score,
    normalize=normalize,
    retry_on=frozenset({Event.NODE_ADDED, Event.NODE_LABELS}),
)

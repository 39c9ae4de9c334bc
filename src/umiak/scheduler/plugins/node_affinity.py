"""Keep to the pod's nodeSelector and required node affinity; prefer what it prefers."""

from collections.abc import Sequence

import msgspec

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
from umiak.scheduler.node_affinity import required_terms, term_matches, terms_match, wants
from umiak.scheduler.nodes import NodeView

NAME = "NodeAffinity"
MISMATCH = "node(s) didn't match Pod's node affinity/selector"
ENFORCED = "node(s) didn't match scheduler-enforced node affinity"
CONFLICT = "pod affinity terms conflict"


class Settings(msgspec.Struct, frozen=True):
    """Node affinity that the profile adds to every pod's own: terms of which one must match, and preferred ones."""

    required: tuple[Object, ...] | None = None
    preferred: tuple[Object, ...] = ()

    def allows(self, node: NodeView) -> bool:
        return self.required is None or terms_match(self.required, node.labels, node.name)


DEFAULTS = Settings()


def settings(args: Object) -> Settings:
    added = args.get("addedAffinity") or {}
    required = added.get("requiredDuringSchedulingIgnoredDuringExecution")
    return Settings(
        None if required is None else tuple(required.get("nodeSelectorTerms") or ()),
        tuple(added.get("preferredDuringSchedulingIgnoredDuringExecution") or ()),
    )


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
        added = cycle.settings.get(NAME, DEFAULTS).required
        return SKIP if added is None and not spec.get("nodeSelector") else None
    allowed = [_named(term) for term in terms]
    if not allowed or any(names is None for names in allowed):
        return None
    union = frozenset(name for names in allowed if names for name in names)
    return OnlyNodes(union) if union else RejectAll(CONFLICT)


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    if not cycle.settings.get(NAME, DEFAULTS).allows(node):
        return Reject((ENFORCED,), hopeless=True)
    return FITS if wants(cycle.pod.spec, node.labels, node.name) else Reject((MISMATCH,), hopeless=True)


def prescore(cycle: Cycle, nodes: Sequence[NodeView]) -> Word | None:
    affinity = (cycle.pod.spec.get("affinity") or {}).get("nodeAffinity") or {}
    own = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    cycle.notes[NAME] = (*cycle.settings.get(NAME, DEFAULTS).preferred, *own)
    return None if cycle.notes[NAME] else SKIP


def score(cycle: Cycle, node: NodeView) -> int:
    preferred = cycle.notes[NAME]
    return sum(p["weight"] for p in preferred if term_matches(p["preference"], node.labels, node.name))


def normalize(cycle: Cycle, scores: dict[str, int]) -> None:
    normalize_highest(scores)


def became_wanted(cycle: Cycle, old: NodeView | None, new: NodeView) -> bool:
    spec = cycle.pod.spec
    if not cycle.settings.get(NAME, DEFAULTS).allows(new) or not wants(spec, new.labels, new.name):
        return False
    return old is None or not wants(spec, old.labels, old.name)


PLUGIN = Plugin(
    name=NAME,
    order=40,
    weight=2,
    prefilter=prefilter,
    filter=filter_node,
    prescore=prescore,
    score=score,
    normalize=normalize,
    settings=settings,
    local=True,
    retry_on={Event.NODE_ADDED: became_wanted, Event.NODE_LABELS: became_wanted},
)

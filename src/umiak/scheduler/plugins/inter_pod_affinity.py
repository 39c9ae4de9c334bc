"""Place a pod near some pods and away from others, and respect what pods already placed demand of newcomers."""

from collections.abc import Iterable, Sequence

import msgspec

from umiak.api.core import namespace
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.scheduler.census import REQUIRED, Question
from umiak.scheduler.contract import (
    FITS,
    MAX_SCORE,
    SKIP,
    Before,
    Cycle,
    Event,
    Plugin,
    Refusals,
    Reject,
    Verdict,
    Word,
    always,
)
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import AffinityTerm, PodView

NAME = "InterPodAffinity"
SCORE_NOTE = NAME + "/score"
OTHERS_REFUSE = "node(s) didn't satisfy existing pods anti-affinity rules"
NOT_NEAR = "node(s) didn't match pod affinity rules"
NOT_APART = "node(s) didn't match pod anti-affinity rules"


class Settings(msgspec.Struct, frozen=True):
    """What a placed pod's required affinity to newcomers like this one adds to a score, and whether newcomers that
    prefer nothing are spared what others prefer."""

    hard_weight: int = 1
    ignores_preferred: bool = False


DEFAULTS = Settings()


def settings(args: Object) -> Settings:
    return Settings(args["hardPodAffinityWeight"], args["ignorePreferredTermsOfExistingPods"])


class Counts(msgspec.Struct):
    """How many placed pods match, by topology value; `near` and `apart` for each of the pod's own terms."""

    near: list[dict[str, int]]
    apart: list[dict[str, int]]
    refusing: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    """Placed pods that want to be apart from this one, by topology key and value."""
    own_labels: dict[str, str] = msgspec.field(default_factory=dict)
    """Labels of the pod's namespace."""


def namespace_labels(cycle: Cycle, name: str) -> dict[str, str]:
    return meta.labels(cycle.cache.get(namespace.KIND, Key("", name)) or {})


def _add(counts: dict[str, int], value: str | None, sign: int) -> None:
    if value is not None:
        counts[value] = counts.get(value, 0) + sign


def all_match(terms: Iterable[AffinityTerm], pod: PodView, labels: dict[str, str]) -> bool:
    return all(term.matches(pod.labels, pod.namespace, labels) for term in terms)


def _count(cycle: Cycle, counts: Counts, node: NodeView, placed: PodView, sign: int) -> None:
    """Takes one placed pod into account. Affinity counts only pods that match every term."""
    mine = cycle.pod
    labels = namespace_labels(cycle, placed.namespace) if _need_labels(mine) else {}
    if mine.affinity and all_match(mine.affinity, placed, labels):
        for term, near in zip(mine.affinity, counts.near, strict=True):
            _add(near, node.labels.get(term.topology_key), sign)
    for term, apart in zip(mine.anti_affinity, counts.apart, strict=True):
        if term.matches(placed.labels, placed.namespace, labels):
            _add(apart, node.labels.get(term.topology_key), sign)


def _count_refusal(cycle: Cycle, counts: Counts, node: NodeView, placed: PodView, sign: int) -> None:
    for term in placed.anti_affinity:
        value = node.labels.get(term.topology_key)
        if value is not None and term.matches(cycle.pod.labels, cycle.pod.namespace, counts.own_labels):
            _add(counts.refusing.setdefault(term.topology_key, {}), value, sign)


def _need_labels(pod: PodView) -> bool:
    every = (*pod.affinity, *pod.anti_affinity, *pod.preferred_affinity, *pod.preferred_anti_affinity)
    return any(term.namespace_selector is not None for term in every)


def question(cycle: Cycle, key: str, terms: Iterable[AffinityTerm]) -> Question:
    """Which pods match every one of `terms`."""
    return Question(key, tuple((_namespaces(cycle, term), term.selector) for term in terms))


def _namespaces(cycle: Cycle, term: AffinityTerm) -> frozenset[str] | None:
    """Those a term is about; None for all."""
    if term.namespace_selector is None:
        return term.namespaces
    if term.namespace_selector.is_empty:
        return None
    chosen = cycle.cache.list(namespace.KIND, selector=term.namespace_selector)
    return term.namespaces | {meta.name(one) for one in chosen}


def prefilter(cycle: Cycle) -> Before:
    pod, nodes, census = cycle.pod, cycle.nodes, cycle.census
    refusals = {term: found for term, found in census.refusals(nodes).items() if found}
    if not (pod.affinity or pod.anti_affinity or refusals):
        return SKIP
    own = namespace_labels(cycle, pod.namespace)
    near = [dict(census.count(question(cycle, t.topology_key, pod.affinity), nodes)) for t in pod.affinity]
    apart = [dict(census.count(question(cycle, t.topology_key, [t]), nodes)) for t in pod.anti_affinity]
    counts = Counts(near, apart, {}, own)
    for term, found in refusals.items():
        if term.matches(pod.labels, pod.namespace, own):
            _merge(counts.refusing, term.topology_key, found)
    if not (pod.affinity or pod.anti_affinity or counts.refusing):
        return SKIP
    cycle.notes[NAME] = counts
    return None


def _merge(sums: dict[str, dict[str, int]], key: str, more: dict[str, int], weight: int = 1) -> None:
    """Adds the counts of one topology key, zeros left out."""
    known = sums.setdefault(key, {})
    if not known and weight == 1:
        known.update(more)
        return
    for value, count in more.items():
        if count:
            known[value] = known.get(value, 0) + weight * count


def moved(cycle: Cycle, node: NodeView, pod: PodView, sign: int) -> None:
    counts: Counts = cycle.notes[NAME]
    _count(cycle, counts, node, pod, sign)
    _count_refusal(cycle, counts, node, pod, sign)


def _is_near(cycle: Cycle, counts: Counts, node: NodeView) -> bool:
    """The first pod of a group that wants to be near itself may go anywhere its topology keys exist."""
    terms, labels = cycle.pod.affinity, node.labels
    for term in terms:
        if term.topology_key not in labels:
            return False
    for term, near in zip(terms, counts.near, strict=True):
        if near.get(labels[term.topology_key], 0) <= 0:
            break
    else:
        return True
    nobody = not any(count > 0 for near in counts.near for count in near.values())
    return nobody and all_match(terms, cycle.pod, counts.own_labels)


def _at(node: NodeView, key: str, counts: dict[str, int]) -> int:
    """The count of a node's topology; an empty label is one, none is not."""
    value = node.labels.get(key)
    return 0 if value is None else counts.get(value, 0)


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    counts: Counts = cycle.notes[NAME]
    if cycle.pod.affinity and not _is_near(cycle, counts, node):
        return Reject((NOT_NEAR,), hopeless=True)
    for term, apart in zip(cycle.pod.anti_affinity, counts.apart, strict=True):
        if _at(node, term.topology_key, apart) > 0:
            return Reject((NOT_APART,))
    for key, found in counts.refusing.items():
        if _at(node, key, found) > 0:
            return Reject((OTHERS_REFUSE,))
    return FITS


def refusals(cycle: Cycle) -> Refusals | None:
    counts: Counts = cycle.notes[NAME]
    keys = {*(term.topology_key for term in cycle.pod.anti_affinity), *counts.refusing}
    if cycle.pod.affinity or len(keys) != 1:
        return None
    own = [(apart, Reject((NOT_APART,))) for apart in counts.apart]
    return Refusals(keys.pop(), [*own, *((found, Reject((OTHERS_REFUSE,))) for found in counts.refusing.values())])


def filter_labels(cycle: Cycle) -> list[str]:
    own = [term.topology_key for term in (*cycle.pod.affinity, *cycle.pod.anti_affinity)]
    return list(dict.fromkeys([*own, *cycle.notes[NAME].refusing]))


def prescore(cycle: Cycle, nodes: Sequence[NodeView]) -> Word | None:
    pod = cycle.pod
    own = bool(pod.preferred_affinity or pod.preferred_anti_affinity)
    told: Settings = cycle.settings.get(NAME, DEFAULTS)
    if told.ignores_preferred and not own:
        return SKIP
    scores: dict[str, dict[str, int]] = {}
    for term, weight in _own_leanings(pod):
        asked = question(cycle, term.topology_key, [term])
        _merge(scores, term.topology_key, cycle.census.count(asked, cycle.nodes), weight)
    theirs = {leaning: found for leaning, found in cycle.census.leanings(cycle.nodes).items() if found}
    labels = namespace_labels(cycle, pod.namespace) if theirs else {}
    for (term, kind), found in theirs.items():
        weight = told.hard_weight if kind == REQUIRED else kind * term.weight
        if weight and term.matches(pod.labels, pod.namespace, labels):
            _merge(scores, term.topology_key, found, weight)
    if not any(scores.values()):
        return SKIP
    cycle.notes[SCORE_NOTE] = scores
    return None


def _own_leanings(pod: PodView) -> list[tuple[AffinityTerm, int]]:
    return [*((t, t.weight) for t in pod.preferred_affinity), *((t, -t.weight) for t in pod.preferred_anti_affinity)]


def score(cycle: Cycle, node: NodeView) -> int:
    scores: dict[str, dict[str, int]] = cycle.notes[SCORE_NOTE]
    return sum(_at(node, key, found) for key, found in scores.items())


def score_labels(cycle: Cycle) -> list[str]:
    return list(cycle.notes[SCORE_NOTE])


def normalize(cycle: Cycle, scores: dict[str, int]) -> None:
    lowest, highest = min(scores.values()), max(scores.values())
    for name, raw in scores.items():
        scores[name] = int(MAX_SCORE * ((raw - lowest) / (highest - lowest))) if highest > lowest else 0


def _matches_all(terms: Iterable[AffinityTerm], pod: PodView) -> bool:
    """As the reference's hints have it, labels of namespaces are not looked at."""
    return all_match(terms, pod, {})


def _matches_any(terms: Iterable[AffinityTerm], pod: PodView) -> bool:
    return any(term.matches(pod.labels, pod.namespace, {}) for term in terms)


def wanted_company(cycle: Cycle, old: None, new: PodView) -> bool:
    return bool(cycle.pod.affinity) and _matches_all(cycle.pod.affinity, new)


def left_it_alone(cycle: Cycle, old: PodView, new: None) -> bool:
    return _matches_any(cycle.pod.anti_affinity, old) or _matches_any(old.anti_affinity, cycle.pod)


def changed_company(cycle: Cycle, old: PodView, new: PodView) -> bool:
    near, apart = cycle.pod.affinity, cycle.pod.anti_affinity
    if near and not _matches_all(near, old) and _matches_all(near, new):
        return True
    return _matches_any(apart, old) and not _matches_any(apart, new)


def new_place(cycle: Cycle, old: None, new: NodeView) -> bool:
    return bool(cycle.pod.anti_affinity) or any(t.topology_key in new.labels for t in cycle.pod.affinity)


def moved_place(cycle: Cycle, old: NodeView, new: NodeView) -> bool:
    """Whether the node is elsewhere by a topology that the pod's terms name: to be near it must be somewhere now, to
    be apart it must have been somewhere."""
    for place, terms in ((new, cycle.pod.affinity), (old, cycle.pod.anti_affinity)):
        for key in (term.topology_key for term in terms):
            if key in place.labels and old.labels.get(key) != new.labels.get(key):
                return True
    return False


PLUGIN = Plugin(
    name=NAME,
    order=110,
    weight=2,
    prefilter=prefilter,
    filter=filter_node,
    filter_labels=filter_labels,
    refusals=refusals,
    moved=moved,
    prescore=prescore,
    score=score,
    score_labels=score_labels,
    normalize=normalize,
    settings=settings,
    retry_on={
        Event.POD_ADDED: wanted_company,
        Event.POD_REMOVED: left_it_alone,
        Event.POD_LABELS: changed_company,
        Event.OWN_LABELS: always,
        Event.NODE_ADDED: new_place,
        Event.NODE_LABELS: moved_place,
    },
)

"""Keep matching pods even over zones, hosts or other topologies (KEP-895, KEP-3022, KEP-3094).

Pods without constraints of their own, but behind a Service or workload, get the reference's two soft defaults.
"""

from collections.abc import Iterable, Sequence
from math import floor, log

import msgspec
from msgspec.structs import replace

from umiak.api.apps import replicaset, statefulset
from umiak.api.core import replicationcontroller, service
from umiak.objects.meta import Key
from umiak.objects.selectors import Selector, from_label_selector, from_set
from umiak.objects.types import Object
from umiak.scheduler.census import EACH_NODE, Question
from umiak.scheduler.contract import (
    FITS,
    MAX_SCORE,
    SKIP,
    Before,
    Cycle,
    Event,
    Plugin,
    Reject,
    Verdict,
    Word,
)
from umiak.scheduler.node_affinity import required_terms, untolerated, wants
from umiak.scheduler.nodes import HOSTNAME, ZONE, NodeView
from umiak.scheduler.pods import PodView, Spread, with_label_keys

NAME = "PodTopologySpread"
UNEVEN = "node(s) didn't match pod topology spread constraints"
NO_LABEL = UNEVEN + " (missing required label)"
SCORE_NOTE = NAME + "/score"
_OWNERS = {kind.kind: kind for kind in (replicaset.KIND, statefulset.KIND, replicationcontroller.KIND)}
NOBODY = from_label_selector(None)
"""Selects no pod."""
_SYSTEM = (
    {"maxSkew": 3, "topologyKey": HOSTNAME, "whenUnsatisfiable": "ScheduleAnyway"},
    {"maxSkew": 5, "topologyKey": ZONE, "whenUnsatisfiable": "ScheduleAnyway"},
)


class Settings(msgspec.Struct, frozen=True):
    """Constraints for pods without their own. `system`: they are the built-in ones, which nodes without the labels do
    not fail."""

    constraints: tuple[Object, ...] = _SYSTEM
    system: bool = True


DEFAULTS = Settings()


def settings(args: Object) -> Settings:
    if args["defaultingType"] == "System":
        return DEFAULTS
    return Settings(tuple(args.get("defaultConstraints") or ()), system=False)


class Counts(msgspec.Struct):
    """Matching pods per value of each constraint's topology key."""

    constraints: list[Spread]
    pods: list[dict[str, int]]
    itself: list[int]
    """1 where the pod matches its own constraint."""
    _fewest: list[int] | None = None

    @property
    def fewest(self) -> list[int]:
        """Of each constraint, how many pods there are where there are fewest."""
        if self._fewest is None:
            pairs = zip(self.constraints, self.pods, strict=True)
            self._fewest = [0 if len(p) < c.min_domains else min(p.values(), default=0) for c, p in pairs]
        return self._fewest

    def changed(self) -> None:
        self._fewest = None


class Scoring(msgspec.Struct):
    """`pods` by value of the topology key; of a constraint on hosts by node name."""

    constraints: list[Spread]
    pods: list[dict[str, int]]
    weights: list[float]
    ignored: set[str] = msgspec.field(default_factory=set)
    parts: list[tuple[str, dict[str, int], float, int]] = msgspec.field(default_factory=list)
    """For each constraint its topology key, pods and weight, and the skew that it allows beyond one: asked of each
    node."""


def read_constraint(raw: Object, labels: dict[str, str]) -> Spread:
    return Spread(
        max_skew=raw["maxSkew"],
        topology_key=raw["topologyKey"],
        selector=from_label_selector(with_label_keys(raw.get("labelSelector"), raw, labels)),
        hard=_is_hard(raw),
        min_domains=raw.get("minDomains") or 1,
        honor_affinity=raw.get("nodeAffinityPolicy") != "Ignore",
        honor_taints=raw.get("nodeTaintsPolicy") == "Honor",
    )


def constraints_of(cycle: Cycle, *, hard: bool) -> list[Spread]:
    """The pod's own, or else the defaults."""
    own = cycle.pod.spec.get("topologySpreadConstraints") or ()
    constraints = [read_constraint(raw, cycle.pod.labels) for raw in own]
    return [c for c in constraints if c.hard is hard] if own else default_constraints(cycle, hard=hard)


def default_constraints(cycle: Cycle, *, hard: bool) -> list[Spread]:
    told: Settings = cycle.settings.get(NAME, DEFAULTS)
    raws = [raw for raw in told.constraints if _is_hard(raw) is hard]
    selector = workload_selector(cycle) if raws else None
    if selector is None:
        return []
    return [replace(read_constraint(raw, cycle.pod.labels), selector=selector) for raw in raws]


def _is_hard(raw: Object) -> bool:
    return raw.get("whenUnsatisfiable") != "ScheduleAnyway"


def workload_selector(cycle: Cycle) -> Selector | None:
    """What the Services and the owner of the pod select, all together; None when there is nothing."""
    labels: dict[str, str] = {}
    for wanted in cycle.cache.selectors(service.KIND, cycle.pod.namespace):
        if wanted and wanted.items() <= cycle.pod.labels.items():
            labels |= wanted
    owner = _owner_selector(cycle)
    if owner is None:
        return from_set(labels) if labels else None
    if labels:
        owner = {**owner, "matchLabels": {**(owner.get("matchLabels") or {}), **labels}}
    selector = from_label_selector(owner)
    return None if selector.is_empty else selector


def _owner_selector(cycle: Cycle) -> Object | None:
    owner = cycle.pod.owner
    kind = _OWNERS.get(owner["kind"]) if owner else None
    if owner is None or kind is None or kind.api_version != owner["apiVersion"]:
        return None
    found = cycle.cache.get(kind, Key(cycle.pod.namespace, owner["name"]))
    selector = ((found or {}).get("spec") or {}).get("selector")
    return {"matchLabels": selector} if kind is replicationcontroller.KIND and selector else selector


def included(constraint: Spread, pod: PodView, node: NodeView) -> bool:
    """Whether a node's pods count, by the constraint's inclusion policies (KEP-3094)."""
    if constraint.honor_affinity and not wants(pod.spec, node.labels, node.name):
        return False
    tolerations = pod.spec.get("tolerations") or ()
    return not constraint.honor_taints or untolerated(node.taints, tolerations, ("NoSchedule", "NoExecute")) is None


def includes_all(constraint: Spread, pod: PodView) -> bool:
    """Whether the inclusion policies leave no node out."""
    anywhere = not pod.spec.get("nodeSelector") and required_terms(pod.spec) is None
    return not constraint.honor_taints and (anywhere or not constraint.honor_affinity)


def has_all_keys(node: NodeView, constraints: Sequence[Spread]) -> bool:
    return all(c.topology_key in node.labels for c in constraints)


def matching(cycle: Cycle, constraint: Spread, key: str, having: Sequence[Spread] = ()) -> dict[str, int]:
    """How many pods the constraint is about, by the values of `key`, on nodes with the keys of all of `having`. None
    for an empty selector, though it matches the newcomer itself (countPodsMatchSelector)."""
    selector = NOBODY if constraint.selector.is_empty else constraint.selector
    who = ((frozenset([cycle.pod.namespace]), selector),)
    keys = tuple(c.topology_key for c in having)
    return cycle.census.count(Question(key, who, leaving=False, having=keys), cycle.nodes)


def by_topology(cycle: Cycle, constraint: Spread, having: Sequence[Spread]) -> dict[str, int]:
    """How many pods count, by value of the topology key. The caller's own."""
    if includes_all(constraint, cycle.pod):
        return dict(matching(cycle, constraint, constraint.topology_key, having))
    on_nodes, pods = matching(cycle, constraint, EACH_NODE), dict[str, int]()
    for node in cycle.nodes.values():
        value = node.labels.get(constraint.topology_key)
        if value is not None and has_all_keys(node, having) and included(constraint, cycle.pod, node):
            pods[value] = pods.get(value, 0) + on_nodes[node.name]
    return pods


def prefilter(cycle: Cycle) -> Before:
    constraints = constraints_of(cycle, hard=True)
    if not constraints:
        return SKIP
    itself = [int(c.selector.matches(cycle.pod.labels)) for c in constraints]
    cycle.notes[NAME] = Counts(constraints, [by_topology(cycle, c, constraints) for c in constraints], itself)
    return None


def moved(cycle: Cycle, node: NodeView, pod: PodView, sign: int) -> None:
    counts: Counts = cycle.notes[NAME]
    if pod.namespace != cycle.pod.namespace or not has_all_keys(node, counts.constraints):
        return
    for constraint, pods in zip(counts.constraints, counts.pods, strict=True):
        if constraint.selector.matches(pod.labels) and included(constraint, cycle.pod, node):
            value = node.labels[constraint.topology_key]
            pods[value] = pods.get(value, 0) + sign
    counts.changed()


def filter_node(cycle: Cycle, node: NodeView) -> Verdict:
    counts: Counts = cycle.notes[NAME]
    each = zip(counts.constraints, counts.pods, counts.itself, counts.fewest, strict=True)
    for constraint, pods, itself, fewest in each:
        value = node.labels.get(constraint.topology_key)
        if value is None:
            return Reject((NO_LABEL,), hopeless=True)
        if pods.get(value, 0) + itself - fewest > constraint.max_skew:
            return Reject((UNEVEN,))
    return FITS


def filter_labels(cycle: Cycle) -> list[str]:
    return list(dict.fromkeys(c.topology_key for c in cycle.notes[NAME].constraints))


def prescore(cycle: Cycle, nodes: Sequence[NodeView]) -> Word | None:
    constraints = constraints_of(cycle, hard=False)
    if not constraints:
        return SKIP
    own = bool(cycle.pod.spec.get("topologySpreadConstraints")) or not cycle.settings.get(NAME, DEFAULTS).system
    scoring = Scoring(constraints, [{} for _ in constraints], [])
    for node in _one_of_each(cycle, nodes, constraints):
        if own and not has_all_keys(node, constraints):
            scoring.ignored.add(node.name)
            continue
        for constraint, pods in zip(constraints, scoring.pods, strict=True):
            if constraint.topology_key != HOSTNAME:
                pods[node.labels.get(constraint.topology_key, "")] = 0
    for constraint, pods in zip(constraints, scoring.pods, strict=True):
        hosts = len(nodes) - len(scoring.ignored)
        size = hosts if constraint.topology_key == HOSTNAME else len(pods)
        scoring.weights.append(log(size + 2))
    having = constraints if own else ()
    scoring.pods = [_counted(cycle, c, values, having) for c, values in zip(constraints, scoring.pods, strict=True)]
    each = zip(constraints, scoring.pods, scoring.weights, strict=True)
    scoring.parts = [(c.topology_key, pods, weight, c.max_skew - 1) for c, pods, weight in each]
    cycle.notes[SCORE_NOTE] = scoring
    return None


def _one_of_each(cycle: Cycle, nodes: Sequence[NodeView], constraints: Sequence[Spread]) -> Iterable[NodeView]:
    """One of the nodes with the same values of all labels that matter; all nodes, should any lack such a label."""
    keys = [c.topology_key for c in constraints]
    if HOSTNAME in keys:
        return nodes
    values = cycle.census.picker(nodes)(cycle.census.labels(keys, cycle.nodes))
    some = dict(zip(values, nodes, strict=True)).values()
    return some if all(has_all_keys(node, constraints) for node in some) else nodes


def _counted(cycle: Cycle, constraint: Spread, values: Iterable[str], having: Sequence[Spread]) -> dict[str, int]:
    """Read only: on hosts it is the census' own."""
    if constraint.topology_key == HOSTNAME:
        return matching(cycle, constraint, EACH_NODE)
    found = by_topology(cycle, constraint, having)
    return {value: found.get(value, 0) for value in values}


def score(cycle: Cycle, node: NodeView) -> int:
    scoring: Scoring = cycle.notes[SCORE_NOTE]
    name, labels = node.name, node.labels
    if name in scoring.ignored:
        return 0
    total = 0.0
    for key, pods, weight, allowed in scoring.parts:
        value = labels.get(key)
        if value is not None:
            total += pods[name if key == HOSTNAME else value] * weight + allowed
    return floor(total + 0.5)


def score_labels(cycle: Cycle) -> list[str] | None:
    """Of hosts each has its own score."""
    keys = list(dict.fromkeys(c.topology_key for c in cycle.notes[SCORE_NOTE].constraints))
    return None if HOSTNAME in keys else keys


def normalize(cycle: Cycle, scores: dict[str, int]) -> None:
    ignored = cycle.notes[SCORE_NOTE].ignored
    counted = [s for name, s in scores.items() if name not in ignored]
    lowest, highest = min(counted, default=0), max(counted, default=0)
    for name, raw in scores.items():
        if name in ignored:
            scores[name] = 0
        else:
            scores[name] = MAX_SCORE * (highest + lowest - raw) // highest if highest else MAX_SCORE


def _selected(constraints: list[Spread], pod: PodView | None) -> list[bool]:
    return [pod is not None and c.selector.matches(pod.labels) for c in constraints]


def moved_the_skew(cycle: Cycle, old: PodView | None, new: PodView | None) -> bool:
    """Whether a pod on a node counts for a constraint now and did not before, or the other way round."""
    if any(pod is not None and pod.namespace != cycle.pod.namespace for pod in (old, new)):
        return False
    constraints = constraints_of(cycle, hard=True)
    return _selected(constraints, old) != _selected(constraints, new)


def counts_otherwise(cycle: Cycle, old: PodView, new: PodView) -> bool:
    constraints = constraints_of(cycle, hard=True)
    if old.spec.get("tolerations") != new.spec.get("tolerations") and any(c.honor_taints for c in constraints):
        return True
    return _selected(constraints, old) != _selected(constraints, new)


def changed_domains(cycle: Cycle, old: NodeView | None, new: NodeView | None) -> bool:
    """Whether a node came to the domains of the constraints, left them, or moved among them."""
    constraints = constraints_of(cycle, hard=True)
    was, is_ = (node is not None and has_all_keys(node, constraints) for node in (old, new))
    if old is None or new is None or was != is_:
        return was or is_
    keys = [c.topology_key for c in constraints]
    return is_ and (old.taints != new.taints or any(old.labels.get(k) != new.labels.get(k) for k in keys))


PLUGIN = Plugin(
    name=NAME,
    order=100,
    weight=2,
    prefilter=prefilter,
    filter=filter_node,
    filter_labels=filter_labels,
    moved=moved,
    prescore=prescore,
    score=score,
    score_labels=score_labels,
    normalize=normalize,
    settings=settings,
    retry_on={
        Event.POD_ADDED: moved_the_skew,
        Event.POD_REMOVED: moved_the_skew,
        Event.POD_LABELS: moved_the_skew,
        Event.OWN_LABELS: counts_otherwise,
        Event.OWN_TOLERATIONS: counts_otherwise,
        Event.NODE_ADDED: changed_domains,
        Event.NODE_REMOVED: changed_domains,
        Event.NODE_LABELS: changed_domains,
        Event.NODE_TAINTS: changed_domains,
    },
)

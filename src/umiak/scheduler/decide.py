"""Chooses a node for one pod. Pure: the plugins, a cycle and chance in; a placement or a refusal with reasons out."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from umiak.scheduler.alike import Marks
from umiak.scheduler.census import Window
from umiak.scheduler.columns import BAD, GOOD, Pick, unknown
from umiak.scheduler.contract import FITS, SKIP, Cycle, OnlyNodes, Plugin, Refusals, Reject, RejectAll, Verdict
from umiak.scheduler.nodes import HOSTNAME, NodeView
from umiak.scheduler.pods import PodView
from umiak.scheduler.watch import UNWATCHED, Watch

V = TypeVar("V")
ALL_BELOW = 100
"""In clusters of up to so many nodes every node is looked at."""
LOWEST_SHARE = 5


class Placement(msgspec.Struct, frozen=True):
    """Where a pod goes. `plugins` act before it is bound."""

    node: NodeView
    plugins: Sequence[Plugin]
    ratings: "Ratings"
    """Of all nodes where it would fit."""

    @property
    def feasible(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.ratings.nodes)

    @property
    def scores(self) -> Mapping[str, int]:
        """Total score by node; empty when there was no choice."""
        return self.ratings.by_name() if len(self.ratings.nodes) > 1 else {}


DYNAMIC_RESOURCES = "DynamicResources"
"""The plugin that prepares itself last."""


class Refusal(msgspec.Struct):
    """Why no node fits. `rejected` by node name; nodes that are not there were not looked at."""

    nodes: int
    message: str = ""
    """What stands in place of reasons per node, when a plugin refused them all at once."""
    hopeless: bool = False
    rejected: dict[str, Reject] = msgspec.field(default_factory=dict)
    plugins: set[str] = msgspec.field(default_factory=set)
    """Those that rejected a node: events they listen for may help."""
    early: bool = False
    """Whether one plugin refused before all had prepared themselves."""
    unnamed: str = ""
    """What is said of the nodes that were not looked at since the pod may only go to others."""

    def reasons(self) -> str:
        """`0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`"""
        head = f"0/{self.nodes} nodes are available:"
        if self.message:
            return f"{head} {self.message}."
        counted = Counter(reason for verdict in self.rejected.values() for reason in verdict.reasons)
        if self.unnamed and self.nodes > len(self.rejected):
            counted[self.unnamed] += self.nodes - len(self.rejected)
        return f"{head} {listed(counted)}." if counted else head

    def is_hopeless_on(self, node: str) -> bool:
        """Whether the pod would not fit there even if nothing else were there."""
        if self.message:
            return self.hopeless
        reject = self.rejected.get(node)
        return reject is None or reject.hopeless


def listed(counted: Mapping[str, int]) -> str:
    """Reasons with how many nodes each holds for, as messages have them."""
    return ", ".join(sorted(f"{count} {reason}" for reason, count in counted.items()))


class Found(msgspec.Struct):
    """Nodes where the pod fits, what was said of others, and the plugins that have a say about the pod."""

    nodes: list[NodeView]
    refusal: Refusal
    plugins: list[Plugin]


NOTHING: Mapping[str, int] = {}
WELCOME: tuple[Verdict, str] = (FITS, "")
"""The answer about a node that no plugin rejects."""
NO_NODES = "no nodes available to schedule pods"


def wanted_count(nodes: int, percentage: int = 0) -> int:
    """How many feasible nodes are enough to choose among; with percentage 0 the reference's adaptive sampling."""
    if nodes <= ALL_BELOW:
        return nodes
    share = percentage or max(LOWEST_SHARE, 50 - nodes // 125)
    return max(ALL_BELOW, nodes * share // 100)


class Filters(msgspec.Struct):
    """The plugins that have a say about this pod, or a refusal before any node was looked at."""

    plugins: list[Plugin]
    only: frozenset[str] | None = None
    named_by: set[str] = msgspec.field(default_factory=set)
    """Plugins that say which nodes are `only` to be looked at."""
    refusal: Refusal | None = None
    mark: object = None
    """Of the column with what the first of the plugins, as far as they are `local`, say about alike pods."""

    def split(self) -> tuple[list[Plugin], list[Plugin]]:
        """The local ones at the beginning, and the rest."""
        first = next((i for i, p in enumerate(self.plugins) if p.filter is not None and not p.local), len(self.plugins))
        return self.plugins[:first], self.plugins[first:]


def prefilter(cycle: Cycle, plugins: Sequence[Plugin]) -> Filters:
    found = Filters([])
    for plugin in plugins:
        verdict = plugin.prefilter(cycle) if plugin.prefilter else None
        if verdict is SKIP:
            continue
        if isinstance(verdict, RejectAll):
            refused = (len(cycle.nodes), verdict.message, verdict.hopeless)
            found.refusal = Refusal(*refused, plugins={plugin.name}, early=plugin.name != DYNAMIC_RESOURCES)
            return found
        if isinstance(verdict, OnlyNodes):
            found.only = verdict.names if found.only is None else found.only & verdict.names
            found.named_by.add(plugin.name)
            if not found.only:
                found.refusal = Refusal(len(cycle.nodes), _contradiction(found.named_by), True, plugins=found.named_by)
                return found
        if plugin.filter or plugin.prebind:
            found.plugins.append(plugin)
    return found


def _contradiction(named_by: set[str]) -> str:
    """Said when no node is left that all these plugins named."""
    names = sorted(named_by)
    return f"node(s) didn't satisfy plugin {names[0]}" if len(names) == 1 else f"{_unnamed(named_by)} simultaneously"


def _unnamed(named_by: set[str]) -> str:
    return f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(named_by))}]"


def move(cycle: Cycle, plugins: Sequence[Plugin], node: NodeView, pod: PodView, sign: int) -> None:
    """Tries what would be without a pod on a node (-1) or with it (+1)."""
    if sign < 0:
        node.remove(pod.uid)
    else:
        node.add(pod)
    for plugin in plugins:
        if plugin.moved is not None:
            plugin.moved(cycle, node, pod, sign)


def judge(cycle: Cycle, plugins: Sequence[Plugin], node: NodeView) -> tuple[Verdict, str]:
    """The first rejection and who spoke it. Pods that matter as much, and that the node is promised to, count as if
    they were there; and as if they were not, for they may never come (RunFilterPluginsWithNominatedPods)."""
    promised = cycle.nominated.get(node.name)
    ahead = [p for p in promised.values() if _comes_before(p, cycle.pod, node)] if promised else []
    if ahead:
        ports = node.host_ports.copy()
        for pod in ahead:
            move(cycle, plugins, node, pod, +1)
        try:
            found = _ask(cycle, plugins, node)
        finally:
            for pod in ahead:
                move(cycle, plugins, node, pod, -1)
            node.host_ports = ports
        if found[0] is not None:
            return found
    return _ask(cycle, plugins, node)


def _comes_before(other: PodView, pod: PodView, node: NodeView) -> bool:
    return other.uid != pod.uid and other.priority >= pod.priority and other.uid not in node.pods


def _ask(cycle: Cycle, plugins: Sequence[Plugin], node: NodeView) -> tuple[Verdict, str]:
    for plugin in plugins:
        if plugin.filter is not None:
            verdict = plugin.filter(cycle, node)
            if verdict is not None:
                return verdict, plugin.name
    return WELCOME


class Judges:
    """`judge` for one node after the other, which asks local plugins only about nodes that have changed."""

    def __init__(self, cycle: Cycle, filters: Filters, everyone: Sequence[NodeView]) -> None:
        self._cycle, self._plugins, self._everyone = cycle, filters.plugins, everyone
        self._local, others = filters.split()
        self._rest = [(plugin.name, _asker(cycle, plugin, everyone)) for plugin in others if plugin.filter]
        self._column = cycle.census.columns.of(filters.mark, len(everyone))

    def all_fit(self, window: Window) -> bool:
        """Whether it is certain, and soon found out, that the pod fits on every node there."""
        if self._cycle.nominated or not all(asker.is_quick for _, asker in self._rest):
            return False
        states = bytes(window.pick(self._column.known))
        for index in unknown(states):
            if self._local_verdict(window.places[index]) is not WELCOME:
                return False
        return BAD not in states and all(asker.fits_all(window) for _, asker in self._rest)

    def judge(self, place: int) -> tuple[Verdict, str]:
        if self._cycle.nominated and self._everyone[place].name in self._cycle.nominated:
            return judge(self._cycle, self._plugins, self._everyone[place])
        known = self._column.known[place]
        found = WELCOME if known == GOOD else self._column.entries[0][place] if known else self._local_verdict(place)
        if found is WELCOME:
            for name, asker in self._rest:
                verdict = asker.ask(place)
                if verdict is not None:
                    return verdict, name
        return found

    def _local_verdict(self, place: int) -> tuple[Verdict, str]:
        found = _ask(self._cycle, self._local, self._everyone[place])
        self._column.known[place] = GOOD if found is WELCOME else BAD
        self._column.entries[0][place] = found
        return found


class Asker:
    """Asks one plugin about each node for itself."""

    is_quick = False
    """Whether `fits_all` takes much less than asking about each of many nodes."""

    def __init__(self, cycle: Cycle, plugin: Plugin, everyone: Sequence[NodeView]) -> None:
        assert plugin.filter is not None
        self._filter, self._cycle, self._everyone = plugin.filter, cycle, everyone

    def ask(self, place: int) -> Verdict:
        return self._filter(self._cycle, self._everyone[place])

    def fits_all(self, window: Window) -> bool:
        return all(self.ask(place) is None for place in window.places)


class AskerOfLabels(Asker):
    """Asks once for all nodes with the same values of the labels that alone matter."""

    is_quick = True

    def __init__(self, cycle: Cycle, plugin: Plugin, everyone: Sequence[NodeView], keys: Sequence[str]) -> None:
        super().__init__(cycle, plugin, everyone)
        self._values = cycle.census.labels(keys, cycle.nodes)
        self._known: dict[object, Verdict] = {}

    def ask(self, place: int) -> Verdict:
        value = self._values[place]
        if value not in self._known:
            self._known[value] = super().ask(place)
        return self._known[value]

    def fits_all(self, window: Window) -> bool:
        samples = dict(zip(window.pick(self._values), window.places, strict=True))
        return all(self.ask(place) is None for place in samples.values())


class AskerOfCounts(Asker):
    """Looks up whether anything speaks against the value that a node's label has."""

    is_quick = True

    def __init__(self, cycle: Cycle, plugin: Plugin, everyone: Sequence[NodeView], told: Refusals) -> None:
        super().__init__(cycle, plugin, everyone)
        self._values = cycle.census.labels([told.label], cycle.nodes)
        self._told = told.counts

    def ask(self, place: int) -> Verdict:
        value = self._values[place]
        for counts, reject in self._told:
            if counts.get(value):
                return reject
        return FITS

    def fits_all(self, window: Window) -> bool:
        values = window.pick(self._values)
        return not any(any(map(counts.get, values)) for counts, _ in self._told)


def _asker(cycle: Cycle, plugin: Plugin, everyone: Sequence[NodeView]) -> Asker:
    told = plugin.refusals(cycle) if plugin.refusals else None
    if told is not None:
        return AskerOfCounts(cycle, plugin, everyone, told)
    keys = plugin.filter_labels(cycle) if plugin.filter_labels else None
    if keys is None or HOSTNAME in keys:
        return Asker(cycle, plugin, everyone)
    return AskerOfLabels(cycle, plugin, everyone, keys)


def find_feasible(
    cycle: Cycle, filters: Filters, start: int, percentage: int = 0
) -> tuple[list[NodeView], Refusal, int]:
    """Feasible nodes, what was said of the others, and how many were looked at. Begins at the `start`th node."""
    census, everyone = cycle.census, cycle.census.everyone(cycle.nodes)
    judges, refusal = Judges(cycle, filters, everyone), Refusal(len(everyone))
    if filters.only is not None:
        places = sorted(cycle.nodes[name].place for name in filters.only if name in cycle.nodes)
        enough = wanted_count(len(places), percentage)
        refusal.plugins, refusal.unnamed = set(filters.named_by), _unnamed(filters.named_by)
    else:
        enough, begin = wanted_count(len(everyone), percentage), start % len(everyone)
        window = census.window(begin, enough, cycle.nodes)
        if judges.all_fit(window):
            return window.nodes, refusal, enough
        places = census.places(begin, cycle.nodes)
    feasible, seen = list[NodeView](), 0
    for place in places:
        seen += 1
        verdict, who = judges.judge(place)
        if verdict is None:
            feasible.append(everyone[place])
            if len(feasible) >= enough:
                break
        else:
            refusal.rejected[everyone[place].name] = verdict
            refusal.plugins.add(who)
    return feasible, refusal, seen


class Ratings(msgspec.Struct, frozen=True):
    """The weighted total of all scoring plugins for each of `nodes` is `base` more than what `totals` says."""

    nodes: Sequence[NodeView]
    totals: Sequence[int]
    base: int = 0

    def by_name(self) -> dict[str, int]:
        return {node.name: self.base + total for node, total in zip(self.nodes, self.totals, strict=True)}

    def best(self, chance: random.Random) -> NodeView:
        """One of the best, by chance."""
        highest = max(self.totals)
        return self.nodes[chance.choice([i for i, total in enumerate(self.totals) if total == highest])]

    def plus(self, weight: int, scores: Sequence[int]) -> "Ratings":
        totals = [total + weight * score for total, score in zip(self.totals, scores, strict=True)]
        return Ratings(self.nodes, totals, self.base)


def rate(cycle: Cycle, plugins: Sequence[Plugin], nodes: Sequence[NodeView], marks: Marks) -> Ratings:
    asked = [p for p in plugins if p.score and not (p.prescore and p.prescore(cycle, nodes) is SKIP)]
    size = len(cycle.census.everyone(cycle.nodes))
    pick = cycle.census.picker(nodes)
    found = _rate_locally(cycle, [p for p in asked if p.local], nodes, pick, marks, size)
    for plugin in asked:
        if not plugin.local:
            found = found.plus(plugin.weight, _scores(cycle, plugin, nodes, pick))
    return found


def _rate_locally(
    cycle: Cycle, plugins: Sequence[Plugin], nodes: Sequence[NodeView], pick: Pick, marks: Marks, size: int
) -> Ratings:
    """What local plugins say, from a column: the weighted total of those whose scores need no normalizing, and the raw
    scores of the others."""
    mark = marks.of("score", cycle.pod.shape, *(p.name for p in plugins))
    plain, scaled = [p for p in plugins if not p.normalize], [p for p in plugins if p.normalize]
    column = cycle.census.columns.of(mark, size, 1 + len(scaled))
    totals, raws = column.entries[0], column.entries[1:]
    for index in unknown(bytes(pick(column.known))):
        node = nodes[index]
        totals[node.place] = sum(p.weight * p.score(cycle, node) for p in plain if p.score)
        for plugin, raw in zip(scaled, raws, strict=True):
            raw[node.place] = plugin.score(cycle, node) if plugin.score else 0
        column.known[node.place] = GOOD
    base, found = 0, Ratings(nodes, pick(totals))
    for plugin, scores in zip(scaled, map(pick, raws), strict=True):
        if scores.count(scores[0]) == len(scores):  # then they stay alike: one is enough to know what becomes of all
            base += plugin.weight * _normalized(cycle, plugin, nodes[:1], scores[:1])[0]
        else:
            found = found.plus(plugin.weight, _normalized(cycle, plugin, nodes, scores))
    return Ratings(nodes, found.totals, base)


def _scores(cycle: Cycle, plugin: Plugin, nodes: Sequence[NodeView], pick: Pick) -> Sequence[int]:
    """What one plugin says that looks at more than the node; asked once for all nodes with the same labels if it looks
    at nothing else."""
    assert plugin.score is not None
    keys = plugin.score_labels(cycle) if plugin.score_labels else None
    if keys is None or HOSTNAME in keys:
        return _normalized(cycle, plugin, nodes, list(map(partial(plugin.score, cycle), nodes)))
    values = pick(cycle.census.labels(keys, cycle.nodes))
    some = dict(zip(values, nodes, strict=True))
    raw = [plugin.score(cycle, node) for node in some.values()]
    by_value = dict(zip(some, _normalized(cycle, plugin, list(some.values()), raw), strict=True))
    return list(map(by_value.__getitem__, values))


def _normalized(cycle: Cycle, plugin: Plugin, nodes: Sequence[NodeView], scores: Sequence[int]) -> Sequence[int]:
    if plugin.normalize is None:
        return scores
    named = {node.name: score for node, score in zip(nodes, scores, strict=True)}
    plugin.normalize(cycle, named)
    return list(named.values())


class Decider(msgspec.Struct):
    """Decides for one pod after the other; remembers only where in the list of nodes it stopped."""

    plugins: Sequence[Plugin]
    chance: random.Random
    percentage: int = 0
    next_start: int = 0
    marks: Marks = msgspec.field(default_factory=Marks)
    watch: Watch = UNWATCHED

    def decide(self, cycle: Cycle) -> Placement | Refusal:
        found = self.promised(cycle) or self.find(cycle)
        return found if isinstance(found, Refusal) else self.pick(cycle, found)

    def promised(self, cycle: Cycle) -> Found | None:
        """The node that was promised to the pod, if it fits there now."""
        nominated = cycle.nodes.get(cycle.pod.nominated)
        if nominated is None:
            return None
        filters = prefilter(cycle, self.plugins)
        if filters.refusal is not None or judge(cycle, filters.plugins, nominated)[0] is not None:
            return None
        return Found([nominated], Refusal(len(cycle.nodes)), filters.plugins)

    def find(self, cycle: Cycle) -> Found | Refusal:
        """The nodes where the pod fits."""
        if not cycle.nodes:
            return Refusal(0, NO_NODES, True)
        began = self.watch.now()
        filters = prefilter(cycle, self.plugins)
        self.watch.saw("PreFilter", began, filters.refusal is None)
        if filters.refusal is not None:
            return filters.refusal
        filters.mark = self.marks.of("filter", cycle.pod.shape, *(p.name for p in filters.plugins))
        began = self.watch.now()
        feasible, refusal, seen = find_feasible(cycle, filters, self.next_start, self.percentage)
        self.watch.saw("Filter", began, bool(feasible))
        if filters.only is None:
            self.next_start = (self.next_start + seen) % len(cycle.nodes)
        return Found(feasible, refusal, filters.plugins) if feasible else refusal

    def pick(self, cycle: Cycle, found: Found, more: Mapping[str, int] = NOTHING) -> Placement:
        """One of the nodes with the best score; `more` is added to what the plugins say."""
        if len(found.nodes) == 1:
            return Placement(found.nodes[0], found.plugins, Ratings(found.nodes, [0]))
        began = self.watch.now()
        ratings = rate(cycle, self.plugins, found.nodes, self.marks)
        self.watch.saw("Score", began)
        if more:
            ratings = ratings.plus(1, [more.get(node.name, 0) for node in found.nodes])
        return Placement(ratings.best(self.chance), found.plugins, ratings)

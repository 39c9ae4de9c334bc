"""Chooses a node for one pod. Pure: the plugins, a cycle and chance in; a placement or a refusal with reasons out."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import TypeVar

import msgspec

from umiak.scheduler.alike import Marks
from umiak.scheduler.contract import FITS, SKIP, Cycle, OnlyNodes, Plugin, Reject, RejectAll, Verdict
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
    feasible: tuple[str, ...]
    scores: Mapping[str, int]
    """Total score by node; empty when there was no choice."""


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
    """Under which nodes keep what the first of the plugins, as far as they are `local`, say about alike pods."""

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


def remembering(cycle: Cycle, filters: Filters) -> tuple[Callable[[NodeView], tuple[Verdict, str]], object]:
    """`judge` for one node after the other, which asks local plugins only about nodes that have changed; and the mark
    under which a node keeps the very answer, if it has it."""
    local, others = filters.split()
    rest = [(plugin.name, _asking(cycle, plugin)) for plugin in others if plugin.filter]
    mark, nominated = filters.mark, cycle.nominated

    def judge_one(node: NodeView) -> tuple[Verdict, str]:
        if node.name in nominated:
            return judge(cycle, filters.plugins, node)
        found: tuple[Verdict, str] | None = node.kept.get(mark)
        if found is None:
            found = _ask(cycle, local, node)
            node.keep(mark, found)
        for name, ask in rest if found is WELCOME else ():
            verdict = ask(node)
            if verdict is not None:
                return verdict, name
        return found

    return judge_one, None if rest or nominated else mark


def _asking(cycle: Cycle, plugin: Plugin) -> Callable[[NodeView], Verdict]:
    assert plugin.filter is not None
    keys = plugin.filter_labels(cycle) if plugin.filter_labels else None
    return by_labels(partial(plugin.filter, cycle), keys)


def by_labels(ask: Callable[[NodeView], V], keys: Sequence[str] | None) -> Callable[[NodeView], V]:
    """Asks once for all nodes with the same values of the labels that alone matter; None: each node for itself."""
    if keys is None or HOSTNAME in keys:
        return ask
    known: dict[object, V] = {}
    only = keys[0] if len(keys) == 1 else ""

    def asked(node: NodeView) -> V:
        labels = node.labels
        values = labels.get(only) if only else tuple(map(labels.get, keys))
        if values in known:
            return known[values]
        found = known[values] = ask(node)
        return found

    return asked


def find_feasible(
    cycle: Cycle, filters: Filters, start: int, percentage: int = 0
) -> tuple[list[NodeView], Refusal, int]:
    """Feasible nodes, what was said of the others, and how many were looked at. Begins at the `start`th node."""
    everyone, turn = cycle.census.everyone(cycle.nodes), 0
    if filters.only is not None:
        everyone = [node for node in everyone if node.name in filters.only]
        refusal = Refusal(len(cycle.nodes), plugins=set(filters.named_by), unnamed=_unnamed(filters.named_by))
    else:
        turn = start % len(everyone)
        refusal = Refusal(len(everyone))
    enough, feasible, seen = wanted_count(len(everyone), percentage), [], 0
    judge_one, mark = remembering(cycle, filters)
    first = (everyone[turn : turn + enough] + everyone[: max(0, turn + enough - len(everyone))])[:enough]
    answers = [node.kept.get(mark) or judge_one(node) for node in first]
    if answers.count(WELCOME) == len(first):
        return first, refusal, len(first)
    others = ((node, judge_one(node)) for node in (everyone[turn:] + everyone[:turn])[len(first) :])
    for node, (verdict, who) in chain(zip(first, answers, strict=True), others):
        seen += 1
        if verdict is None:
            feasible.append(node)
            if len(feasible) >= enough:
                break
        else:
            refusal.rejected[node.name] = verdict
            refusal.plugins.add(who)
    return feasible, refusal, seen


def score_all(cycle: Cycle, plugins: Sequence[Plugin], nodes: list[NodeView], marks: Marks) -> dict[str, int]:
    """Weighted total of all scoring plugins, by node name."""
    asked = [p for p in plugins if p.score and not (p.prescore and p.prescore(cycle, nodes) is SKIP)]
    local, names = [p for p in asked if p.local], [node.name for node in nodes]
    columns = list(zip(*_local_scores(cycle, local, nodes, marks), strict=True))
    totals: Sequence[int] = columns[0]
    for plugin, scores in zip((p for p in local if p.normalize), columns[1:], strict=True):
        totals = _added(totals, plugin.weight, _normalized(cycle, plugin, names, scores))
    for plugin in asked:
        if not plugin.local and plugin.score:
            keys = plugin.score_labels(cycle) if plugin.score_labels else None
            raw = list(map(by_labels(partial(plugin.score, cycle), keys), nodes))
            totals = _added(totals, plugin.weight, _normalized(cycle, plugin, names, raw))
    return dict(zip(names, totals, strict=True))


def _local_scores(cycle: Cycle, plugins: Sequence[Plugin], nodes: list[NodeView], marks: Marks) -> list[Sequence[int]]:
    """For each node what local plugins say, which nodes keep until they change: the weighted total of those whose
    scores need no normalizing, then the raw scores of the others."""
    mark = marks.of("score", cycle.pod.shape, *(p.name for p in plugins))
    return [node.kept.get(mark) or node.keep(mark, _scored(cycle, plugins, node)) for node in nodes]


def _scored(cycle: Cycle, plugins: Sequence[Plugin], node: NodeView) -> Sequence[int]:
    scores = [(p, p.score(cycle, node)) for p in plugins if p.score]
    total = sum(p.weight * score for p, score in scores if not p.normalize)
    return (total, *(score for p, score in scores if p.normalize))


def _normalized(cycle: Cycle, plugin: Plugin, names: list[str], scores: Sequence[int]) -> Sequence[int]:
    """Scores that are all the same stay so, hence one of them is enough to know the rest of a local plugin's."""
    if plugin.normalize is None:
        return scores
    if plugin.local and min(scores) == max(scores):
        one = {"": scores[0]}
        plugin.normalize(cycle, one)
        return [one[""]] * len(scores)
    named = dict(zip(names, scores, strict=True))
    plugin.normalize(cycle, named)
    return list(named.values())


def _added(totals: Sequence[int], weight: int, scores: Sequence[int]) -> list[int]:
    return [total + weight * score for total, score in zip(totals, scores, strict=True)]


def choose(scores: Mapping[str, int], chance: random.Random) -> str:
    """One of the best, by chance."""
    best = max(scores.values())
    return chance.choice([name for name, score in scores.items() if score == best])


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
            return Placement(found.nodes[0], found.plugins, (found.nodes[0].name,), {})
        began = self.watch.now()
        scores = score_all(cycle, self.plugins, found.nodes, self.marks)
        self.watch.saw("Score", began)
        for name in more.keys() & scores.keys():
            scores[name] += more[name]
        return Placement(cycle.nodes[choose(scores, self.chance)], found.plugins, tuple(scores), scores)

"""What our scheduler decides about the waiting pods of a cluster, told as the oracle tells it. No server, no clock."""

import json
import random
from collections.abc import Sequence
from typing import Any

from umiak.api.registry import kinds
from umiak.objects import meta
from umiak.reconcile.cache import Tables
from umiak.scheduler import preemption
from umiak.scheduler.alike import Marks
from umiak.scheduler.cluster import ClusterState
from umiak.scheduler.contract import CannotDecide, Cycle, Plugin, Relief
from umiak.scheduler.decide import Decider, Placement, Refusal, rate
from umiak.scheduler.loop import _READ, reliefs_of
from umiak.scheduler.nominations import Nominations
from umiak.scheduler.plugins.scheduling_gates import is_gated
from umiak.scheduler.pods import PodView, view
from umiak.scheduler.profile import default_profile
from umiak.testing.clock import NOON

Object = dict[str, Any]
PROFILE = default_profile()
PLUGINS = PROFILE.plugins
_KINDS = {(kind.api_version, kind.kind): kind for kind in kinds()}


class World:
    """A scheduler's knowledge of one cluster."""

    def __init__(self, objects: list[Object]) -> None:
        self.tables = Tables()
        for kind in _READ:
            self.tables.ensure(kind)
        self.state = ClusterState(lambda event: None)
        self.nominations = Nominations()
        self.waiting: list[PodView] = []
        self.decider = Decider(PLUGINS, random.Random(1))
        self.budgets = [each for each in objects if each["kind"] == "PodDisruptionBudget"]
        for each in objects:
            self.see(each)

    def see(self, each: Object) -> None:
        """An object that is new or has changed."""
        table = self.tables.find(_KINDS[each["apiVersion"], each["kind"]])
        if table is not None:
            table.saw(json.dumps(each).encode())
        if each["kind"] == "Node":
            self.state.node_changed(None, each, meta.name(each))
        elif each["kind"] == "Pod" and each["spec"].get("nodeName"):
            self.state.pod_changed(view(each), meta.uid(each))
        elif each["kind"] == "Pod":
            self.waiting.append(view(each))
            if self.waiting[-1].nominated:
                self.nominations.add(self.waiting[-1], self.waiting[-1].nominated)

    def forget(self, pod: Object) -> None:
        """A pod on a node that has gone."""
        self.state.pod_changed(None, meta.uid(pod))

    def answers(self) -> list[Object]:
        """About each waiting pod."""
        return [_answer(self, pod) for pod in self.waiting]

    def cycle(self, pod: PodView) -> Cycle:
        nodes, promised = self.state.nodes, self.nominations.by_node
        return Cycle(pod, nodes, self.tables, NOON, nominated=promised, census=self.state.census)


def answers(objects: list[Object]) -> list[Object]:
    return World(objects).answers()


def _answer(world: World, pod: PodView) -> Object:
    found: Object = {"pod": f"{pod.namespace}/{pod.name}", "feasible": []}
    if is_gated(pod):
        return {**found, "gated": True}
    cycle = world.cycle(pod)
    try:
        decision = world.decider.decide(cycle)
    except CannotDecide as error:
        return {**found, "error": str(error)}
    if isinstance(decision, Placement):
        found["feasible"] = sorted(decision.feasible)
        found["best"] = best(decision.scores)
        if decision.scores:
            found["scores"] = _scores(world, cycle, decision)
        return found
    found["message"], found["plugins"] = decision.reasons(), sorted(decision.plugins)
    found["preempts"] = _preemption(world, cycle, decision)
    return found


def best(totals: Any) -> list[str]:
    """The nodes with the highest score; none when there was no choice."""
    return sorted(name for name, total in totals.items() if total == max(totals.values()))


def _scores(world: World, cycle: Cycle, decision: Placement) -> Object:
    """By node, what each plugin adds; the total under the empty name."""
    nodes = [world.state.nodes[name] for name in decision.feasible]
    scoring: list[Plugin] = [plugin for plugin in PLUGINS if plugin.score]
    each = {plugin.name: rate(cycle, [plugin], nodes, Marks()).by_name() for plugin in scoring}
    return {
        name: {"": total, **{plugin: given[name] for plugin, given in each.items() if given[name]}}
        for name, total in decision.scores.items()
    }


def in_words(reliefs: Sequence[Relief], message: str) -> str:
    return ", ".join(filter(None, (*(relief.message for relief in reliefs), message)))


def _preemption(world: World, cycle: Cycle, refusal: Refusal) -> Object:
    reliefs = reliefs_of(PROFILE, cycle, refusal)
    if any(relief.ends for relief in reliefs):
        return {"message": in_words(reliefs, "")}
    outcome = preemption.decide(cycle, PLUGINS, refusal, world.budgets, world.decider.chance)
    if outcome.victims is None:
        return {"message": in_words(reliefs, outcome.message)}
    found = preemption.dry_run(cycle, PLUGINS, preemption.hopeful(cycle, refusal), world.budgets)
    candidates = [each for each in found.values() if isinstance(each, preemption.Victims)]
    least = min(preemption.harm(c) for c in candidates)
    told = {
        c.node: {"pods": [f"{p.namespace}/{p.name}" for p in c.pods], "violations": c.violations} for c in candidates
    }
    return {"candidates": told, "best": sorted(c.node for c in candidates if preemption.harm(c) == least)}

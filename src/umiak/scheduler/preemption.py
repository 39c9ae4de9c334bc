"""Makes room for an important pod: which node, and which less important pods must leave it. Pure.

Follows DefaultPreemption: a node qualifies when removing all pods of lower priority makes the pod fit; then as many as
possible are put back, those under a PodDisruptionBudget first. Of several nodes the one that hurts least is taken.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from umiak.objects import meta
from umiak.objects.selectors import from_label_selector
from umiak.objects.types import Object
from umiak.scheduler.contract import Cycle, Plugin, Reject
from umiak.scheduler.decide import Refusal, judge, listed, move, prefilter
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.plugins import default_preemption
from umiak.scheduler.pods import PodView

NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
UNPREPARED = "not found"
"""What kube-scheduler says where a plugin refused before all had prepared themselves: DynamicResources is asked first
who could make room, and misses its notes of the pod. Nobody else is asked then."""
NEVER = "not eligible due to preemptionPolicy=Never."
TERMINATING = "not eligible due to a terminating pod on the nominated node."


class Victims(msgspec.Struct, frozen=True):
    """Who must leave one node, most important first."""

    node: str
    pods: tuple[PodView, ...]
    violations: int
    """How many of them a disruption budget protects."""


class Outcome(msgspec.Struct, frozen=True):
    """`victims` None: preemption does not help. `message` says what it did, or why not; it ends the condition."""

    victims: Victims | None
    message: str
    keeps_nomination: bool = False
    """Whether the node that was promised before stays so: its victims are still leaving."""

    @property
    def nominates(self) -> str | None:
        """The node to promise to the pod; empty takes a promise back, None leaves it."""
        return None if self.keeps_nomination else self.victims.node if self.victims else ""


def importance(pod: PodView) -> tuple[int, str]:
    """Sorts the most important first: higher priority, then older."""
    return (-pod.priority, pod.started or "9999")


def is_protected(pod: PodView, budgets: Sequence[Object], allowed: dict[str, int]) -> bool:
    """Whether evicting the pod goes beyond a budget; uses up those before it otherwise."""
    if not pod.labels:
        return False
    for budget in budgets:
        spec, status = budget.get("spec") or {}, budget.get("status") or {}
        selector = from_label_selector(spec.get("selector"))
        if meta.namespace(budget) != pod.namespace or selector.is_empty or not selector.matches(pod.labels):
            continue
        if pod.name in (status.get("disruptedPods") or {}):
            continue
        name = str(meta.key(budget))
        allowed[name] = allowed.get(name, status.get("disruptionsAllowed") or 0) - 1
        if allowed[name] < 0:
            return True
    return False


def victims_on(cycle: Cycle, plugins: Sequence[Plugin], node: NodeView, budgets: Sequence[Object]) -> Victims | Reject:
    """The fewest pods whose removal lets the pod fit, or why even without all of them it does not. Leaves the node as
    it was."""
    lower = sorted((p for p in node.pods.values() if p.priority < cycle.pod.priority), key=importance)
    if not lower:
        return Reject((NO_VICTIMS,))
    removed: list[PodView] = []
    ports = node.host_ports.copy()
    try:
        for pod in lower:
            move(cycle, plugins, node, pod, -1)
            removed.append(pod)
        verdict, _ = judge(cycle, plugins, node)
        if verdict is not None:
            return verdict
        allowed: dict[str, int] = {}
        split = {pod.uid: is_protected(pod, budgets, allowed) for pod in lower}
        protected = [p for p in lower if split[p.uid]]
        others = [p for p in lower if not split[p.uid]]
        kept_out = [p for p in (*protected, *others) if not _reprieve(cycle, plugins, node, p, removed)]
        hurt = sum(split[p.uid] for p in kept_out)
        return Victims(node.name, tuple(sorted(kept_out, key=importance)), hurt)
    finally:
        for pod in removed:
            move(cycle, plugins, node, pod, +1)
        node.host_ports = ports


def _reprieve(cycle: Cycle, plugins: Sequence[Plugin], node: NodeView, pod: PodView, removed: list[PodView]) -> bool:
    """Puts one pod back if the newcomer still fits."""
    move(cycle, plugins, node, pod, +1)
    removed.remove(pod)
    if judge(cycle, plugins, node)[0] is None:
        return True
    move(cycle, plugins, node, pod, -1)
    removed.append(pod)
    return False


def harm(candidate: Victims) -> tuple[int, int, int, int, str]:
    """Sorts the node to preempt first: fewest budget violations, lowest top priority, lowest sum, fewest pods, and
    the one whose most important victim started last."""
    top = candidate.pods[0].priority if candidate.pods else 0
    total = sum(p.priority + 2**31 for p in candidate.pods)
    earliest = min((p.started or "9999" for p in candidate.pods if p.priority == top), default="9999")
    inverted = "".join(chr(0x10FFFF - ord(c)) for c in earliest)
    return (candidate.violations, top, total, len(candidate.pods), inverted)


def may_preempt(cycle: Cycle, refusal: Refusal) -> str:
    """Empty, or why the pod must not preempt: policy Never, or its victims are still leaving. It does not wait for
    them on a node where it could not stay."""
    pod = cycle.pod
    if pod.spec.get("preemptionPolicy") == "Never":
        return NEVER
    nominated = cycle.nodes.get(pod.nominated)
    if nominated is None or refusal.is_hopeless_on(nominated.name):
        return ""
    leaving = any(p.preempted and p.priority < pod.priority for p in nominated.pods.values())
    return TERMINATING if leaving else ""


def hopeful(cycle: Cycle, refusal: Refusal) -> list[str]:
    """Nodes that refused the pod for what is on them."""
    return [name for name in cycle.nodes if not refusal.is_hopeless_on(name)]


def decide(
    cycle: Cycle, plugins: Sequence[Plugin], refusal: Refusal, budgets: Iterable[Object], chance: random.Random
) -> Outcome:
    """What to do for a pod that fits nowhere."""
    found = look(cycle, plugins, refusal, budgets, chance)
    return found if isinstance(found, Outcome) else best(found)


def best(candidates: Iterable[Victims]) -> Outcome:
    found = min(candidates, key=harm)
    where = f"found a potential placement for pod on node {found.node}"
    return Outcome(found, f"preemption: {where}, preempting {len(found.pods)} victims")


def look(
    cycle: Cycle, plugins: Sequence[Plugin], refusal: Refusal, budgets: Iterable[Object], chance: random.Random
) -> list[Victims] | Outcome:
    """Who might have to leave, on each node that comes into question; or that nobody would help."""
    if refusal.early:
        return Outcome(None, UNPREPARED, keeps_nomination=True)
    reason = may_preempt(cycle, refusal)
    if reason:
        return Outcome(None, f"preemption: {reason}", keeps_nomination=True)
    nodes = hopeful(cycle, refusal)
    turn = chance.randrange(len(nodes)) if nodes else 0
    tried = dry_run(cycle, plugins, nodes[turn:] + nodes[:turn], list(budgets))
    candidates = [found for found in tried.values() if isinstance(found, Victims)]
    rejects = [found for found in tried.values() if isinstance(found, Reject)]
    return candidates or Outcome(None, _unhelpful(refusal.nodes, rejects))


def dry_run(
    cycle: Cycle, plugins: Sequence[Plugin], nodes: Sequence[str], budgets: Sequence[Object]
) -> dict[str, Victims | Reject]:
    """Who would have to leave each node, or why that would not help. Looks no further once there are enough, one of
    them without harm to a budget."""
    filters = prefilter(cycle, plugins)
    if filters.refusal is not None:
        return {}
    enough = cycle.settings.get(default_preemption.NAME, default_preemption.DEFAULTS).candidates(len(nodes))
    tried: dict[str, Victims | Reject] = {}
    count, harmless = 0, False
    for name in nodes:
        found = tried[name] = victims_on(cycle, filters.plugins, cycle.nodes[name], budgets)
        if isinstance(found, Victims):
            count, harmless = count + 1, harmless or not found.violations
            if count >= enough and harmless:
                break
    return tried


def _unhelpful(nodes: int, tried: Sequence[Reject]) -> str:
    counted = Counter(reason for reject in tried for reason in reject.reasons)
    if nodes > len(tried):
        counted[NOT_HELPFUL] += nodes - len(tried)
    return f"preemption: 0/{nodes} nodes are available: {listed(counted)}."

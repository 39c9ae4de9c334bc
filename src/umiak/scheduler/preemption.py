"""Makes room for an important pod: which node, and which less important pods must leave it. Pure.

Follows DefaultPreemption: a node qualifies when removing all pods of lower priority makes the pod fit; then as many as
possible are put back, those under a PodDisruptionBudget first. Of several nodes the one that hurts least is taken.
"""

import random
from collections.abc import Iterable, Sequence

import msgspec

from umiak.objects import meta
from umiak.objects.selectors import from_label_selector
from umiak.objects.types import Object
from umiak.scheduler.contract import Cycle, Plugin
from umiak.scheduler.decide import Refusal, judge, move, prefilter
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.plugins import default_preemption
from umiak.scheduler.pods import PodView

NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NEVER = "not eligible due to preemptionPolicy=Never."
TERMINATING = "not eligible due to a terminating pod on the nominated node."


class Victims(msgspec.Struct, frozen=True):
    """Who must leave one node, most important first."""

    node: str
    pods: tuple[PodView, ...]
    violations: int
    """How many of them a disruption budget protects."""


class Outcome(msgspec.Struct, frozen=True):
    """`victims` None: preemption does not help, `message` says why, as it ends the pod's condition."""

    victims: Victims | None
    message: str
    keeps_nomination: bool = False
    """Whether the node that was promised before stays so: its victims are still leaving."""


def importance(pod: PodView) -> tuple[int, str]:
    """Sorts the most important first: higher priority, then older."""
    return (-pod.priority, pod.started or "9999")


def is_protected(pod: PodView, budgets: Sequence[Object], allowed: dict[str, int]) -> bool:
    """Whether evicting the pod goes beyond a budget; uses the budget up otherwise."""
    protected = False
    for budget in budgets:
        spec, status = budget.get("spec") or {}, budget.get("status") or {}
        selector = from_label_selector(spec.get("selector"))
        if meta.namespace(budget) != pod.namespace or selector.is_empty or not selector.matches(pod.labels):
            continue
        if pod.name in (status.get("disruptedPods") or {}):
            continue
        name = str(meta.key(budget))
        allowed[name] = allowed.get(name, status.get("disruptionsAllowed") or 0) - 1
        protected = protected or allowed[name] < 0
    return protected


def victims_on(cycle: Cycle, plugins: Sequence[Plugin], node: NodeView, budgets: Sequence[Object]) -> Victims | None:
    """The fewest pods whose removal lets the pod fit; None when even all of them do not. Leaves the node as it was."""
    lower = sorted((p for p in node.pods.values() if p.priority < cycle.pod.priority), key=importance)
    if not lower:
        return None
    removed: list[PodView] = []
    try:
        for pod in lower:
            move(cycle, plugins, node, pod, -1)
            removed.append(pod)
        if judge(cycle, plugins, node)[0] is not None:
            return None
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


def may_preempt(pod: PodView, nominated: NodeView | None) -> str:
    """Empty, or why the pod must not preempt: policy Never, or its victims are still leaving."""
    if pod.spec.get("preemptionPolicy") == "Never":
        return NEVER
    if nominated is not None and any(p.being_deleted and p.priority < pod.priority for p in nominated.pods.values()):
        return TERMINATING
    return ""


def decide(
    cycle: Cycle, plugins: Sequence[Plugin], refusal: Refusal, budgets: Iterable[Object], chance: random.Random
) -> Outcome:
    """What to do for a pod that fits nowhere."""
    found = look(cycle, plugins, refusal, budgets, chance)
    return found if isinstance(found, Outcome) else best(found)


def best(candidates: Iterable[Victims]) -> Outcome:
    return Outcome(min(candidates, key=harm), "")


def look(
    cycle: Cycle, plugins: Sequence[Plugin], refusal: Refusal, budgets: Iterable[Object], chance: random.Random
) -> list[Victims] | Outcome:
    """Who might have to leave, on each node that comes into question; or that nobody would help."""
    reason = may_preempt(cycle.pod, cycle.nodes.get(cycle.pod.nominated))
    if reason:
        return Outcome(None, f"preemption: {reason}", keeps_nomination=True)
    hopeful = [] if refusal.hopeless else [name for name, r in refusal.rejected.items() if not r.hopeless]
    known = list(budgets)
    filters = prefilter(cycle, plugins)
    candidates = []
    if filters.refusal is None and hopeful:
        turn = chance.randrange(len(hopeful))
        candidates = candidates_on(cycle, filters.plugins, hopeful[turn:] + hopeful[:turn], known)
    return candidates or Outcome(None, _unhelpful(refusal.nodes, len(hopeful)))


def candidates_on(
    cycle: Cycle, plugins: Sequence[Plugin], nodes: Sequence[str], budgets: Sequence[Object]
) -> list[Victims]:
    """Who would have to leave each node. Looks no further once there are enough, one of them without harm to a
    budget."""
    enough = cycle.settings.get(default_preemption.NAME, default_preemption.DEFAULTS).candidates(len(nodes))
    found: list[Victims] = []
    for name in nodes:
        victims = victims_on(cycle, plugins, cycle.nodes[name], budgets)
        if victims is not None and victims.pods:
            found.append(victims)
            if len(found) >= enough and any(not each.violations for each in found):
                break
    return found


def _unhelpful(nodes: int, tried: int) -> str:
    counted = [f"{tried} {NO_VICTIMS}"] if tried else []
    if nodes - tried:
        counted.append(f"{nodes - tried} {NOT_HELPFUL}")
    return f"preemption: 0/{nodes} nodes are available: {', '.join(sorted(counted))}."

"""Prefer nodes whose share of used cpu and of used memory become alike."""

from collections.abc import Sequence
from math import sqrt

from umiak.objects.types import Object
from umiak.scheduler.contract import MAX_SCORE, SKIP, Cycle, Plugin, Word
from umiak.scheduler.nodes import NodeView

NAME = "NodeResourcesBalancedAllocation"
CORE = ("cpu", "memory", "ephemeral-storage")
RESOURCES = ("cpu", "memory")


def settings(args: Object) -> tuple[str, ...]:
    """The resources whose shares are compared."""
    return tuple(one["name"] for one in args["resources"])


def prescore(cycle: Cycle, nodes: Sequence[NodeView]) -> Word | None:
    """A pod without requests changes no balance."""
    return None if any(cycle.pod.requests.get(r) for r in cycle.settings.get(NAME, RESOURCES)) else SKIP


def imbalance(fractions: list[float]) -> float:
    """Standard deviation of the used shares."""
    if len(fractions) == 2:
        return abs(fractions[0] - fractions[1]) / 2
    if len(fractions) < 2:
        return 0.0
    mean = sum(fractions) / len(fractions)
    return sqrt(sum((f - mean) ** 2 for f in fractions) / len(fractions))


def balance(node: NodeView, extra: dict[str, int], resources: Sequence[str] = RESOURCES) -> int:
    """100 when all shares are alike, 50 at worst."""
    fractions = [
        min(1.0, (node.requested.get(r, 0) + extra.get(r, 0)) / node.allocatable[r])
        for r in resources
        if node.allocatable.get(r)
    ]
    return int((1 - imbalance(fractions)) * MAX_SCORE)


def score(cycle: Cycle, node: NodeView) -> int:
    """By how much the pod betters the balance: around 75 when it makes no difference."""
    asked = cycle.pod.requests
    compared = [r for r in cycle.settings.get(NAME, RESOURCES) if r in CORE or asked.get(r)]
    gain = balance(node, asked, compared) - balance(node, {}, compared)
    return MAX_SCORE // 2 + (MAX_SCORE // 2 + gain) // 2


PLUGIN = Plugin(
    name=NAME,
    order=120,
    weight=1,
    prescore=prescore,
    score=score,
    settings=settings,
    local=True,
)

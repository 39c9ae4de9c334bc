"""How a node's use turns into a score: emptier is better, fuller is better, or as a broken line says.

Source: `plugins/noderesources/{least_allocated,most_allocated,requested_to_capacity_ratio}.go`,
`helper/shape_score.go`.
"""

from collections.abc import Callable, Iterable, Sequence
from math import floor

import msgspec

from umiak.objects.types import Object
from umiak.scheduler.contract import MAX_SCORE

MOST_POINTS = 10
"""The best score of a point of a shape; 100 of a node."""
Rate = Callable[[int, int], int]
"""(wanted, offered) of one resource, offered not 0, to 0..100."""
Use = Iterable[tuple[int, int, int]]
"""(wanted, offered, weight) of each resource."""


def least_allocated(wanted: int, offered: int) -> int:
    return 0 if wanted > offered else (offered - wanted) * MAX_SCORE // offered


def most_allocated(wanted: int, offered: int) -> int:
    """Pods without requests count for a little, so more may be wanted than there is."""
    return min(wanted, offered) * MAX_SCORE // offered


class Shape(msgspec.Struct, frozen=True):
    """Points (percent used, score 0..100) of a broken line, in order."""

    points: tuple[tuple[int, int], ...]

    def at(self, used: int) -> int:
        before = self.points[0]
        if used <= before[0]:
            return before[1]
        for point in self.points[1:]:
            if used <= point[0]:
                rise = (point[1] - before[1]) * (used - before[0])
                return before[1] + int(rise / (point[0] - before[0]))  # Go rounds towards zero
            before = point
        return before[1]

    def rate(self, wanted: int, offered: int) -> int:
        return self.at(100 if wanted > offered else wanted * 100 // offered)


def shape_of(points: Sequence[Object]) -> Shape:
    """Of a configuration's shape, whose scores go to 10."""
    scale = MAX_SCORE // MOST_POINTS
    return Shape(tuple((p.get("utilization") or 0, (p.get("score") or 0) * scale) for p in points))


class Strategy(msgspec.Struct, frozen=True):
    """Resources with their weights, how one of them is rated, and whether one that rates 0 counts at all."""

    resources: tuple[tuple[str, int], ...]
    rate: Rate
    skips_zero: bool = False

    def score(self, use: Use) -> int:
        rated = [(self.rate(wanted, offered), weight) for wanted, offered, weight in use if offered]
        if self.skips_zero:
            rated = [(score, weight) for score, weight in rated if score > 0]
        weights = sum(weight for _, weight in rated)
        if not weights:
            return 0
        total = sum(score * weight for score, weight in rated)
        return floor(total / weights + 0.5) if self.skips_zero else total // weights


def resources_of(args: Object) -> tuple[tuple[str, int], ...]:
    return tuple((one["name"], one["weight"]) for one in args["resources"])


def strategy_of(args: Object) -> Strategy:
    """Of a plugin's `scoringStrategy`, complete and right."""
    resources = resources_of(args)
    if args["type"] == "RequestedToCapacityRatio":
        shape = shape_of(args["requestedToCapacityRatio"]["shape"])
        return Strategy(resources, shape.rate, skips_zero=True)
    return Strategy(resources, most_allocated if args["type"] == "MostAllocated" else least_allocated)

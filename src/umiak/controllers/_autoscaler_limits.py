"""How fast and how far a proposed number of replicas may be followed: bounds, rates and stabilization windows.

Sources: `normalizeDesiredReplicas` and its kin in the reference's horizontal.go; KEP-853. All functions are pure.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from umiak.objects.types import Object

FACTOR, MINIMUM = 2.0, 4.0
"""Without a behavior of its own, a workload grows to twice its size at once, or to this many."""
WINDOW = timedelta(minutes=5)
"""How long the highest recommendation counts before the workload shrinks."""
WITHIN = "DesiredWithinRange", "the desired count is within the acceptable range"
TOO_FEW = "TooFewReplicas", "the desired replica count is less than the minimum replica count"
TOO_MANY = "TooManyReplicas", "the desired replica count is more than the maximum replica count"
TOO_FAST_UP = "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate"
TOO_FAST_DOWN = "ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate"
READY = "ReadyForNewScale", "recommended size matches current size"
HELD_UP = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
HELD_DOWN = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)

Said = tuple[str, str]
"""Reason and message of a condition."""


class Moment(msgspec.Struct, frozen=True):
    """A number of replicas, recommended or changed by, at a time."""

    replicas: int
    at: datetime


class History(msgspec.Struct):
    """What is remembered of one autoscaler."""

    recommendations: list[Moment] = msgspec.field(default_factory=list)
    ups: list[Moment] = msgspec.field(default_factory=list)
    downs: list[Moment] = msgspec.field(default_factory=list)

    def recommend(self, replicas: int, now: datetime, kept: timedelta) -> None:
        self.recommendations = [*_since(self.recommendations, now - kept), Moment(replicas, now)]

    def scaled(self, before: int, after: int, behavior: Object | None, now: datetime) -> None:
        """Notes a change for the rates of the behavior; without one nobody asks."""
        if behavior is None:
            return
        if after > before:
            self.ups = [*_since(self.ups, now - _longest(behavior["scaleUp"])), Moment(after - before, now)]
        else:
            self.downs = [*_since(self.downs, now - _longest(behavior["scaleDown"])), Moment(before - after, now)]


class Bounded(msgspec.Struct, frozen=True):
    """What comes of a proposal; `able` and `limited` are what to say of it, `is_limited` whether it was cut."""

    replicas: int
    able: Said
    limited: Said
    is_limited: bool


class Bounds(msgspec.Struct, frozen=True):
    current: int
    least: int
    most: int


def bounded(proposed: int, bounds: Bounds, behavior: Object | None, history: History, now: datetime) -> Bounded:
    """Applies windows, then rates and bounds. The proposal is remembered."""
    if behavior is None:
        stable, held = _stabilized_simply(proposed, history, now), HELD_DOWN
        replicas, limited = _limited_simply(stable, bounds)
        history.recommend(proposed, now, WINDOW)
    else:
        stable, held = _stabilized(proposed, bounds.current, behavior, history, now)
        replicas, limited = _limited(stable, bounds, behavior, history, now)
        history.recommend(proposed, now, max(_window(behavior["scaleUp"], 0), _window(behavior["scaleDown"])))
    return Bounded(replicas, READY if stable == proposed else held, limited, replicas != stable)


def _since(moments: Sequence[Moment], cutoff: datetime) -> list[Moment]:
    return [m for m in moments if m.at > cutoff]


def _window(rules: Object, otherwise: float = WINDOW.total_seconds()) -> timedelta:
    seconds = rules.get("stabilizationWindowSeconds")
    return timedelta(seconds=otherwise if seconds is None else seconds)


def _longest(rules: Object) -> timedelta:
    return timedelta(seconds=max((p["periodSeconds"] for p in rules.get("policies") or ()), default=0))


def _stabilized_simply(proposed: int, history: History, now: datetime) -> int:
    return max([proposed, *(m.replicas for m in history.recommendations if m.at >= now - WINDOW)])


def _limited_simply(wanted: int, bounds: Bounds) -> tuple[int, Said]:
    fastest = int(max(FACTOR * bounds.current, MINIMUM))
    most, why = (fastest, TOO_FAST_UP) if bounds.most > fastest else (bounds.most, TOO_MANY)
    if wanted < bounds.least:
        return bounds.least, TOO_FEW
    return (most, why) if wanted > most else (wanted, WITHIN)


def _stabilized(proposed: int, current: int, behavior: Object, history: History, now: datetime) -> tuple[int, Said]:
    """The present number, moved only as far as every recommendation within the windows agrees."""
    up = _since(history.recommendations, now - _window(behavior["scaleUp"], 0))
    down = _since(history.recommendations, now - _window(behavior["scaleDown"]))
    lowest = min([proposed, *(m.replicas for m in up)])
    highest = max([proposed, *(m.replicas for m in down)])
    return min(max(current, lowest), highest), HELD_UP if proposed >= current else HELD_DOWN


def _limited(wanted: int, bounds: Bounds, behavior: Object, history: History, now: datetime) -> tuple[int, Said]:
    if wanted > bounds.current:
        fastest = max(bounds.current, upper_limit(bounds.current, behavior["scaleUp"], history, now))
        most, why = (fastest, TOO_FAST_UP) if bounds.most > fastest else (bounds.most, TOO_MANY)
        return (most, why) if wanted > most else (wanted, WITHIN)
    if wanted < bounds.current:
        fastest = min(bounds.current, lower_limit(bounds.current, behavior["scaleDown"], history, now))
        least, why = (fastest, TOO_FAST_DOWN) if bounds.least < fastest else (bounds.least, TOO_FEW)
        return (least, why) if wanted < least else (wanted, WITHIN)
    return wanted, WITHIN


def upper_limit(current: int, rules: Object, history: History, now: datetime) -> int:
    """The most replicas that the policies allow now."""

    def allowed(policy: Object, start: int) -> int:
        if policy["type"] == "Pods":
            return int(start + policy["value"])
        return math.ceil(start * (1 + policy["value"] / 100))  # rounded up, or one replica could never become two

    return _chosen(current, rules, history, now, allowed, max, min)


def lower_limit(current: int, rules: Object, history: History, now: datetime) -> int:
    """The fewest replicas that the policies allow now."""

    def allowed(policy: Object, start: int) -> int:
        if policy["type"] == "Pods":
            return int(start - policy["value"])
        return int(start * (1 - policy["value"] / 100))

    return _chosen(current, rules, history, now, allowed, min, max)


def _chosen(
    current: int,
    rules: Object,
    history: History,
    now: datetime,
    allowed: Callable[[Object, int], int],
    largest_change: Callable[[list[int]], int],
    smallest_change: Callable[[list[int]], int],
) -> int:
    select = rules.get("selectPolicy") or "Max"
    if select == "Disabled":
        return current
    proposals = [allowed(p, _at_start(current, p["periodSeconds"], history, now)) for p in rules["policies"]]
    return smallest_change(proposals) if select == "Min" else largest_change(proposals)


def _at_start(current: int, seconds: int, history: History, now: datetime) -> int:
    """How many replicas there were when the period began."""
    cutoff = now - timedelta(seconds=seconds)
    added, removed = (sum(m.replicas for m in _since(moments, cutoff)) for moments in (history.ups, history.downs))
    return current - added + removed

"""How a server's seats are divided among its priority levels, and lent among them every ten seconds.

The numbers are those of KEP-1040: each level has a nominal limit by its shares; what it may lend, and borrow, bounds
the limit that it has at the moment; that follows what it wanted lately.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil, sqrt

import msgspec

PERIOD = 10.0
"""Seconds between adjustments."""
SMOOTHING = 0.977
"""How much of the smoothed demand stays at each adjustment; half of it is left after five minutes."""
LEAST_TARGET = 0.001
MOST_SEATS = 0.15
"""The part of a level's nominal limit that one request may take."""


def rounded(number: float) -> int:
    """Halves go up, as in Go; never used for negative numbers."""
    return int(number + 0.5)


class Limits(msgspec.Struct, frozen=True):
    """Seats: what a level has by its shares, at least when it lends, and at most when it borrows."""

    nominal: int
    lowest: int
    highest: int


def limits(server: int, shares: float, all_shares: float, lendable: int, borrowing: int | None) -> Limits:
    """`server` is the number of seats to divide; `lendable` and `borrowing` are percentages of the nominal limit,
    None for as much as there is."""
    nominal = ceil(server * shares / all_shares) if all_shares else 0
    borrowed = server if borrowing is None else rounded(nominal * borrowing / 100)
    return Limits(nominal, nominal - rounded(nominal * lendable / 100), nominal + borrowed)


def most_seats(nominal: int, hand_size: int) -> int:
    """What one request may take of a level with queues."""
    return max(1, min(ceil(nominal * MOST_SEATS), nominal // hand_size))


class Demand:
    """What a level wanted over time: seats in use and waited for. Integrates what is constant between calls."""

    __slots__ = ("_area", "_began", "_last", "_squares", "average", "deviation", "highest", "now", "smoothed")

    def __init__(self, now: float) -> None:
        self.now = 0
        self.highest = 0
        self.average = self.deviation = self.smoothed = 0.0
        self._began = self._last = now
        self._area = self._squares = 0.0

    def until(self, now: float) -> float:
        """Accounts for the time up to `now`, and tells how much that was."""
        elapsed, self._last = now - self._last, now
        if wanted := self.now:
            area = wanted * elapsed
            self._area += area
            self._squares += wanted * area
        return elapsed

    def change(self, by: int) -> None:
        self.now += by
        if self.now > self.highest:
            self.highest = self.now

    def pulse(self, seconds: float) -> None:
        """One seat more for a moment, in which nothing else changed."""
        now = self.now
        if now >= self.highest:
            self.highest = now + 1
        self._area += seconds
        self._squares += (2 * now + 1) * seconds

    def period_ends(self, now: float) -> int:
        """Updates the averages, and tells how high the demand was; a new period begins."""
        self.until(now)
        highest, self.highest = self.highest, self.now
        seconds, self._began = now - self._began, now
        if seconds > 0:
            self.average = self._area / seconds
            self.deviation = sqrt(max(0.0, self._squares / seconds - self.average**2))
            envelope = self.average + self.deviation
            self.smoothed = max(envelope, SMOOTHING * self.smoothed + (1 - SMOOTHING) * envelope)
        self._area = self._squares = 0.0
        return highest


class Claim(msgspec.Struct, frozen=True):
    """What one level asks of an adjustment; `highest` is the most it wanted in the period that ends."""

    exempt: bool
    limits: Limits
    highest: int
    smoothed: float

    @property
    def lowest(self) -> int:
        if self.exempt:
            return max(self.limits.lowest, self.highest)
        return max(self.limits.lowest, min(self.limits.nominal, self.highest))

    @property
    def target(self) -> float:
        return max(float(self.lowest), self.smoothed)


def adjusted(claims: Mapping[str, Claim]) -> tuple[dict[str, int], float]:
    """(the limit that each level gets for the next period, the fair fraction of its target that each got)."""
    everything = sum(claim.limits.nominal for claim in claims.values())
    found = {name: claim.lowest for name, claim in claims.items() if claim.exempt}
    limited = {name: claim for name, claim in claims.items() if not claim.exempt}
    left = everything - sum(found.values())
    at_least = sum(claim.limits.lowest for claim in limited.values())
    wanted = sum(claim.lowest for claim in limited.values())
    if left <= at_least:
        return found | {name: claim.limits.lowest for name, claim in limited.items()}, 0.0
    if left <= wanted:
        part = (left - at_least) / (wanted - at_least)
        for name, claim in limited.items():
            found[name] = claim.limits.lowest + rounded((claim.lowest - claim.limits.lowest) * part)
        return found, 0.0
    asked = [(c.lowest, c.limits.highest, max(c.target, LEAST_TARGET)) for c in limited.values()]
    fraction = fair_fraction(everything, asked)
    for name, (low, high, target) in zip(limited, asked, strict=True):
        found[name] = rounded(max(low, min(high, fraction * target)))
    return found, fraction


def fair_fraction(total: float, asked: Sequence[tuple[float, float, float]]) -> float:
    """The fraction of its target that everybody gets, within (lowest, highest, target), when they get `total` in all.

    What is given grows with the fraction, in straight lines between the fractions at which somebody meets a bound.
    """

    def given(fraction: float) -> float:
        return sum(max(low, min(high, fraction * target)) for low, high, target in asked)

    bends = sorted({bound / target for low, high, target in asked for bound in (low, high)})
    at = bisect_left(bends, total, key=given)
    if at == 0 or at == len(bends):
        return bends[min(at, len(bends) - 1)] if bends else 0.0
    (low, high) = list(pairwise(bends))[at - 1]
    before, after = given(low), given(high)
    return low + (high - low) * (total - before) / (after - before)

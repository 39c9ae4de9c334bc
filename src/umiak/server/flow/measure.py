"""What is counted of each flow schema's requests. Costs one observation for a request that ran at once."""

from umiak.kit.metrics import Histogram

SECONDS = (0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
LENGTHS = (0, 10, 25, 50, 100, 250, 500, 1000)
SEATS = (1, 2, 4, 8, 16, 32, 64, 100)
REGULAR = "regular"
"""The type of all requests but watches."""
WATCHERS = (0, 1, 10, 100, 1000, 10000)


class Stats:
    """Of one schema in one level. `at_once` counts requests of one seat that did not wait, the most common ones; they
    are added to the histograms when somebody asks for those."""

    __slots__ = ("at_once", "dispatched", "lengths", "ran", "rejected", "seats", "waited", "waited_in_vain", "watchers")

    def __init__(self) -> None:
        self.at_once = 0
        self.dispatched = 0
        self.rejected: dict[str, int] = {}
        self.ran: dict[str, Histogram] = {}
        """Seconds, by type of request."""
        self.waited = Histogram(SECONDS)
        self.waited_in_vain = Histogram(SECONDS)
        self.lengths = Histogram(LENGTHS)
        self.seats = Histogram(SEATS)
        self.watchers = Histogram(WATCHERS)

    def ran_of(self, type_: str) -> Histogram:
        found = self.ran.get(type_)
        if found is None:
            found = self.ran[type_] = Histogram(SECONDS)
        return found

    def reject(self, reason: str, waited: float, seats: int) -> None:
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
        self.waited_in_vain.observe(waited)
        self.seats.observe(seats)

    def dispatch(self, waited: float, seats: int) -> None:
        """A request that waited, or is wide, begins to run."""
        self.dispatched += 1
        self.waited.observe(waited)
        self.seats.observe(seats)

    def settle(self, queues: bool) -> None:
        """Adds up what was only counted."""
        times, self.at_once = self.at_once, 0
        self.dispatched += times
        self.waited.counts[0] += times
        self.seats.counts[0] += times
        self.seats.sum += times
        if queues:
            self.lengths.counts[1] += times
            self.lengths.sum += times

"""Which node ports are taken, and by whom; free ones by chance, away from the band meant for wishes (KEP-3668)."""

import random
from dataclasses import dataclass, field

FIRST_GUESS = 32769
"""What a dry run shows as the port it would have given."""


class Full(Exception):
    """Every port is taken."""

    def __str__(self) -> str:
        return "range is full"


class Refused(Exception):
    """The wanted port cannot be had; the text is the reference's."""


def static_band(size: int) -> int:
    """How many ports at the start of a range are given by chance only when all others are taken."""
    return 0 if size <= 16 else min(max(16, size // 32), 128)


class NodePorts:
    """Ports by the service that has them, and those promised to writes that are not stored yet."""

    def __init__(self, first: int, last: int, chance: random.Random) -> None:
        self._first, self._last = first, last
        self._chance = chance
        self._of: dict[str, frozenset[int]] = {}
        self._users: dict[int, int] = {}  # how many stored services have a port
        self._promised: set[int] = set()

    def service_changed(self, key: str, ports: frozenset[int]) -> None:
        """`ports` are those that the stored service has now; none when it is gone."""
        for port in self._of.pop(key, frozenset()):
            self._users[port] -= 1
            if not self._users[port]:
                del self._users[port]
        if ports:
            self._of[key] = ports
        for port in ports:
            self._users[port] = self._users.get(port, 0) + 1

    def is_taken(self, port: int) -> bool:
        return port in self._users or port in self._promised

    def take(self, port: int) -> None:
        """Raises Refused."""
        if not self._first <= port <= self._last:
            span = f"{self._first}-{self._last}"
            raise Refused(f"provided port is not in the valid range. The range of valid ports is {span}")
        if self.is_taken(port):
            raise Refused("provided port is already allocated")
        self._promised.add(port)

    def take_any(self) -> int:
        """Raises Full."""
        size = self._last - self._first + 1
        band = self._first + static_band(size)
        for start, end in ((band, self._last + 1), (self._first, band)):
            if found := self._free(start, end):
                self._promised.add(found)
                return found
        raise Full

    def _free(self, start: int, end: int) -> int:
        """A free port in a range, the search beginning anywhere in it; 0 for none."""
        size = end - start
        offset = self._chance.randrange(size) if size else 0
        ports = (start + (offset + step) % size for step in range(size))
        return next((port for port in ports if not self.is_taken(port)), 0)

    def forget(self, port: int) -> None:
        """Ends a promise: the service is stored, or never will be."""
        self._promised.discard(port)


@dataclass(slots=True)
class PortWork:
    """What one write does to ports; undone as a whole."""

    ports: NodePorts
    dry_run: bool
    taken: list[int] = field(default_factory=list)

    def take(self, port: int) -> None:
        """Raises Refused. A dry run does not look at the range."""
        if self.dry_run:
            if self.ports.is_taken(port) or port in self.taken:
                raise Refused("provided port is already allocated")
        else:
            self.ports.take(port)
        self.taken.append(port)

    def take_any(self) -> int:
        """Raises Full."""
        port = max([FIRST_GUESS - 1, *self.taken]) + 1 if self.dry_run else self.ports.take_any()
        self.taken.append(port)
        return port

    def finish(self) -> None:
        """The promises end, whatever came of the write: what is stored is counted by then."""
        if not self.dry_run:
            for port in self.taken:
                self.ports.forget(port)

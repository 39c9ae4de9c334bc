"""What rules that look only at a pod's spec and a node said of every node, for all alike pods until a node changes.

A column has an entry for each node, in the order of the census, so that many are read at once. Nodes that change are
noted in one journal, which a column catches up with before it is used: a change costs the same however many there are.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import msgspec

MOST = 32
"""So many columns are kept: two for each kind of pod that is being placed."""
LONGEST = 100_000
"""Of a journal; then everything is asked anew."""
UNKNOWN, GOOD, BAD = 0, 1, 2
"""What `Column.known` says of a node: not asked since it changed; asked; asked, and there is something against it."""
Pick = Callable[[Sequence[Any]], Sequence[Any]]


def picker(places: Sequence[int]) -> Pick:
    """Reads the entries at `places` from a sequence."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda column: [column[place] for place in places]


def unknown(states: bytes) -> Iterator[int]:
    """Where among `states`, of which few are so, one is UNKNOWN."""
    at = -1
    while (at := states.find(UNKNOWN, at + 1)) >= 0:
        yield at


class Column(msgspec.Struct, eq=False):
    """`entries` are lists that have one thing for each node; they hold where `known` is not UNKNOWN."""

    known: bytearray
    entries: list[list[Any]]
    read: int
    """How much of the journal it has taken in."""


class Columns:
    """Of the nodes of one census, by mark (`alike`)."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, Column] = OrderedDict()
        self._journal: list[int] = []
        self._read = 0
        """How much of the journal any column may have taken in."""

    def forget(self) -> None:
        self._kept.clear()
        self._journal.clear()
        self._read = 0

    def changed(self, place: int) -> None:
        """What was said of the node there holds no longer."""
        journal = self._journal
        if not self._kept or (len(journal) > self._read and journal[-1] == place):
            return
        if len(journal) >= LONGEST:
            self.forget()
        else:
            journal.append(place)

    def of(self, mark: object, size: int, width: int = 1) -> Column:
        """The column under `mark`, right as far as it is known; a new one of `width` lists knows nothing yet."""
        self._read = written = len(self._journal)
        found = self._kept.get(mark)
        if found is None:
            found = self._kept[mark] = Column(bytearray(size), [[0] * size for _ in range(width)], written)
            if len(self._kept) > MOST:
                self._kept.popitem(last=False)
            return found
        if found.read < written:
            known = found.known
            for place in self._journal[found.read :]:
                known[place] = UNKNOWN
            found.read = written
        self._kept.move_to_end(mark)
        return found

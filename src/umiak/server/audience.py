"""Watchers that are told the same: all of one place, in one form, to whom nothing of it is of no concern.

A commit reaches an audience once, however many belong to it, and what a round tells them is put together once. So the
answer to a write does not wait until hundreds of watchers have taken note of it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from umiak.store.contract import Cancel, Event

if TYPE_CHECKING:
    from umiak.server.rounds import Rounds
    from umiak.store.contract import Store

Encode = Callable[[Event], bytes]


class Member(Protocol):
    def write(self, text: bytes) -> None: ...


class Audience:
    """Knows for each member how much of what is still to be told it has heard already, or does not have to."""

    def __init__(self, rounds: "Rounds", encode: Encode) -> None:
        self._rounds = rounds
        self._encode = encode
        self._untold: list[bytes] = []
        self._heard: dict[Member, int] = {}

    def sink(self, events: Sequence[Event]) -> None:
        self._untold += map(self._encode, events)
        self._rounds.join(self)

    def tell(self) -> None:
        lines, self._untold = self._untold, []
        heard, self._heard = self._heard, dict.fromkeys(self._heard, 0)
        text = b"".join(lines)
        for member, count in heard.items():
            if count < len(lines):
                member.write(b"".join(lines[count:]) if count else text)

    def join(self, member: Member) -> None:
        """It has heard all until now."""
        self._heard[member] = len(self._untold)

    def tell_one(self, member: Member) -> None:
        """Tells a member all until now."""
        lines = self._untold[self._heard[member] :]
        self._heard[member] = len(self._untold)
        if lines:
            member.write(b"".join(lines))

    def leave(self, member: Member) -> bool:
        """Whether nobody is left."""
        self._heard.pop(member, None)
        return not self._heard


class Audiences:
    """All there are, by place and form."""

    def __init__(self, store: "Store", rounds: "Rounds") -> None:
        self._store = store
        self._rounds = rounds
        self._known: dict[tuple[str, str], tuple[Audience, Cancel]] = {}

    def join(self, place: str, form: str, encode: Encode, member: Member) -> tuple[Audience, Cancel]:
        """`member` hears of what happens below `place` (as of `Store.watch`) from now on. What comes back last ends
        that."""
        found = self._known.get((place, form))
        if found is None:
            audience = Audience(self._rounds, encode)
            found = audience, self._store.watch(place, self._store.revision, audience.sink)
            self._known[place, form] = found
        found[0].join(member)
        return found[0], partial(self._leave, place, form, member)

    def _leave(self, place: str, form: str, member: Member) -> None:
        audience, cancel = self._known[place, form]
        if audience.leave(member):
            cancel()
            del self._known[place, form]

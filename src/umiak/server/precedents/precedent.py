"""What came of a write, how far it is to be believed, and which writes are worth a look."""

from collections.abc import Sequence

import msgspec

from umiak.server.precedents.texts import Text

MOST_MISSES, RARELY = 16, 64
"""After so many misses in a row a body is tried on every 64th object only: looking costs a tenth of working it out."""


class Precedent(msgspec.Struct):
    stored: Text | None
    """None when it was wrong once."""
    shown: Text
    """What is answered: the same, but for kinds that are stored in another form."""
    parts: list[bytes]
    """Those it was learnt with."""
    changes: tuple[int, ...]
    """How often what admission looks at had changed."""
    warnings: tuple[str, ...]
    proved: set[int]
    """The places whose parts may be others: those that were so in a comparison that came out right."""

    def holds_for(self, parts: Sequence[bytes], changes: tuple[int, ...]) -> bool:
        if changes != self.changes or self.stored is None:
            return False
        differing = [place for place, part in enumerate(self.parts) if part != parts[place]]
        return self.proved.issuperset(differing)

    def prove(self, parts: Sequence[bytes], stored: bytes, shown: bytes, warnings: tuple[str, ...]) -> bool:
        """Compares what it foretells with what came."""
        if self.stored is None:
            return False
        foretold = self.stored.filled(parts), self.shown.filled(parts), self.warnings
        if foretold != (stored, shown, warnings):
            self.stored = None
            return False
        self.proved |= {place for place, part in enumerate(self.parts) if part != parts[place]}
        return True

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        texts = {id(text): text for text in (self.stored, self.shown) if text is not None}
        return 500 + sum(len(literal) for text in texts.values() for literal in text.literals)


class Sighting(msgspec.Struct):
    """A body that was seen. `misses` are the objects in a row that it met and there was no precedent for."""

    misses: int = 0

    def is_worth_a_look(self) -> bool:
        if self.misses < MOST_MISSES:
            return True
        self.misses += 1
        return self.misses % RARELY == 0

"""Texts that are cut at their free parts, and filled with others."""

from collections.abc import Sequence

import msgspec

REVISION = "revision"
"""The form of an object's resourceVersion."""
VERSION, NOW, UID, NAME = range(4)
"""Places that every write has: the object's resourceVersion, the time of the write, the object's uid and name."""
UNKNOWN = b""
"""A part that is known only when the write is done."""


class Cut(msgspec.Struct, frozen=True, eq=False):
    """A text in pieces: `literals` are what is around its free `parts`, each of a form. `stamps` are the times of an
    object's managers, `words` the names and remarks that were looked for, with their forms."""

    literals: tuple[bytes, ...]
    parts: tuple[bytes, ...]
    forms: tuple[str, ...]
    words: dict[bytes, str]
    stamps: tuple[bytes, ...] = ()

    def order(self, now: bytes) -> tuple[int, ...]:
        """That of `now` and the times of the managers."""
        stamps = (now, *self.stamps)
        return tuple(sorted(range(len(stamps)), key=stamps.__getitem__))


class Text(msgspec.Struct, frozen=True):
    """Literals, and which part is between each two."""

    literals: tuple[bytes, ...]
    places: tuple[int, ...]

    def filled(self, parts: Sequence[bytes]) -> bytes:
        pieces: list[bytes] = [b""] * (2 * len(self.places) + 1)
        pieces[::2] = self.literals
        pieces[1::2] = [parts[place] for place in self.places]
        return b"".join(pieces)


class Parts:
    """The free parts of one write by place. Parts that are equal are one."""

    __slots__ = ("_places", "texts")

    def __init__(self, texts: list[bytes], places: dict[bytes, int]) -> None:
        self.texts = texts
        self._places = places

    def copy(self) -> "Parts":
        return Parts(self.texts.copy(), self._places.copy())

    def settle(self, place: int, text: bytes) -> None:
        """Makes known what was not."""
        self.texts[place] = text
        if place != VERSION:
            self._places.setdefault(text, place)

    def take(self, cut: Cut) -> Text:
        """The text with places, new ones where a part was not seen before."""
        known, places = self._places, []
        for part, form in zip(cut.parts, cut.forms, strict=True):
            place = VERSION if form == REVISION else known.get(part)
            if place is None:
                place = known[part] = len(self.texts)
                self.texts.append(part)
            places.append(place)
        return Text(cut.literals, tuple(places))

    def find(self, cut: Cut) -> Text:
        """The same with the places that there are; all other parts are left as they are."""
        literals, places = [cut.literals[0]], []
        for part, form, literal in zip(cut.parts, cut.forms, cut.literals[1:], strict=True):
            place = VERSION if form == REVISION else self._places.get(part)
            if place is None:
                literals[-1] += part + literal
            else:
                places.append(place)
                literals.append(literal)
        return Text(tuple(literals), tuple(places))


def parts_of(now: bytes, name: bytes = UNKNOWN) -> Parts:
    """Of a write at that time, before anything is cut."""
    return Parts([UNKNOWN, now, UNKNOWN, name], {name: NAME, now: NOW} if name else {now: NOW})

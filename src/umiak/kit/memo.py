"""What was worked out once and will be asked for again, in a bounded number of bytes."""

from typing import Generic, TypeVar

V = TypeVar("V")


class Memo(Generic[V]):
    """Values by what they were made of; the ones asked for least recently go first."""

    def __init__(self, room: int) -> None:
        """`room` is for the bytes of keys and values together, as far as `keep` is told of them."""
        self._room = room
        self._known: dict[tuple[object, ...], tuple[V, int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: tuple[object, ...]) -> V | None:
        found = self._known.pop(key, None)
        if found is None:
            return None
        self._known[key] = found
        return found[0]

    def keep(self, key: tuple[object, ...], value: V, size: int) -> None:
        """`size` in bytes. What is larger than all room is not kept."""
        _, before = self._known.pop(key, (None, 0))
        self._known[key] = value, size
        self._room += before - size
        while self._room < 0:
            self._room += self._known.pop(next(iter(self._known)))[1]

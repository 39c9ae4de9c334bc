"""What an invariant is."""

from collections.abc import Callable, Iterable

import msgspec

from umiak.testing.chaos.world import Change, World


def _nothing(*_: object) -> Iterable[str]:
    return ()


class Invariant(msgspec.Struct, frozen=True):
    """Both functions answer what is wrong, in plain sentences."""

    name: str
    at_write: Callable[[World, Change], Iterable[str]] = _nothing
    at_rest: Callable[[World], Iterable[str]] = _nothing
    """What is not yet as it should be, or has turned out never to become so."""

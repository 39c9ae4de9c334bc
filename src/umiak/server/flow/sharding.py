"""Shuffle sharding: which few of a level's queues a flow may use, so that one busy flow blocks few others."""

from hashlib import sha256
from math import ceil, log2

MOST_BITS = 60
"""Of the hash; more would make the last card uneven (apiserver's `shufflesharding.MaxHashBits`)."""


def hash_of(schema: str, distinguisher: str) -> int:
    """64 bits that stand for a flow."""
    return int.from_bytes(sha256(f"{schema}\0{distinguisher}".encode()).digest()[:8], "little")


def hand(value: int, queues: int, size: int) -> tuple[int, ...]:
    """`size` different numbers below `queues`, dealt by the entropy in `value`."""
    remainders: list[int] = []
    cards: list[int] = []
    for dealt in range(size):
        value, card = divmod(value, queues - dealt)
        remainders.append(card)
        for earlier in reversed(remainders[:-1]):
            if card >= earlier:
                card += 1
        cards.append(card)
    return tuple(cards)


def is_dealable(queues: int, size: int) -> bool:
    """Whether hands of this size can be dealt fairly from so many queues."""
    return 0 < size <= queues <= 1 << 26 and ceil(log2(queues) * size) <= MOST_BITS

"""Stored bytes as parts of a list."""

import pytest

from umiak.api import registry
from umiak.server import stored

POD = registry.resource("", "v1", "pods")


@pytest.mark.parametrize("size", [0, 3, 700, 3300, 200_000])
@pytest.mark.parametrize("count", [0, 1, 2, 60])
def test_lists_are_joined_in_pieces_that_are_not_mapped_anew(size: int, count: int) -> None:
    tails = [b'"metadata":{"name":"%d%b"}}' % (n, b"x" * size) for n in range(count)]
    values = [stored.head(POD) + tail for tail in tails]
    size = stored.joined_size(POD, values)
    pieces = list(stored.joined(POD, values, size))
    assert b"".join(pieces) == b",".join(b"{" + tail for tail in tails)
    assert sum(map(len, pieces)) == size
    assert all(len(piece) < max(128 * 1024, size + 100) for piece in pieces)

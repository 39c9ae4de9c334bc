"""Completion indexes as intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.controllers._indexes import Indexes

SETS = st.sets(st.integers(0, 60))


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([3], "3"), ([1, 2], "1,2"), ([1, 2, 3], "1-3"), ([0, 2, 3, 4, 7, 8], "0,2-4,7,8")],
)
def test_text(numbers: list[int], text: str) -> None:
    assert str(Indexes.of(numbers)) == text


@pytest.mark.parametrize(("text", "kept"), [("0-9", "0-4"), ("x,1,2-y,3", "1,3"), ("7", "")])
def test_parse_cuts_and_skips(text: str, kept: str) -> None:
    assert str(Indexes.parse(text, 5)) == kept


@given(SETS)
def test_round_trip(numbers: set[int]) -> None:
    assert Indexes.parse(str(Indexes.of(numbers)), 100) == Indexes.of(numbers)


@given(SETS, SETS)
def test_like_sets(a: set[int], b: set[int]) -> None:
    x, y = Indexes.of(a), Indexes.of(b)
    assert x | y == Indexes.of(a | b)
    assert len(x) == len(a)
    assert x.overlap(y) == len(a & b)
    assert all((n in x) == (n in a) for n in range(61))


@given(SETS, st.integers(0, 70), st.integers(0, 10))
def test_missing(taken: set[int], completions: int, count: int) -> None:
    expected = [n for n in range(completions) if n not in taken][:count]
    assert Indexes.of(taken).missing(completions, count) == expected

"""Columns forget what was said of a node when it changes, and nothing else."""

import pytest

from umiak.scheduler import columns
from umiak.scheduler.columns import GOOD, MOST, UNKNOWN, Columns, picker

MARK = object()


def asked(kept: Columns, mark: object = MARK, size: int = 4) -> columns.Column:
    """A column that knows everything."""
    found = kept.of(mark, size)
    found.known[:] = bytes([GOOD]) * size
    return found


def unknown(kept: Columns, mark: object = MARK) -> list[int]:
    return [place for place, known in enumerate(kept.of(mark, 4).known) if known == UNKNOWN]


def test_only_nodes_that_changed_are_unknown() -> None:
    kept = Columns()
    asked(kept)
    kept.changed(2)
    kept.changed(2)
    assert unknown(kept) == [2]


def test_a_node_that_changes_again_is_unknown_again() -> None:
    """Also when a column has just taken in that it changed."""
    kept = Columns()
    asked(kept)
    kept.changed(1)
    asked(kept)
    assert unknown(kept) == []
    kept.changed(1)
    assert unknown(kept) == [1]


def test_each_column_catches_up_for_itself() -> None:
    kept, other = Columns(), object()
    asked(kept)
    asked(kept, other)
    kept.changed(0)
    assert unknown(kept) == [0]
    kept.changed(3)
    assert (unknown(kept, other), unknown(kept)) == ([0, 3], [0, 3])


def test_a_long_journal_ends_with_everything_unknown(monkeypatch) -> None:
    monkeypatch.setattr(columns, "LONGEST", 3)
    kept = Columns()
    asked(kept)
    for place in (0, 1, 0, 1):
        kept.changed(place)
    assert unknown(kept) == [0, 1, 2, 3]


def test_columns_are_bounded() -> None:
    kept = Columns()
    first = asked(kept)
    for _ in range(MOST):
        kept.of(object(), 4)
    assert kept.of(MARK, 4) is not first


@pytest.mark.parametrize("places", [[], [2], [3, 0]])
def test_picker(places) -> None:
    assert list(picker(places)("abcd")) == ["abcd"[place] for place in places]

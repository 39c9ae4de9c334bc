"""Counts and percentages."""

import pytest

from umiak.controllers._scaled import scaled


@pytest.mark.parametrize(
    ("value", "total", "up", "down"),
    [(3, 10, 3, 3), ("25%", 10, 3, 2), ("0%", 10, 0, 0), ("100%", 7, 7, 7), ("1%", 1, 1, 0), (None, 9, 0, 0)],
)
def test_scaled(value: int | str | None, total: int, up: int, down: int) -> None:
    assert scaled(value, total, round_up=True) == up
    assert scaled(value, total, round_up=False) == down


@pytest.mark.parametrize("text", ["3", "x%", "%", ""])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="string is not a percentage"):
        scaled(text, 10, round_up=True)

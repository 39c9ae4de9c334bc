"""Numbers that clients make up."""

import pytest

from umiak.objects.go_text import float_g, whole


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-7", -7),
        ("+8", 8),
        ("9" * 40, int("9" * 40)),
        pytest.param("9" * 5000, 10**40, id="more than Python reads"),
        pytest.param("-" + "9" * 5000, -(10**40), id="less than Python reads"),
        pytest.param("0" * 5000, 0, id="nothing but zeros"),
    ],
)
def test_whole(text, number):
    assert whole(text) == number


@pytest.mark.parametrize(("value", "text"), [("nan", "NaN"), ("inf", "+Inf"), ("-inf", "-Inf"), ("1e7", "1e+07")])
def test_float_g(value, text):
    assert float_g(float(value)) == text

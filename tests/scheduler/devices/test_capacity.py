"""How much of a shared device is taken: situations of upstream's `consumable_capacity_test.go`."""

import pytest

from umiak.objects import quantity
from umiak.scheduler.devices.capacity import CapacityFault, fits, taken, violates

RANGE = {"default": "1Gi", "validRange": {"min": "1Gi", "max": "8Gi", "step": "1Gi"}}
VALUES = {"default": "1Gi", "validValues": ["1Gi", "2Gi", "4Gi"]}


def amount(text: str | None) -> quantity.Quantity | None:
    return None if text is None else quantity.parse(text)


@pytest.mark.parametrize(
    ("asked", "policy", "want"),
    [
        pytest.param(None, None, "8Gi", id="all of it"),
        pytest.param("3Gi", None, "3Gi", id="as asked"),
        pytest.param(None, RANGE, "1Gi", id="the default"),
        pytest.param("512Mi", RANGE, "1Gi", id="the least"),
        pytest.param("1536Mi", RANGE, "2Gi", id="the next step"),
        pytest.param("2Gi", RANGE, "2Gi", id="a step"),
        pytest.param("3Gi", VALUES, "4Gi", id="the next value"),
        pytest.param("5Gi", VALUES, "5Gi", id="above all values"),
        pytest.param("150m", {"validRange": {"min": "100m", "step": "100m"}}, "200m", id="fractions"),
    ],
)
def test_rounding(asked, policy, want):
    capacity = {"value": "8Gi", **({"requestPolicy": policy} if policy else {})}
    assert str(taken(amount(asked), capacity)) == want


@pytest.mark.parametrize(
    ("text", "policy", "want"),
    [
        ("9Gi", RANGE, True),
        ("8Gi", RANGE, False),
        ("1536Mi", RANGE, True),
        ("4Gi", VALUES, False),
        ("5Gi", VALUES, True),
        ("9Gi", None, False),
    ],
)
def test_policies(text, policy, want):
    assert violates(quantity.parse(text), policy) is want


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("18446744073709551616", "request 18446744073709551616 is not a representable milli value"),
        ("9223372036854775", "rounding request 9223372036854775 up to the next step passes the milli-value range"),
    ],
)
def test_requests_beyond_reckoning(asked, error):
    device = {"capacity": {"c": {"value": "1", "requestPolicy": {"validRange": {"min": "1", "step": "100"}}}}}
    with pytest.raises(CapacityFault, match=error):
        fits({"c": quantity.parse(asked)}, device, {})


def test_less_than_nothing():
    with pytest.raises(CapacityFault, match='capacity "c": capacity value is negative'):
        fits({"c": quantity.parse("-5")}, {"capacity": {"c": {"value": "1"}}}, {})

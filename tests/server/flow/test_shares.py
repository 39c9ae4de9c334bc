"""How seats are divided and lent (KEP-1040, "Dispatching" and "Seat Borrowing")."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.server.flow.shares import Claim, Demand, Limits, adjusted, fair_fraction, limits, most_seats


@pytest.mark.parametrize(
    ("shares", "lendable", "borrowing", "found"),
    [
        (20, 50, None, Limits(49, 24, 649)),
        (40, 25, None, Limits(98, 73, 698)),
        (100, 90, None, Limits(245, 24, 845)),
        (5, 0, 0, Limits(13, 13, 13)),
        (30, 33, 50, Limits(74, 50, 111)),
    ],
)
def test_limits_of_the_default_levels(shares, lendable, borrowing, found):
    assert limits(600, shares, 245, lendable, borrowing) == found


def test_one_request_takes_a_part_only():
    assert [most_seats(*n) for n in ((245, 6), (13, 6), (4, 6), (98, 6))] == [37, 2, 1, 15]


def test_demand_is_averaged_over_time():
    demand = Demand(0.0)
    demand.change(4)
    demand.until(5.0)
    demand.change(-4)
    assert demand.period_ends(10.0) == 4
    assert (demand.average, demand.deviation, demand.smoothed) == (2.0, 2.0, 4.0)
    assert demand.period_ends(20.0) == 0
    assert demand.smoothed == pytest.approx(4.0 * 0.977)


def test_what_is_not_wanted_is_lent():
    lends = Claim(False, Limits(100, 10, 300), 0, 0.0)
    wants = Claim(False, Limits(100, 100, 300), 250, 250.0)
    found, _ = adjusted({"lends": lends, "wants": wants})
    assert (found["lends"] + found["wants"], found["wants"]) == (200, 190)


def test_exempt_requests_take_what_they_need_first():
    exempt, other = Limits(0, 0, 200), Limits(200, 20, 400)
    claims = {"exempt": Claim(True, exempt, 150, 150.0), "other": Claim(False, other, 200, 200.0)}
    found, fraction = adjusted(claims)
    assert (found, fraction) == ({"exempt": 150, "other": 50}, 0.0)


levels = st.builds(
    lambda nominal, lends, borrows, highest, smoothed, exempt: Claim(
        exempt, Limits(nominal, nominal - nominal * lends // 100, nominal + borrows), highest, smoothed
    ),
    st.integers(0, 300),
    st.integers(0, 100),
    st.integers(0, 600),
    st.integers(0, 500),
    st.floats(0, 500),
    st.booleans(),
)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=2), levels, min_size=1, max_size=6))
def test_nobody_falls_below_what_it_keeps_or_gets_more_than_it_may(claims):
    found, _ = adjusted(claims)
    assert set(found) == set(claims)
    for name, claim in claims.items():
        if not claim.exempt:
            assert claim.limits.lowest <= found[name] <= claim.limits.highest


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 500), st.floats(0.1, 100)), min_size=1, max_size=8))
def test_a_fair_fraction_uses_all_there_is(drawn):
    asked = [(low, low + more, target) for low, more, target in drawn]
    total = sum(low + high for low, high, _ in asked) / 2
    fraction = fair_fraction(total, asked)
    assert sum(max(low, min(high, fraction * t)) for low, high, t in asked) == pytest.approx(total)

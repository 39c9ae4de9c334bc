"""Quantities, checked against what apimachinery's resource.Quantity answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.objects.quantity import (
    FORMAT_WRONG,
    NUMERIC_WRONG,
    SUFFIX_WRONG,
    InvalidQuantity,
    Quantity,
    canonical,
    parse,
    total,
)


@pytest.mark.parametrize(
    ("text", "written", "value", "milli"),
    [
        ("0", "0", 0, 0),
        ("1", "1", 1, 1000),
        ("0.5", "500m", 1, 500),
        ("100m", "100m", 1, 100),
        ("1500m", "1500m", 2, 1500),
        ("1000m", "1", 1, 1000),
        ("1000", "1k", 1000, 1_000_000),
        ("1.5Gi", "1536Mi", 1610612736, 1610612736000),
        ("1024Mi", "1Gi", 2**30, 2**30 * 1000),
        ("0.1Ki", "102400m", 103, 102400),
        ("512Mi", "512Mi", 2**29, 2**29 * 1000),
        ("1e3", "1e3", 1000, 1_000_000),
        ("12e4", "120e3", 120_000, 120_000_000),
        ("0.1n", "1n", 1, 1),
        ("-1.5", "-1500m", -2, -1500),
        ("-0.1n", "-1n", -1, -1),
        ("+5", "+5", 5, 5000),
        ("010", "010", 10, 10_000),
        (".", "0", 0, 0),
        ("1E", "1E", 10**18, 2**63 - 1),
        ("1000E", "1", 2**63 - 1, 2**63 - 1),
        ("9999Ei", "9223372036854775807", 2**63 - 1, 2**63 - 1),
        ("1e-2000000000", "1e-9", 1, 1),
    ],
)
def test_reads_and_writes(text, written, value, milli):
    quantity = parse(text)
    assert (str(quantity), quantity.value(), quantity.milli()) == (written, value, milli)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", FORMAT_WRONG),
        ("1 ", FORMAT_WRONG),
        ("ten", FORMAT_WRONG),
        ("1Kii", SUFFIX_WRONG),
        ("1e", SUFFIX_WRONG),
        ("1.2.3", FORMAT_WRONG),
        ("1x", FORMAT_WRONG),
        ("1" * 2000, NUMERIC_WRONG),
    ],
)
def test_faults(text, fault):
    with pytest.raises(InvalidQuantity) as error:
        parse(text)
    assert str(error.value) == fault


@pytest.mark.parametrize(
    ("a", "b", "plus", "minus"),
    [
        ("1", "500m", "1500m", "500m"),
        ("1Gi", "1Gi", "2Gi", "0"),
        ("0", "1Gi", "1Gi", "-1Gi"),
        ("1Gi", "1k", "1073742824", "1073740824"),
        ("1k", "1Ki", "2024", "-24"),
    ],
)
def test_sums(a, b, plus, minus):
    assert str(parse(a) + parse(b)) == plus
    assert str(parse(a) - parse(b)) == minus


def test_order_spans_any_distance():
    ladder = ["-1e2000000000", "-1", "-1e-9", "0", "1n", "1m", "999m", "1", "1Ki", "1025", "1e2000000000"]
    quantities = list(map(parse, ladder))
    assert sorted(quantities) == quantities
    assert parse("1Ki") == parse("1024")
    assert hash(parse("1000")) == hash(parse("1k"))


def test_rounding_up():
    assert str(parse("1234567n").rounded_up(-3)) == "2m"
    assert str(parse("2").rounded_up(-3)) == "2"
    assert not Quantity(0)
    assert str(total([parse("1"), parse("1m")])) == "1001m"


numbers = st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{0,12})?", fullmatch=True)
suffixes = st.sampled_from(["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "Ti", "e3", "E-3"])


@given(numbers, suffixes)
def test_canonical_form_is_stable(number, suffix):
    once = parse(number + suffix)
    assert parse(str(once)) == once
    assert canonical(str(once)) == str(once)


@given(numbers, numbers)
def test_sums_can_be_undone(a, b):
    assert parse(a) + parse(b) - parse(b) == parse(a)
    assert (parse(a) < parse(b)) == (parse(a) - parse(b) < parse("0"))

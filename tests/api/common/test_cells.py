"""Table cells: times, labels, selectors."""

import pytest

from umiak.api.common.cells import NAME, access_modes_text, human_duration, labels_text, selector_text, since


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (301, "5m1s"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (7 * 3600 + 61, "7h1m"),
        (47 * 3600, "47h"),
        (50 * 3600, "2d2h"),
        (8 * 86400, "8d"),
        (800 * 86400, "2y70d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_human_duration(seconds, text):
    assert human_duration(seconds) == text


def test_since_nothing_is_unknown():
    assert since(None, 0) == "<unknown>"
    assert since("1970-01-01T00:00:10Z", 70) == "60s"


def test_labels_and_selectors_are_sorted():
    assert labels_text({"b": "2", "a": "1"}) == "a=1,b=2"
    assert labels_text(None) == "<none>"
    expressions = [{"key": "b", "operator": "In", "values": ["y", "x"]}, {"key": "a", "operator": "DoesNotExist"}]
    assert selector_text({"matchLabels": {"c": "1"}, "matchExpressions": expressions}) == "!a,b in (x,y),c=1"


def test_access_modes_have_one_order():
    assert access_modes_text(["ReadWriteMany", "ReadWriteOnce", "ReadWriteMany"]) == "RWO,RWX"


def test_columns_are_described():
    assert "unique within a namespace" in NAME.description

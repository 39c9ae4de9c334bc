"""How wide requests are (apiserver's `request/width_test.go`)."""

import pytest

from umiak.server.contract import Request
from umiak.server.flow.estimate import Size, of_change, of_list
from umiak.server.route import route


@pytest.mark.parametrize(
    ("target", "stored", "most", "seats"),
    [
        ("", Size(10, 1000), 0, 1),
        ("", Size(500, 1000), 0, 5),
        ("", Size(100_000, 1000), 0, 10),
        ("limit=100", Size(500, 1000), 0, 1),
        ("limit=200&resourceVersion=5", Size(500, 1000), 0, 2),
        ("continue=x", Size(100_000, 1000), 0, 100),
        ("continue=x", Size(100_000, 1000), 12, 12),
        ("continue=x&limit=100&labelSelector=a", Size(4000, 1000), 0, 20),
        ("fieldSelector=metadata.name=x", Size(100_000, 1000), 0, 1),
        ("limit=nonsense", Size(10, 1000), 0, 100),
        ("watch=1", Size(500, 1000), 0, 5),
        ("watch=1&resourceVersion=7", Size(500, 1000), 0, 1),
        ("watch=1&resourceVersion=7&sendInitialEvents=true", Size(500, 1000), 0, 5),
        ("", None, 0, 1),
    ],
)
def test_lists(target, stored, most, seats):
    query = {}
    for pair in filter(None, target.split("&")):
        name, _, value = pair.partition("=")
        query[name] = [value]
    request = Request("GET", "/api/v1/pods", query, {})
    assert of_list(request, route(request), most, lambda _: stored).seats == seats


@pytest.mark.parametrize(
    ("watchers", "most", "found"),
    [(0, 0, (1, 0, 0.0)), (9, 0, (1, 0, 0.0)), (10, 0, (1, 1, 0.005)), (95, 0, (1, 10, 0.005)), (400, 4, (1, 4, 0.05))],
)
def test_changes(watchers, most, found):
    where = route(Request("POST", "/api/v1/namespaces/a/pods", {}, {}))
    width = of_change(where, most, watchers)
    assert (width.initial, width.final, pytest.approx(width.lingers)) == found


def test_tokens_are_told_to_nobody():
    where = route(Request("POST", "/api/v1/namespaces/a/serviceaccounts/x/token", {}, {}))
    assert of_change(where, 0, 1000).seats == 1

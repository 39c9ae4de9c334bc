"""Paths that lead nowhere, and methods that documents do not have (asked of kube-apiserver 1.37.1)."""

import pytest

from umiak.objects.errors import StatusError
from umiak.server.contract import Request
from umiak.server.paths import Paths
from umiak.server.route import by_path


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/api/v1", 405),
        ("HEAD", "/version", 405),
        ("DELETE", "/apis/apps/v1/", 405),
    ],
)
async def test_refused_with_a_status(method, path, code):
    with pytest.raises(StatusError) as refused:
        await Paths().answer(None, Request(method, path, {}, {}))
    assert refused.value.code == code


@pytest.mark.parametrize("path", ["/nope", "/apis/nope"])
async def test_nowhere_at_all(path):
    assert (await Paths().answer(None, Request("GET", path, {}, {}))).body == b"404 page not found\n"


def test_proxy_was_a_verb_once():
    found = by_path("GET", "/api/v1/proxy/nodes")
    assert (found.verb, found.resource) == ("proxy", "nodes")

"""What a path asks for, as apiserver's requestinfo_test.go has it."""

import pytest

from umiak.server.contract import Request
from umiak.server.route import exact_name, route


def asked(method: str, target: str) -> Request:
    path, _, query = target.partition("?")
    found = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
    return Request(method, path, {k: [v] for k, v in found.items()}, {})


@pytest.mark.parametrize(
    ("method", "target", "verb", "group", "namespace", "resource", "name", "subresource"),
    [
        ("GET", "/api/v1/namespaces", "list", "", "", "namespaces", "", ""),
        ("GET", "/api/v1/namespaces/other", "get", "", "other", "namespaces", "other", ""),
        ("PUT", "/api/v1/namespaces/other/finalize", "update", "", "other", "namespaces", "other", "finalize"),
        ("GET", "/api/v1/namespaces/other/status", "get", "", "other", "namespaces", "other", "status"),
        ("GET", "/api/v1/namespaces/other/pods", "list", "", "other", "pods", "", ""),
        ("GET", "/api/v1/namespaces/other/pods/foo", "get", "", "other", "pods", "foo", ""),
        ("GET", "/api/v1/namespaces/other/pods/foo/log", "get", "", "other", "pods", "foo", "log"),
        ("POST", "/api/v1/namespaces/other/pods", "create", "", "other", "pods", "", ""),
        ("DELETE", "/api/v1/namespaces/other/pods", "deletecollection", "", "other", "pods", "", ""),
        ("DELETE", "/api/v1/namespaces/other/pods/foo", "delete", "", "other", "pods", "foo", ""),
        ("PATCH", "/apis/apps/v1/namespaces/o/deployments/d/scale", "patch", "apps", "o", "deployments", "d", "scale"),
        ("GET", "/api/v1/nodes?watch=true", "watch", "", "", "nodes", "", ""),
        ("GET", "/api/v1/nodes?watch=false", "list", "", "", "nodes", "", ""),
        ("GET", "/api/v1/watch/namespaces/other/pods", "watch", "", "other", "pods", "", ""),
        ("GET", "/api/v1/nodes?fieldSelector=metadata.name%3Dx", "list", "", "", "nodes", "", ""),
        ("GET", "/api/v1/nodes?fieldSelector=metadata.name=x", "list", "", "", "nodes", "x", ""),
        ("HEAD", "/api/v1/nodes/n", "get", "", "", "nodes", "n", ""),
    ],
)
def test_resources(method, target, verb, group, namespace, resource, name, subresource):
    found = route(asked(method, target))
    assert found.is_resource
    assert (found.verb, found.group, found.namespace) == (verb, group, namespace)
    assert (found.resource, found.name, found.subresource) == (resource, name, subresource)


@pytest.mark.parametrize(
    "path", ["/", "/api", "/apis/apps", "/apis/apps/v1", "/healthz", "/version", "/openapi/v3/x/y"]
)
def test_paths_that_are_no_resources(path):
    found = route(asked("GET", path))
    assert (found.is_resource, found.verb, found.path) == (False, "get", path)


def test_what_follows_a_proxy():
    found = route(asked("GET", "/api/v1/namespaces/n/pods/http:p:80/proxy/a%20b/c/"))
    assert (found.name, found.subresource, found.rest) == ("http:p:80", "proxy", "a b/c/")


@pytest.mark.parametrize("path", ["/api/v1/namespaces//x/configmaps/a", "/api/v1/namespaces/x/configmaps//a"])
def test_empty_parts_fit_nothing(path):
    assert not route(asked("GET", path)).well_formed


@pytest.mark.parametrize(
    ("selector", "name"),
    [
        ("metadata.name=a", "a"),
        ("metadata.name==a", "a"),
        ("metadata.namespace=n,metadata.name=a", "a"),
        ("metadata.name!=a", ""),
        ("metadata.name=a/b", ""),
        pytest.param(r"metadata.namespace!=\,metadata.name=a", "", id="an escaped comma does not begin a term"),
        pytest.param("metadata.name=a=b", "", id="not a selector"),
        ("", ""),
    ],
)
def test_name_of_a_field_selector(selector, name):
    assert exact_name(selector) == name

"""Discovery and OpenAPI of other servers, as they become part of ours."""

import pytest

from umiak.server.aggregation import discovery, openapi
from umiak.server.aggregation.identity import escaped, headers_of
from umiak.server.contract import User

ROOT = "/apis/wardle.example/v1"


def test_plain_discovery_becomes_an_entry():
    """As `ConvertGroupVersionIntoToDiscovery` of apiserver."""
    verbs = ["get"]
    flunders = {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": verbs}
    status = {"name": "flunders/status", "namespaced": True, "kind": "Flunder", "verbs": verbs}
    orphan = {"name": "ghosts/scale", "kind": "", "verbs": verbs}
    flunder = {"group": "", "version": "", "kind": "Flunder"}
    assert discovery.of_version({"resources": [status, {**flunders, "shortNames": ["fl"]}, orphan]}) == [
        {
            "resource": "flunders",
            "responseKind": flunder,
            "scope": "Namespaced",
            "singularResource": "flunder",
            "verbs": verbs,
            "shortNames": ["fl"],
            "subresources": [{"subresource": "status", "responseKind": flunder, "verbs": verbs}],
        },
        {
            "resource": "ghosts",
            "responseKind": discovery.NO_KIND,
            "scope": "Cluster",
            "subresources": [{"subresource": "scale", "responseKind": discovery.NO_KIND, "verbs": verbs}],
        },
    ]
    with pytest.raises(ValueError, match="flunders is Namespaced, but status is Cluster"):
        discovery.of_version({"resources": [flunders, {**status, "namespaced": False}]})


def test_one_version_of_aggregated_discovery():
    resources = [{"resource": "flunders", "subresources": [{"subresource": "status"}]}]
    versions = [{"version": "v1", "resources": resources}]
    document = {"items": [{"metadata": {"name": "wardle.example"}, "versions": versions}]}
    (found,) = discovery.of_list(document, "wardle.example", "v1")
    assert found["responseKind"] == found["subresources"][0]["responseKind"] == discovery.NO_KIND
    assert discovery.of_list(document, "wardle.example", "v2") == []
    assert discovery.entry("v1", [], False) == {"version": "v1", "freshness": "Stale"}


def reference(name):
    return {"$ref": f"#/definitions/{name}"}


def test_only_paths_below_the_version_and_what_they_need():
    ours = {"paths": {"/api/v1/": {}}, "definitions": {"io.k8s.api.core.v1.Pod": {"type": "object"}}}
    flunder = {"properties": {"spec": reference("Spec"), "pod": reference("io.k8s.api.core.v1.Pod")}}
    others = {
        "paths": {f"{ROOT}/flunders": {"get": reference("Flunder")}, "/apis/wardle.example/": {"get": {}}},
        "definitions": {
            "Flunder": flunder,
            "Spec": {"type": "object"},
            "Unused": {},
            "io.k8s.api.core.v1.Pod": {"type": "object", "description": "prose", "required": ["spec"]},
        },
    }
    found = openapi.merged(ours, [(others, [ROOT])])
    assert list(found["paths"]) == ["/api/v1/", f"{ROOT}/flunders"]
    assert found["definitions"] == {**ours["definitions"], "Flunder": flunder, "Spec": {"type": "object"}}


def test_the_same_name_for_another_thing_gets_a_number():
    ours = {"paths": {}, "definitions": {"Spec": {"type": "object"}, "Same": {"type": "string"}}}
    uses = {"get": {"a": reference("Spec"), "b": reference("Same")}}
    definitions = {"Spec": {"type": "array"}, "Same": {"type": "string", "description": "prose"}}
    found = openapi.merged(ours, [({"paths": {f"{ROOT}/x": uses}, "definitions": definitions}, [ROOT])])
    assert found["definitions"] == {**ours["definitions"], "Spec_v2": {"type": "array"}}
    assert found["paths"][f"{ROOT}/x"]["get"] == {"a": reference("Spec_v2"), "b": reference("Same")}


def test_who_asks_in_headers():
    """As client-go's `TestSetAuthProxyHeaders`."""
    user = User("ann", "7", ("a", "b"), {"scopes": ("x", "y"), "acme.example/dept": ("é",)})
    assert headers_of(user) == [
        ("X-Remote-User", "ann"),
        ("X-Remote-Uid", "7"),
        ("X-Remote-Group", "a"),
        ("X-Remote-Group", "b"),
        ("X-Remote-Extra-scopes", "x"),
        ("X-Remote-Extra-scopes", "y"),
        ("X-Remote-Extra-acme.example%2Fdept", "é"),
    ]
    assert escaped("100% é") == "100%25%20%C3%A9"

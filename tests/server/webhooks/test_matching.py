"""Rules and selectors of webhooks (apiserver's `predicates` packages)."""

import pytest

from umiak.api import registry
from umiak.server.contract import Admitted, Attributes, User
from umiak.server.webhooks import matching
from umiak.server.webhooks.matching import Target

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}}}


def write(operation="CREATE", new=POD, old=None, **about) -> Admitted:
    place = {"group": "", "version": "v1", "resource": "pods", "namespace": "n", "name": "p", **about}
    asked = Attributes(User("u"), operation.lower(), **place)
    return Admitted(asked, registry.find("v1", "Pod"), operation, new, old, {})


def webhook(**more) -> dict:
    rule = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    return {"rules": [{**rule, **more}], "matchPolicy": "Equivalent"}


@pytest.mark.parametrize(
    ("rule", "about", "wanted"),
    [
        pytest.param({}, {}, True, id="all say so"),
        pytest.param({}, {"operation": "UPDATE"}, False, id="another operation"),
        pytest.param({"operations": ["*"]}, {"operation": "UPDATE"}, True, id="any operation"),
        pytest.param({"resources": ["*"]}, {"subresource": "status"}, False, id="a star is no subresource"),
        pytest.param({"resources": ["pods/*"]}, {"subresource": "status"}, True, id="any subresource"),
        pytest.param({"resources": ["pods/*"]}, {}, True, id="and none"),
        pytest.param({"resources": ["*/status"]}, {"subresource": "status"}, True, id="this subresource of any"),
        pytest.param({"scope": "Cluster"}, {}, False, id="a pod is in a namespace"),
        pytest.param({"scope": "Namespaced"}, {}, True, id="as asked"),
        pytest.param({"apiVersions": ["v2"]}, {}, False, id="another version"),
    ],
)
def test_rules(rule, about, wanted):
    assert (matching.concerned(webhook(**rule), write(**about)) is not None) == wanted


def test_a_namespace_lies_in_itself_and_in_none():
    request = write(resource="namespaces", namespace="", name="n")
    assert matching.namespace_of(request) == "n"
    for scope, wanted in (("Cluster", True), ("Namespaced", False)):
        assert bool(matching.concerned(webhook(resources=["namespaces"], scope=scope), request)) == wanted


def test_another_name_of_the_resource_counts_as_the_policy_says():
    other = Target("old", "v1", "pods")
    hook = webhook(apiGroups=["old"])
    assert matching.concerned(hook, write(), (other,)) == other
    assert matching.concerned({**hook, "matchPolicy": "Exact"}, write(), (other,)) is None


def test_the_object_as_it_is_or_as_it_was():
    hook = {"objectSelector": {"matchLabels": {"a": "b"}}}
    bare = {"metadata": {}}
    assert matching.object_matches(hook, write(new=bare, old=POD))
    assert matching.object_matches(hook, write(new=POD, old=bare))
    assert not matching.object_matches(hook, write(new=bare))
    assert matching.object_matches({"objectSelector": {}}, write(new=bare))


def test_nobody_is_asked_about_webhooks_and_reviews():
    assert matching.is_exempt(write(group="admissionregistration.k8s.io", resource="validatingwebhookconfigurations"))
    assert matching.is_exempt(write(group="authorization.k8s.io", resource="subjectaccessreviews"))
    assert not matching.is_exempt(write())


def test_a_namespace_is_judged_by_the_labels_it_is_about_to_have():
    request = write(resource="namespaces", namespace="", new={"metadata": {"labels": {"x": "y"}}})
    assert matching.own_namespace_labels(request) == {"x": "y"}
    assert matching.own_namespace_labels(write()) is None
    assert matching.needs_namespace({"namespaceSelector": {"matchLabels": {"x": "y"}}}, request)
    assert not matching.needs_namespace({"namespaceSelector": {}}, request)

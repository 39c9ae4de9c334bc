"""Policies of a file (`pkg/auth/authorizer/abac`)."""

import json

import pytest

from umiak.api.configuration import Unacceptable
from umiak.server.access.abac import parse
from umiak.server.contract import Attributes, User

ADA = User("ada", groups=("crew",))


def policy(**spec):
    return json.dumps({"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": spec})


def get(verb="get", resource="pods", namespace="n"):
    return Attributes(ADA, verb, "", "v1", resource, namespace=namespace)


def path(text):
    return Attributes(ADA, "get", path=text, is_resource=False)


@pytest.mark.parametrize(
    ("spec", "asked", "allowed"),
    [
        ({"user": "ada", "namespace": "*", "resource": "*", "apiGroup": "*"}, get(), True),
        ({"group": "crew", "namespace": "n", "resource": "pods"}, get(), True),
        ({"user": "*", "group": "other", "namespace": "n", "resource": "pods"}, get(), False),
        ({"namespace": "n", "resource": "pods"}, get(), False),
        ({"user": "ada", "namespace": "m", "resource": "pods"}, get(), False),
        ({"user": "ada", "readonly": True, "namespace": "n", "resource": "pods"}, get("create"), False),
        ({"user": "ada", "nonResourcePath": "/health*"}, path("/healthz"), True),
        ({"user": "ada", "nonResourcePath": "/healthz"}, path("/livez"), False),
        ({"user": "ada", "namespace": "*", "resource": "*", "apiGroup": "*"}, path("/livez"), False),
    ],
)
async def test_lines(spec, asked, allowed):
    decision = await parse(f"# a comment\n\n{policy(**spec)}\n", "f").authorize(asked)
    assert (decision.allowed, decision.reason) == (allowed, "" if allowed else "No policy matched.")


def test_rules_of_a_user():
    found = parse(policy(user="ada", namespace="n", resource="pods", readonly=True), "f").rules(ADA, "n")
    assert [(rule.verbs, rule.resources) for rule in found] == [(("get", "list", "watch"), ("pods",))]


def test_a_line_that_cannot_be_read():
    with pytest.raises(Unacceptable, match="error reading policy file f, line 2: "):
        parse(policy(user="ada") + "\n{}", "f")

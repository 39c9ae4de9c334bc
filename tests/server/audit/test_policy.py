"""Audit policies (apiserver's `pkg/audit/policy/checker_test.go` and `validation_test.go`)."""

import msgspec
import pytest

from umiak.api.configuration import Unacceptable
from umiak.server.audit.policy import Level, Verdict, policy_of
from umiak.server.contract import Request, User
from umiak.server.route import route

ANN = User("ann", groups=("dev", "system:authenticated"))


def a_policy(*rules, **more):
    return policy_of(msgspec.json.encode({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules, **more}))


def core(*resources, **more):
    return [{"group": "", "resources": list(resources), **more}]


@pytest.mark.parametrize(
    ("rule", "method", "path", "matches"),
    [
        ({}, "GET", "/api/v1/pods", True),
        ({"users": ["ann"]}, "GET", "/api/v1/pods", True),
        ({"users": ["bob"]}, "GET", "/api/v1/pods", False),
        ({"userGroups": ["dev"]}, "GET", "/api/v1/pods", True),
        ({"userGroups": ["ops"]}, "GET", "/api/v1/pods", False),
        ({"verbs": ["list"]}, "GET", "/api/v1/pods", True),
        ({"verbs": ["get"]}, "GET", "/api/v1/pods", False),
        ({"namespaces": ["a"]}, "GET", "/api/v1/namespaces/a/pods", True),
        ({"namespaces": [""]}, "GET", "/api/v1/nodes", True),
        ({"namespaces": ["a"]}, "GET", "/version", False),
        ({"resources": core("pods")}, "GET", "/api/v1/pods", True),
        ({"resources": core("pods")}, "GET", "/api/v1/namespaces/a/pods/x/log", False),
        ({"resources": core("pods/log")}, "GET", "/api/v1/namespaces/a/pods/x/log", True),
        ({"resources": core("pods/*")}, "GET", "/api/v1/namespaces/a/pods/x/log", True),
        ({"resources": core("*/log")}, "GET", "/api/v1/namespaces/a/pods/x/log", True),
        ({"resources": core("*")}, "GET", "/api/v1/namespaces/a/pods/x/log", True),
        ({"resources": [{"group": "apps"}]}, "GET", "/apis/apps/v1/deployments", True),
        ({"resources": [{"group": "*"}]}, "GET", "/apis/apps/v1/deployments", True),
        ({"resources": core("pods", resourceNames=["x"])}, "GET", "/api/v1/namespaces/a/pods/x", True),
        ({"resources": core("pods", resourceNames=["x"])}, "GET", "/api/v1/namespaces/a/pods/y", False),
        ({"nonResourceURLs": ["/healthz*"]}, "GET", "/healthz/etcd", True),
        ({"nonResourceURLs": ["/version"]}, "GET", "/version", True),
        ({"nonResourceURLs": ["*"]}, "GET", "/api/v1/pods", False),
    ],
)
def test_rules(rule, method, path, matches):
    policy = a_policy({"level": "Metadata", **rule})
    found = policy.judge(ANN, route(Request(method, path, {}, {})))
    assert found.level is (Level.METADATA if matches else Level.NONE)


def test_the_first_rule_counts_and_stages_add_up():
    policy = a_policy(
        {"level": "Request", "users": ["ann"], "omitStages": ["Panic"], "omitManagedFields": False},
        {"level": "Metadata"},
        omitStages=["RequestReceived"],
        omitManagedFields=True,
    )
    where = route(Request("GET", "/version", {}, {}))
    first, second = policy.judge(ANN, where), policy.judge(User("bob"), where)
    assert first == Verdict(Level.REQUEST, frozenset({"Panic", "RequestReceived"}), False)
    assert second == Verdict(Level.METADATA, frozenset({"RequestReceived"}), True)


URL, GROUP = "rules[0].nonResourceURLs[0]: Invalid value: ", "rules[0].resources.group: Invalid value: "


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ({"level": ""}, "rules[0].level: Required value"),
        ({"level": "All"}, 'rules[0].level: Unsupported value: "All": supported values: '),
        ({"nonResourceURLs": ["x"]}, f"{URL}\"x\": non-resource URL rules must begin with a '/' character"),
        ({"nonResourceURLs": ["/a*b"]}, "wildcards '*' must be the final character of the rule"),
        ({"resources": [{"resourceNames": ["x"]}]}, "using resourceNames requires at least one resource"),
        ({"resources": [{"group": "A/v1"}]}, f'{GROUP}"A/v1": a lowercase'),
        ({"omitStages": ["No"]}, 'rules[0].omitStages[0]: Invalid value: "No": allowed stages are Request'),
        ({"nonResourceURLs": ["/a"], "namespaces": ["b"]}, "rules cannot apply to both regular resources"),
    ],
)
def test_faults(rule, fault):
    with pytest.raises(Unacceptable) as caught:
        a_policy({"level": "None", **rule})
    assert fault in str(caught.value)


def test_a_policy_has_rules():
    with pytest.raises(Unacceptable, match="loaded illegal policy with 0 rules"):
        a_policy()
    with pytest.raises(Unacceptable, match="no kind"):
        policy_of(b"{apiVersion: v1, kind: Pod}")


def test_unknown_fields_are_passed_over():
    assert a_policy({"level": "None", "colour": "red"}).rules

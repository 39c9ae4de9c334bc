"""Which flow schema a request belongs to (KEP-1040; cases after apiserver's `flowcontrol/rule_test.go`)."""

import pytest

from umiak.server.bootstrap.flow_control import objects
from umiak.server.contract import Request, User
from umiak.server.flow.rules import first_match, in_order, schema_of
from umiak.server.route import route

SCHEMAS = in_order(schema_of(obj) for obj in objects("") if obj["kind"] == "FlowSchema")
ANYBODY = "system:authenticated"
ADMIN = User("root", groups=("system:masters", ANYBODY))
NODE = User("system:node:n1", groups=("system:nodes", ANYBODY))
MANAGER = User("system:kube-controller-manager", groups=(ANYBODY,))
IN_SYSTEM = User("system:serviceaccount:kube-system:dns", groups=("system:serviceaccounts", ANYBODY))
ACCOUNT = User("system:serviceaccount:web:app", groups=("system:serviceaccounts", ANYBODY))
PERSON = User("ann", groups=("dev", ANYBODY))
NOBODY = User("system:anonymous", groups=("system:unauthenticated",))
STRANGER = User("x")
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


@pytest.mark.parametrize(
    ("user", "method", "path", "schema"),
    [
        (ADMIN, "GET", "/api/v1/pods", "exempt"),
        (NOBODY, "GET", "/healthz", "probes"),
        (NOBODY, "GET", "/livez/etcd", "probes"),
        (NOBODY, "GET", "/version", "global-default"),
        (MANAGER, "PUT", f"{LEASES}/kcm", "system-leader-election"),
        (MANAGER, "DELETE", f"{LEASES}/kcm", "kube-controller-manager"),
        (NODE, "PATCH", "/api/v1/nodes/n1/status", "system-node-high"),
        (NODE, "PUT", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", "system-node-high"),
        (NODE, "GET", "/api/v1/pods", "system-nodes"),
        (IN_SYSTEM, "GET", "/api/v1/pods", "kube-system-service-accounts"),
        (IN_SYSTEM, "GET", f"{LEASES}/x", "system-leader-election"),
        (ACCOUNT, "GET", "/api/v1/pods", "service-accounts"),
        (PERSON, "GET", "/api/v1/pods", "global-default"),
        (STRANGER, "GET", "/api/v1/pods", None),
    ],
)
def test_default_schemas(user, method, path, schema):
    found = first_match(SCHEMAS, user, route(Request(method, path, {}, {})))
    assert (found and found.name) == schema


def a_schema(subject, **rule):
    resource = "resources" in rule
    spec = {"priorityLevelConfiguration": {"name": "l"}, "matchingPrecedence": 1}
    spec["rules"] = [{"subjects": [subject], "resourceRules" if resource else "nonResourceRules": [rule]}]
    return schema_of({"metadata": {"name": "s"}, "spec": spec})


def a_rule(**changed):
    every = {name: ["*"] for name in ("verbs", "apiGroups", "resources", "namespaces")}
    return {**every, "clusterScope": True, **changed}


EVERYBODY = {"kind": "Group", "group": {"name": "*"}}
POD, NODES = "/api/v1/namespaces/a/pods/x", "/api/v1/nodes"


@pytest.mark.parametrize(
    ("rule", "path", "matches"),
    [
        (a_rule(), POD, True),
        (a_rule(), NODES, True),
        (a_rule(clusterScope=False), NODES, False),
        (a_rule(namespaces=["a"]), POD, True),
        (a_rule(namespaces=["b"]), POD, False),
        (a_rule(namespaces=[]), POD, False),
        (a_rule(resources=["pods"]), POD, True),
        (a_rule(resources=["pods"]), f"{POD}/status", False),
        (a_rule(resources=["pods/status"]), f"{POD}/status", True),
        (a_rule(apiGroups=[""]), POD, True),
        (a_rule(apiGroups=["apps"]), POD, False),
        (a_rule(verbs=["get"]), POD, True),
        (a_rule(verbs=["list"]), POD, False),
        (a_rule(), "/healthz", False),
        ({"verbs": ["*"], "nonResourceURLs": ["/a/*"]}, "/a/b", True),
        ({"verbs": ["*"], "nonResourceURLs": ["/a"]}, "/a/b", True),
        ({"verbs": ["*"], "nonResourceURLs": ["/a"]}, "/ab", False),
    ],
)
def test_rules(rule, path, matches):
    assert a_schema(EVERYBODY, **rule).matches(PERSON, route(Request("GET", path, {}, {}))) is matches


@pytest.mark.parametrize(
    ("subject", "user", "matches"),
    [
        ({"kind": "User", "user": {"name": "ann"}}, PERSON, True),
        ({"kind": "User", "user": {"name": "*"}}, STRANGER, True),
        ({"kind": "User", "user": {"name": "bob"}}, PERSON, False),
        ({"kind": "Group", "group": {"name": "dev"}}, PERSON, True),
        ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "web", "name": "app"}}, ACCOUNT, True),
        ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "web", "name": "*"}}, ACCOUNT, True),
        ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "we", "name": "*"}}, ACCOUNT, False),
        ({"kind": "ServiceAccount", "serviceAccount": {"namespace": "web", "name": "ap"}}, ACCOUNT, False),
    ],
)
def test_subjects(subject, user, matches):
    assert a_schema(subject, **a_rule()).matches(user, route(Request("GET", POD, {}, {}))) is matches


def test_what_tells_flows_apart():
    spec = {"priorityLevelConfiguration": {"name": "l"}, "matchingPrecedence": 1}
    where = route(Request("GET", POD, {}, {}))
    told = [
        schema_of({"metadata": {"name": "s"}, "spec": {**spec, **more}}).distinguisher(PERSON, where)
        for more in (
            {},
            {"distinguisherMethod": {"type": "ByUser"}},
            {"distinguisherMethod": {"type": "ByNamespace"}},
        )
    ]
    assert told == ["", "ann", "a"]

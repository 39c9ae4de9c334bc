"""Roles, bindings, reviews and impersonation: our answers beside kube-apiserver's, word for word."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from side_by_side import TOKEN, Answer, Both, may, settled_answers

from umiak.testing import reference
from umiak.testing.patience import until

pytestmark = [pytest.mark.shared, pytest.mark.slow]

GROUP = "rbac.authorization.k8s.io"
RBAC, NAMESPACED = f"/apis/{GROUP}/v1", f"/apis/{GROUP}/v1/namespaces/default"
REVIEWS, ACCESS = "/apis/authentication.k8s.io/v1", "/apis/authorization.k8s.io/v1"
MERGE = {"Content_Type": "application/merge-patch+json"}
USERS = (
    "ines,ines,1,crew",
    "imp,imp,2",
    "esc,esc,3",
    'node,system:node:n1,4,"system:nodes"',
    'badnode,system:node:,5,"system:nodes"',
    "nob,nobody-special,6",
)
LISTED = re.compile(r"\[(clusterrole\.[^\]]*)\]")


def settled(answer: Answer) -> tuple[int, str]:
    """The reference goes through bindings in no order, so what depends on it is sorted or left out."""
    body = answer.body
    if isinstance(body, dict) and body.get("kind") == "SelfSubjectRulesReview":
        for name in ("resourceRules", "nonResourceRules"):
            body["status"][name] = sorted(body["status"].get(name) or [], key=json.dumps)
    status, text = answer.comparable()
    text = re.sub(r"system:(discovery|public-info-viewer)", "system:~", text)
    return status, LISTED.sub(lambda match: ", ".join(sorted(match[1].split(", "))), text)


def compare(both: Both, *question: Any, **more: Any) -> None:
    theirs, ours = settled_answers(both, *question, form=settled, **more)
    assert settled(ours) == settled(theirs)
    assert ours.headers.get("Warning") == theirs.headers.get("Warning")


def rule(verbs: str, resources: str = "", groups: str = "core", names: str = "", urls: str = "") -> dict[str, Any]:
    """Words with blanks between them; `core` is the group without a name."""
    found: dict[str, Any] = {"verbs": verbs.split()}
    if urls:
        return {**found, "nonResourceURLs": urls.split()}
    found |= {"apiGroups": ["" if group == "core" else group for group in groups.split()]}
    found |= {"resources": resources.split()}
    return {**found, "resourceNames": names.split()} if names else found


def role(name: str, *rules: Any, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "rules": list(rules), **more}


def user(name: str) -> dict[str, str]:
    return {"kind": "User", "name": name, "apiGroup": GROUP}


def binding(name: str, kind: str, of: str, *subjects: Any) -> dict[str, Any]:
    ref = {"apiGroup": GROUP, "kind": kind, "name": of}
    return {"metadata": {"name": name}, "roleRef": ref, "subjects": list(subjects)}


AUTHENTICATION = "authentication.k8s.io"
IMPERSONATOR = role(
    "imp",
    rule("impersonate", "users", names="bob system:node:n1"),
    rule("impersonate", "groups", names="g1 g2"),
    rule("impersonate", "uids", AUTHENTICATION, "u1"),
    rule("impersonate", "userextras/example.com/a", AUTHENTICATION, "v1"),
    rule("impersonate", "serviceaccounts", names="sa"),
    rule("impersonate:user-info", "users", AUTHENTICATION, "carl"),
    rule("impersonate:user-info", "groups", AUTHENTICATION, "g3"),
    rule("impersonate-on:user-info:create", "selfsubjectreviews", AUTHENTICATION),
    rule("impersonate:arbitrary-node", "nodes", AUTHENTICATION, "n3"),
    rule("impersonate-on:arbitrary-node:create", "selfsubjectreviews", AUTHENTICATION),
    rule("impersonate:serviceaccount", "serviceaccounts", AUTHENTICATION, "sb"),
    rule("impersonate-on:serviceaccount:create", "selfsubjectreviews", AUTHENTICATION),
)
PREPARED: Sequence[tuple[str, dict[str, Any]]] = (
    (
        f"{RBAC}/clusterroles",
        role(
            "rbac-writer",
            rule("create update patch get list delete", "roles rolebindings clusterroles clusterrolebindings", GROUP),
        ),
    ),
    (f"{RBAC}/clusterrolebindings", binding("writers", "ClusterRole", "rbac-writer", user("ines"), user("esc"))),
    (
        f"{RBAC}/clusterroles",
        role("pod-reader", rule("get list watch", "pods pods/log"), rule("get", "configmaps", names="a b")),
    ),
    (
        f"{NAMESPACED}/rolebindings",
        binding(
            "readers",
            "ClusterRole",
            "pod-reader",
            user("ines"),
            {"kind": "ServiceAccount", "name": "x", "namespace": "default"},
            {"kind": "Group", "name": "crew", "apiGroup": GROUP},
        ),
    ),
    (f"{NAMESPACED}/roles", role("secrets", rule("get", "secrets"))),
    (f"{NAMESPACED}/roles", role("pods", rule("get", "pods"))),
    (f"{RBAC}/clusterroles", role("agg", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]})),
    (
        f"{RBAC}/clusterroles",
        role(
            "escalator",
            rule("escalate", "roles clusterroles", GROUP, "pods ok"),
            rule("bind", "clusterroles", GROUP, "view"),
        ),
    ),
    (f"{RBAC}/clusterrolebindings", binding("escalators", "ClusterRole", "escalator", user("esc"))),
    (f"{NAMESPACED}/rolebindings", binding("dangling", "Role", "gone", user("ines"))),
    (f"{RBAC}/clusterrolebindings", binding("dangling", "ClusterRole", "gone-too", user("ines"))),
    (f"{RBAC}/clusterroles", IMPERSONATOR),
    (f"{RBAC}/clusterrolebindings", binding("imp", "ClusterRole", "imp", user("imp"))),
)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    for name in ("kube-apiserver", "etcd"):
        try:
            reference.program(name)
        except reference.Missing as missing:
            pytest.skip(str(missing))
    found = Both(tmp_path_factory.mktemp("rbac"), (), USERS)
    try:
        found.start()
        for path, body in PREPARED:
            assert [answer.status for answer in found.ask("POST", path, body=body)] == [201, 201], body
        catch_up(found)
        yield found
    finally:
        found.stop()


def catch_up(both: Both) -> None:
    """Until both look at what was written last, and the reference's other copies are as new."""
    until(lambda: may(both, "imp", "impersonate", "users", name="bob"))
    for token in ("ines", "imp", "esc", "nob", "node"):
        asked = ("POST", f"{ACCESS}/selfsubjectrulesreviews", token, {"spec": {"namespace": "default"}})
        until(lambda asked=asked: compare(both, *asked) is None)


RULES = {
    "own": [rule("get", "pods")],
    "half-own": [rule("get list delete", "pods secrets")],
    "everything": [rule("*", "*", "*")],
    "named-wider": [rule("get", "configmaps")],
    "named": [rule("get", "configmaps", names="a")],
    "named-half": [rule("get", "configmaps", names="a c")],
    "parts": [rule("get", "pods/status */log")],
    "groups": [rule("get", "deployments", "apps extensions")],
    "paths": [rule("get", urls="/healthz /foo/*")],
    "no-verbs": [{"verbs": []}],
    "only-verbs": [{"verbs": ["get"]}],
    "no-groups": [{"verbs": ["get"], "resources": ["a"]}],
    "both-kinds": [{"verbs": ["get"], "nonResourceURLs": ["/x"], "apiGroups": [""], "resources": ["a"]}],
}


@pytest.mark.parametrize("place", [f"{NAMESPACED}/roles", f"{RBAC}/clusterroles"])
@pytest.mark.parametrize("name", RULES)
def test_roles(both: Both, name: str, place: str) -> None:
    for token in ("ines", TOKEN):
        compare(both, "POST", place, token, role(f"{name}-{token}", *RULES[name]))


@pytest.mark.parametrize("name", ["ok", "other"])
def test_leave_to_escalate(both: Both, name: str) -> None:
    compare(both, "POST", f"{NAMESPACED}/roles", "esc", role(name, rule("*", "secrets")))
    compare(both, "PUT", f"{NAMESPACED}/roles/pods", "esc", role("pods", rule("get list", "secrets")))


@pytest.mark.parametrize("token", ["ines", "esc"])
@pytest.mark.parametrize(
    ("path", "patch"),
    [
        (f"{NAMESPACED}/roles/secrets", {"metadata": {"labels": {"a": "b"}}}),
        (f"{NAMESPACED}/roles/secrets", {"rules": [rule("get list", "secrets")]}),
        (f"{RBAC}/clusterroles/agg", {"metadata": {"labels": {"x": "y"}}}),
        (f"{NAMESPACED}/rolebindings/dangling", {"roleRef": {"name": "view"}}),
        (f"{NAMESPACED}/rolebindings/readers", {"subjects": [user("ines"), user("z")]}),
    ],
)
def test_changes(both: Both, token: str, path: str, patch: dict[str, Any]) -> None:
    compare(both, "PATCH", path, token, patch, **MERGE)


SELECTORS: dict[str, Any] = {
    "good": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
    "none": {"clusterRoleSelectors": []},
    "senseless": {"clusterRoleSelectors": [{"matchExpressions": [{"key": "a", "operator": "Foo"}]}]},
    "empty": {},
}


@pytest.mark.parametrize("name", SELECTORS)
def test_aggregation(both: Both, name: str) -> None:
    for token in ("ines", TOKEN):
        body = role(f"agg-{name}-{token}", aggregationRule=SELECTORS[name])
        compare(both, "POST", f"{RBAC}/clusterroles", token, body)


BINDINGS: dict[str, tuple[str, str, list[dict[str, str]]]] = {
    "own": ("ClusterRole", "pod-reader", [user("x")]),
    "more": ("Role", "secrets", [user("ines")]),
    "view": ("ClusterRole", "view", [user("q")]),
    "edit": ("ClusterRole", "edit", [user("q")]),
    "missing": ("Role", "missing", [user("x")]),
    "missing-too": ("ClusterRole", "missing", [user("x")]),
    "odd-kind": ("Foo", "x", [user("a")]),
    "no-name": ("Role", "", [user("a")]),
    "odd-name": ("Role", "a/b", []),
    "odd-subject": ("Role", "x", [{"kind": "Foo", "name": "a"}]),
    "nobody": ("Role", "x", [{"kind": "User", "name": ""}]),
    "account": ("Role", "x", [{"kind": "ServiceAccount", "name": "a"}]),
    "user-in-a-namespace": ("Role", "x", [{"kind": "User", "name": "a", "namespace": "n"}]),
    "odd-group": ("ClusterRole", "x", [{"kind": "Group", "name": "g", "apiGroup": "x"}]),
}


@pytest.mark.parametrize("place", [f"{NAMESPACED}/rolebindings", f"{RBAC}/clusterrolebindings"])
@pytest.mark.parametrize("name", BINDINGS)
def test_bindings(both: Both, name: str, place: str) -> None:
    kind, of, subjects = BINDINGS[name]
    for token in ("ines", "esc", TOKEN):
        compare(both, "POST", place, token, binding(f"{name}-{token}", kind, of, *subjects))


TOKENS = ("ines", "esc", "nob", "node", "badnode", "")
PLACE = "/api/v1/namespaces/default"
REQUESTS = (
    ("GET", f"{PLACE}/pods"),
    ("GET", f"{PLACE}/pods/x/log"),
    ("GET", f"{PLACE}/configmaps/a"),
    ("GET", f"{PLACE}/configmaps/c"),
    ("GET", "/api/v1/secrets"),
    ("GET", f"{PLACE}/secrets?watch=1"),
    ("DELETE", f"{PLACE}/pods"),
    ("DELETE", f"{PLACE}/pods/p"),
    ("GET", "/foo/bar"),
    ("POST", "/apis/apps/v1/namespaces/default/deployments"),
    ("GET", "/apis/no.such/v1/things"),
    ("GET", "/api/v1/nodes/n1"),
    ("GET", "/api/v1/nodes/n2"),
    ("PUT", f"{PLACE}/pods/p/status"),
    ("GET", "/api/v1/namespaces/<x>&/pods"),
)


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_requests(both: Both, method: str, path: str) -> None:
    for token in TOKENS:
        compare(both, method, path, token, {} if method in ("POST", "PUT") else None)


def about(verb: str, resource: str, name: str = "", **more: str) -> dict[str, Any]:
    asked = {"verb": verb, "resource": resource, "namespace": "default", "name": name, **more}
    return {"resourceAttributes": {key: value for key, value in asked.items() if value}}


QUESTIONS: tuple[dict[str, Any], ...] = (
    about("get", "pods"),
    about("get", "configmaps", "a"),
    about("*", "*", group="*"),
    {"nonResourceAttributes": {"path": "/version", "verb": "get"}},
    {},
)


@pytest.mark.parametrize("token", TOKENS)
def test_reviews_of_oneself(both: Both, token: str) -> None:
    for namespace in ("default", "", "other"):
        compare(both, "POST", f"{ACCESS}/selfsubjectrulesreviews", token, {"spec": {"namespace": namespace}})
    for spec in QUESTIONS:
        compare(both, "POST", f"{ACCESS}/selfsubjectaccessreviews", token, {"spec": spec})


@pytest.mark.parametrize(
    "spec",
    [
        {"user": "ines", **about("get", "pods")},
        {"groups": ["crew"], **about("get", "pods")},
        {"user": "system:serviceaccount:default:x", **about("get", "pods", subresource="log")},
        {"user": "a", "groups": ["system:masters"], **about("get", "pods")},
        {"user": "system:node:n1", "groups": ["system:nodes"], **about("get", "secrets", "s")},
        {"user": "esc", **about("escalate", "roles", "ok", group=GROUP)},
        about("get", "pods"),
        {"user": "a"},
        {"user": "a", **about("get", "pods"), "nonResourceAttributes": {"path": "/"}},
    ],
    ids=str,
)
def test_reviews_of_others(both: Both, spec: dict[str, Any]) -> None:
    compare(both, "POST", f"{ACCESS}/subjectaccessreviews", body={"spec": spec})
    compare(both, "POST", f"{ACCESS}/namespaces/default/localsubjectaccessreviews", body={"spec": spec})


ACCOUNT, NODE = "system:serviceaccount:default:", "system:node:"


@pytest.mark.parametrize(
    "headers",
    [
        *({"User": name} for name in ("bob", "carl", "dave", "system:anonymous", "")),
        *({"User": ACCOUNT + name} for name in ("sa", "sb", "sc")),
        *({"User": NODE + name} for name in ("n1", "n3", "n4", "N_")),
        *({"User": "bob", "Group": name} for name in ("g1", "g9", "system:unauthenticated")),
        *({"User": "bob", "Uid": uid} for uid in ("u1", "u2")),
        *({"User": "bob", "Extra-example.com%2fa": value} for value in ("v1", "v2")),
        *({"User": "carl", "Group": name} for name in ("g3", "g1", "system:masters")),
        {"User": "bob", "Extra-b": "v2"},
        {"User": ACCOUNT + "sb", "Group": "g1"},
        {"Uid": "u"},
        {"Extra-a": "b"},
    ],
    ids=str,
)
def test_impersonation(both: Both, headers: dict[str, str]) -> None:
    sent = {f"Impersonate-{name}": value for name, value in headers.items()}
    for token in ("imp", "nob", TOKEN):
        compare(both, "POST", f"{REVIEWS}/selfsubjectreviews", token, {}, **sent)
    compare(both, "GET", f"{PLACE}/pods", "imp", None, **sent)

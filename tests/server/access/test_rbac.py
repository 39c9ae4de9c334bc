"""Roles and bindings decide, in the reference's words, and changes count at once."""

import json

import pytest

from umiak.server.access.authorization import refusal
from umiak.server.access.rbac import Policy
from umiak.server.contract import Attributes, User
from umiak.store.memory import MemoryStore

INES = User("ines", groups=("crew", "system:authenticated"))


def put(policy, kind, name, namespace="", **fields):
    key = f"{namespace}/{name}" if namespace else name
    obj = {"metadata": {"name": name, **({"namespace": namespace} if namespace else {})}, **fields}
    change = policy.role_changed if kind == "role" else policy.binding_changed
    change(key, json.dumps(obj).encode())


def rule(verbs, resources, groups=("",), names=()):
    return {"verbs": verbs, "resources": resources, "apiGroups": groups, "resourceNames": names}


def bind(policy, name, role, *subjects, namespace="", kind="ClusterRole"):
    put(policy, "binding", name, namespace, roleRef={"kind": kind, "name": role}, subjects=list(subjects))


def user(name):
    return {"kind": "User", "name": name}


async def ask(policy, verb, resource, group="", namespace="", name="", subresource="", who=INES):
    return await policy.authorize(Attributes(who, verb, group, "v1", resource, subresource, namespace, name))


@pytest.fixture
def policy():
    return Policy()


async def test_nothing_is_allowed_by_default(policy):
    assert await ask(policy, "get", "pods") == (await ask(policy, "list", "pods"))
    assert not (await ask(policy, "get", "pods")).allowed


async def test_reason_names_the_binding(policy):
    put(policy, "role", "reader", "hold", rules=[rule(["get"], ["pods"])])
    bind(policy, "readers", "reader", user("ines"), namespace="hold", kind="Role")
    decision = await ask(policy, "get", "pods", namespace="hold")
    assert decision.reason == 'RBAC: allowed by RoleBinding "readers/hold" of Role "reader" to User "ines"'
    assert not (await ask(policy, "get", "pods", namespace="deck")).allowed


@pytest.mark.parametrize(
    ("granted", "asked", "allowed"),
    [
        (rule(["*"], ["*"], ["*"]), ("frob", "things", "any.example"), True),
        (rule(["get"], ["pods/log"]), ("get", "pods", ""), False),
        (rule(["get"], ["pods"]), ("get", "services", ""), False),
        (rule(["get"], ["pods"], ["apps"]), ("get", "pods", ""), False),
    ],
)
async def test_rules(policy, granted, asked, allowed):
    put(policy, "role", "r", rules=[granted])
    bind(policy, "b", "r", user("ines"))
    verb, resource, group = asked
    assert (await ask(policy, verb, resource, group)).allowed is allowed


@pytest.mark.parametrize(("resource", "allowed"), [("deployments", True), ("pods", True)])
async def test_subresource_wildcard(policy, resource, allowed):
    put(policy, "role", "r", rules=[rule(["get"], ["*/scale"])])
    bind(policy, "b", "r", user("ines"))
    assert (await ask(policy, "get", resource, subresource="scale")).allowed is allowed
    assert not (await ask(policy, "get", resource)).allowed


async def test_names_narrow(policy):
    put(policy, "role", "r", rules=[rule(["get"], ["secrets"], names=["a", "b"])])
    bind(policy, "b", "r", user("ines"))
    verdicts = [(await ask(policy, "get", "secrets", name=n)).allowed for n in ("a", "b", "c", "")]
    assert verdicts == [True, True, False, False]


async def test_service_account_subject_defaults_to_the_bindings_namespace(policy):
    put(policy, "role", "r", rules=[rule(["get"], ["pods"])])
    bind(policy, "b", "r", {"kind": "ServiceAccount", "name": "robot"}, namespace="hold")
    robot = User("system:serviceaccount:hold:robot")
    assert (await ask(policy, "get", "pods", namespace="hold", who=robot)).allowed


async def test_missing_roles_are_named_once(policy):
    bind(policy, "b1", "gone", user("ines"))
    bind(policy, "b2", "gone", {"kind": "Group", "name": "crew"})
    decision = await ask(policy, "list", "pods", namespace="hold")
    assert decision.reason == 'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'
    error = refusal(Attributes(INES, "list", "", "v1", "pods", "", "hold"), decision.reason)
    assert error.message == (
        'pods is forbidden: User "ines" cannot list resource "pods" in API group "" in the namespace "hold": '
        'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'
    )


async def test_paths(policy):
    put(policy, "role", "r", rules=[{"verbs": ["get"], "nonResourceURLs": ["/logs/*"]}])
    bind(policy, "b", "r", {"kind": "Group", "name": "crew"})

    async def may(path):
        return (await policy.authorize(Attributes(INES, "get", path=path, is_resource=False))).allowed

    assert [await may(p) for p in ("/logs/x", "/logs/", "/logs", "/log")] == [True, True, False, False]
    error = refusal(Attributes(INES, "get", path="/<x>", is_resource=False))
    assert error.message == 'forbidden: User "ines" cannot get path "/&lt;x&gt;"'


async def test_changes_in_the_store_count_at_once():
    store, policy = MemoryStore(), Policy()
    group = "/rbac.authorization.k8s.io"
    role = {"metadata": {"name": "r"}, "rules": [rule(["get"], ["pods"])]}
    await store.put(f"{group}/clusterroles/r", lambda _: json.dumps(role).encode())
    await policy.start(store)
    assert not (await ask(policy, "get", "pods")).allowed
    binding = {"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [user("ines")]}
    await store.put(f"{group}/clusterrolebindings/b", lambda _: json.dumps(binding).encode())
    assert (await ask(policy, "get", "pods")).allowed
    await store.delete(f"{group}/clusterrolebindings/b")
    assert not (await ask(policy, "get", "pods")).allowed
    policy.stop()
    await store.close()

"""A node touches only what its own pods need."""

import json

import pytest

from umiak.server.access.node import NodeAuthorizer, node_of
from umiak.server.bootstrap.roles import node_rules
from umiak.server.contract import Attributes, User
from umiak.store.memory import MemoryStore

N1 = User("system:node:n1", groups=("system:nodes", "system:authenticated"))
POD = {
    "metadata": {"name": "p", "namespace": "hold"},
    "spec": {
        "nodeName": "n1",
        "serviceAccountName": "robot",
        "imagePullSecrets": [{"name": "pull"}],
        "containers": [
            {
                "name": "c",
                "envFrom": [{"configMapRef": {"name": "env"}}],
                "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}}],
            }
        ],
        "volumes": [
            {"name": "v", "secret": {"secretName": "vol"}},
            {"name": "w", "projected": {"sources": [{"configMap": {"name": "root"}}]}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "claim"}},
            {"name": "e", "ephemeral": {}},
        ],
    },
}
VOLUME = {
    "metadata": {"name": "pv"},
    "spec": {
        "claimRef": {"namespace": "hold", "name": "claim"},
        "csi": {"nodeStageSecretRef": {"namespace": "vault", "name": "stage"}},
    },
}


@pytest.fixture
async def authorizer():
    store = MemoryStore()
    await store.put("/core/pods/hold/p", lambda _: json.dumps(POD).encode())
    await store.put("/core/persistentvolumes/pv", lambda _: json.dumps(VOLUME).encode())
    found = NodeAuthorizer(store, node_rules)
    found.store = store
    yield found
    found.stop()
    await store.close()


async def ask(authorizer, verb, resource, namespace="hold", name="", subresource="", group="", fields="", who=N1):
    asked = Attributes(who, verb, group, "v1", resource, subresource, namespace, name, fields=fields)
    return await authorizer.authorize(asked)


@pytest.mark.parametrize(
    ("resource", "name", "allowed"),
    [
        ("secrets", "pull", True),
        ("secrets", "key", True),
        ("secrets", "vol", True),
        ("secrets", "other", False),
        ("configmaps", "env", True),
        ("configmaps", "root", True),
        ("configmaps", "vol", False),
        ("persistentvolumeclaims", "claim", True),
        ("persistentvolumeclaims", "p-e", True),
        ("serviceaccounts", "robot", True),
        ("pods", "p", True),
        ("pods", "q", False),
    ],
)
async def test_get(authorizer, resource, name, allowed):
    decision = await ask(authorizer, "get", resource, name=name)
    assert decision.allowed is allowed
    assert allowed or decision.reason == "no relationship found between node 'n1' and this object"


async def test_volumes_and_their_secrets_hang_on_claims(authorizer):
    assert (await ask(authorizer, "get", "persistentvolumes", "", "pv")).allowed
    assert (await ask(authorizer, "get", "secrets", "vault", "stage")).allowed
    await authorizer.store.delete("/core/pods/hold/p")
    assert not (await ask(authorizer, "get", "persistentvolumes", "", "pv")).allowed
    assert not (await ask(authorizer, "get", "secrets", "vault", "stage")).allowed


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"verb": "list", "resource": "secrets"}, "No Object name found"),
        ({"verb": "update", "resource": "secrets", "name": "key"}, "can only read resources of this type"),
        ({"verb": "list", "resource": "pods"}, "can only list/watch pods with spec.nodeName field selector"),
        ({"verb": "list", "resource": "pods", "fields": "spec.nodeName=n1"}, None),
        ({"verb": "watch", "resource": "pods", "fields": "a=b,spec.nodeName=n1"}, None),
        ({"verb": "update", "resource": "pods", "subresource": "status", "name": "q"}, None),
        ({"verb": "get", "resource": "nodes", "name": "n1"}, None),
        (
            {"verb": "get", "resource": "nodes", "name": "n2"},
            "node 'n1' cannot read 'n2', only its own Node object",
        ),
        (
            {"verb": "list", "resource": "nodes"},
            "node 'n1' cannot read all nodes, only its own Node object",
        ),
        ({"verb": "create", "resource": "serviceaccounts", "name": "robot", "subresource": "token"}, None),
        (
            {"verb": "update", "resource": "leases", "group": "coordination.k8s.io", "name": "n1"},
            'can only access leases in the "kube-node-lease" system namespace',
        ),
        (
            {"verb": "get", "resource": "leases", "group": "coordination.k8s.io", "namespace": "kube-node-lease"},
            "can only access node lease with the same name as the requesting node",
        ),
        ({"verb": "list", "resource": "services"}, None),
        ({"verb": "delete", "resource": "services", "name": "x"}, ""),
    ],
)
async def test_judges(authorizer, asked, reason):
    decision = await ask(authorizer, **asked)
    assert (None if decision.allowed else decision.reason) == reason


async def test_others_are_not_its_business(authorizer):
    assert (await ask(authorizer, "get", "secrets", name="key", who=User("system:node:n1"))).reason == ""
    assert node_of(User("system:node:n1")) is None
    assert node_of(N1) == "n1"

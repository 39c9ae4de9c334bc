"""A new cluster has what it needs; a restart brings back only what was taken away."""

import random

import pytest
from msgspec.structs import replace

from umiak.api import registry
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.api.core.service import KIND as SERVICE
from umiak.api.rbac.clusterrole import KIND as CLUSTER_ROLE
from umiak.server.bootstrap.objects import Server
from umiak.server.bootstrap.roles import AUTOUPDATE, objects, rule
from umiak.server.bootstrap.start import bootstrap
from umiak.server.resources import Resources
from umiak.store.memory import MemoryStore
from umiak.testing.clock import VirtualClock

SERVER = Server(hostname="vm", address="192.0.2.2", port=6443, service_ip="10.96.0.1", service_cidrs=("10.96.0.0/16",))


@pytest.fixture
async def stored():
    store = MemoryStore()
    yield Resources(store, VirtualClock(), random.Random(1))
    await store.close()


async def start(stored):
    await bootstrap(stored, registry.find, SERVER, [("", "v1"), ("apps", "v1")], VirtualClock())


async def test_everything_is_there(stored):
    await start(stored)
    count = stored.store.count
    assert count("/core/namespaces/") == 4
    assert count("/rbac.authorization.k8s.io/clusterroles/") == 73
    assert count("/flowcontrol.apiserver.k8s.io/flowschemas/") == 11
    assert count("/core/services/") == count("/networking.k8s.io/ipaddresses/") == 1


async def test_second_start_writes_nothing(stored):
    await start(stored)
    before = stored.store.revision
    await start(stored)
    assert stored.store.revision == before


async def test_missing_things_come_back(stored):
    await start(stored)

    def stripped(role):
        return {**role, "rules": [{"verbs": ["frob"], "apiGroups": [""], "resources": ["x"]}]}

    await stored.modify(CLUSTER_ROLE, "", "cluster-admin", stripped)
    await stored.remove(NAMESPACE, "", "kube-public")
    await start(stored)
    rules = (await stored.get(CLUSTER_ROLE, "", "cluster-admin"))["rules"]
    assert [r["verbs"] for r in rules] == [["frob"], ["*"], ["*"]]
    assert await stored.find(NAMESPACE, "", "kube-public")


async def test_service_follows_the_servers_port(stored):
    await start(stored)
    await bootstrap(stored, registry.find, replace(SERVER, port=7443), [], VirtualClock())
    service = await stored.get(SERVICE, "default", "kubernetes")
    assert (service["spec"]["clusterIP"], service["spec"]["ports"][0]["targetPort"]) == ("10.96.0.1", 7443)


async def test_administrators_word_stands(stored):
    await start(stored)

    def claimed(role):
        role["metadata"]["annotations"] = {AUTOUPDATE: "false"}
        return {**role, "rules": []}

    await stored.modify(CLUSTER_ROLE, "", "cluster-admin", claimed)
    await start(stored)
    assert (await stored.get(CLUSTER_ROLE, "", "cluster-admin"))["rules"] == []


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("get,list pods", {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}),
        ("get x @ @y.io", {"apiGroups": ["", "y.io"], "resources": ["x"], "verbs": ["get"]}),
        ("* path:*", {"nonResourceURLs": ["*"], "verbs": ["*"]}),
        ("get s =n", {"apiGroups": [""], "resources": ["s"], "resourceNames": ["n"], "verbs": ["get"]}),
    ],
)
def test_notation(line, want):
    assert rule(line) == want


def test_every_binding_finds_its_role():
    made = list(objects())
    roles = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in made}
    for found in made:
        if ref := found.get("roleRef"):
            home = found["metadata"].get("namespace") if ref["kind"] == "Role" else None
            assert (ref["kind"], home, ref["name"]) in roles

"""Extended resources that devices serve: situations of upstream's `extendeddynamicresources_test.go`, and what comes of
them in a cluster."""

import pytest

from umiak.api.core import node, pod
from umiak.api.resource import deviceclass, resourceclaim, resourceslice
from umiak.scheduler.contract import Event
from umiak.scheduler.extended_resources import ANNOTATION, IMPLICIT, classes_by_resource, requests_and_mappings
from umiak.scheduler.extender import Extender, ExtenderFailed
from umiak.scheduler.plugins.dynamic_resources import PLUGIN
from umiak.scheduler.pods import view

GPU, ONE, INIT = "foo.com/bar", "foo.com/bar1", "foo.com/barinit"
CLASSES = {GPU: "class", ONE: "class1", INIT: "classInit", IMPLICIT + "classInit": "classInit"}


def a_class(name: str, resource: str = "", created: str = "2026-01-01T00:00:00Z") -> dict:
    spec = {"extendedResourceName": resource} if resource else {}
    about = {"name": name, "creationTimestamp": created, "resourceVersion": "1"}
    return {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": about, "spec": spec}


def a_slice(on: str, *devices: str) -> dict:
    pool = {"name": on, "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "d", "nodeName": on, "pool": pool, "devices": [{"name": name} for name in devices]}
    about = {"name": f"slice-{on}", "resourceVersion": "1"}
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": about, "spec": spec}


def containers(prefix: str, *asked: dict) -> list[dict]:
    """With restartPolicy, as that of a sidecar, where it is said."""
    found = []
    for i, requests in enumerate(asked):
        wanted = {name: str(amount) for name, amount in requests.items() if name != "restartPolicy"}
        one = {"name": f"{prefix}{i}", "image": "i", "resources": {"requests": wanted, "limits": wanted}}
        found.append(one | {name: what for name, what in requests.items() if name == "restartPolicy"})
    return found


def asking(pod_of, mains: list[dict], inits: list[dict] = ()) -> dict:
    return pod_of("p", containers=containers("con", *mains), initContainers=containers("init", *inits))


SIDECAR = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("mains", "inits", "served", "requests", "mappings"),
    [
        pytest.param([{GPU: 1, ONE: 2}], [], [], [], [], id="nothing"),
        pytest.param([{GPU: 1, ONE: 2}], [], [GPU], ["0-0 class 1"], ["con0 bar 0-0"], id="one resource"),
        pytest.param(
            [{GPU: 1, ONE: 2}],
            [],
            [GPU, ONE],
            ["0-0 class 1", "0-1 class1 2"],
            ["con0 bar 0-0", "con0 bar1 0-1"],
            id="two resources",
        ),
        pytest.param(
            [{GPU: 1}, {ONE: 2}],
            [],
            [GPU, ONE],
            ["0-0 class 1", "1-0 class1 2"],
            ["con0 bar 0-0", "con1 bar1 1-0"],
            id="two containers",
        ),
        pytest.param(
            [{GPU: 1}],
            [{INIT: 2}],
            [GPU, INIT],
            ["0-0 classInit 2", "1-0 class 1"],
            ["con0 bar 1-0", "init0 barinit 0-0"],
            id="an init container",
        ),
        pytest.param(
            [{GPU: 1}],
            [{INIT: 1}, {INIT: 2}],
            [GPU, INIT],
            ["1-0 classInit 2", "2-0 class 1"],
            ["con0 bar 2-0", "init0 barinit 1-0", "init1 barinit 1-0"],
            id="two init containers share",
        ),
        pytest.param(
            [{GPU: 1}],
            [{INIT: 1}, {IMPLICIT + "classInit": 2}],
            [GPU, INIT, IMPLICIT + "classInit"],
            ["0-0 classInit 1", "1-0 classInit 2", "2-0 class 1"],
            ["con0 bar 2-0", "init0 barinit 0-0", "init1 classInit 1-0"],
            id="by the name of the class and of the resource",
        ),
        pytest.param(
            [{GPU: 1}],
            [{INIT: 1}, {INIT: 1, **SIDECAR}, {INIT: 2}],
            [GPU, INIT],
            ["1-0 classInit 1", "2-0 classInit 2", "3-0 class 1"],
            ["con0 bar 3-0", "init0 barinit 1-0", "init1 barinit 1-0", "init2 barinit 2-0"],
            id="an init container uses a sidecar's",
        ),
        pytest.param(
            [{GPU: 1}],
            [{GPU: 3}],
            [GPU],
            ["0-0 class 2", "1-0 class 1"],
            ["con0 bar 1-0", "init0 bar 0-0", "init0 bar 1-0"],
            id="an init container needs more than it can use again",
        ),
    ],
)
def test_what_a_claim_asks_for(pod_of, mains, inits, served, requests, mappings):
    found, told = requests_and_mappings(view(asking(pod_of, mains, inits)), {name: CLASSES[name] for name in served})
    exactly = [(one["name"], one["exactly"]) for one in found]
    assert all(what["allocationMode"] == "ExactCount" for _, what in exactly)
    assert [f"{_short(name)} {what['deviceClassName']} {what['count']}" for name, what in exactly] == requests
    by_container = [(m["containerName"], m["resourceName"].split("/")[1], _short(m["requestName"])) for m in told]
    assert sorted(map(" ".join, by_container)) == mappings


def _short(request: str) -> str:
    return request.removeprefix("container-").replace("-request-", "-")


def test_the_newest_class_serves_then_the_first_by_name():
    old, new = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    found = classes_by_resource([a_class("a", GPU, old), a_class("c", GPU, new), a_class("b", GPU, new), a_class("d")])
    assert found == {GPU: "b", **{IMPLICIT + name: name for name in "abcd"}}


def offering(node: dict, resource: str) -> dict:
    node["status"]["allocatable"][resource] = "1"
    return node


@pytest.fixture
def three_nodes(world, node_of):
    """One with a device plugin, one with devices, and one with nothing."""
    world.add_nodes(offering(node_of("plugin"), GPU), node_of("devices"), node_of("nothing"))
    world.tables.wrote(resourceslice.KIND, a_slice("devices", "gpu-0"))
    return world


def test_nodes_offer_it_themselves_or_by_devices(three_nodes, pod_of):
    wanting = asking(pod_of, [{GPU: 1}])
    assert three_nodes.feasible(wanting) == ["plugin"]
    three_nodes.tables.wrote(deviceclass.KIND, a_class("class", GPU))
    assert three_nodes.feasible(wanting) == ["devices", "plugin"]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({GPU: 2}, "1 Insufficient foo.com/bar, 2 cannot allocate all claims"),
        ({IMPLICIT + "class": 2}, "3 cannot allocate all claims"),
        ({ONE: 1}, "3 Insufficient foo.com/bar1"),
    ],
)
def test_why_not(three_nodes, pod_of, asked, why):
    three_nodes.tables.wrote(deviceclass.KIND, a_class("class", GPU))
    assert three_nodes.why_not(asking(pod_of, [asked])) == f"0/3 nodes are available: {why}."


def test_a_claim_left_behind_is_deleted_first(three_nodes, pod_of):
    three_nodes.tables.wrote(deviceclass.KIND, a_class("class", GPU))
    owner = {"kind": "Pod", "name": "p", "uid": "uid-p", "controller": True}
    about = {"name": "c", "namespace": "default", "uid": "u", "resourceVersion": "1"}
    about |= {"annotations": {ANNOTATION: "true"}, "ownerReferences": [owner]}
    request = {"name": "r", "exactly": {"deviceClassName": "class"}}
    three_nodes.tables.wrote(resourceclaim.KIND, {"metadata": about, "spec": {"devices": {"requests": [request]}}})
    cycle = three_nodes.cycle(asking(pod_of, [{GPU: 1}]))
    refusal = three_nodes.decider.decide(cycle)
    assert refusal.reasons() == "0/3 nodes are available: 3 cannot schedule extended resource claim."
    assert PLUGIN.relieve(cycle).message == "deletion of ResourceClaim completed"


def test_what_is_decided_is_taken_at_once(three_nodes, pod_of):
    three_nodes.tables.wrote(deviceclass.KIND, a_class("class", GPU))
    name = IMPLICIT + "class"
    first = three_nodes.cycle(asking(pod_of, [{name: 1}]))
    PLUGIN.reserve(first, three_nodes.decider.decide(first).node)
    second = three_nodes.cycle({**asking(pod_of, [{name: 1}]), "metadata": {"name": "q", "uid": "uid-q"}})
    second.pending = first.pending
    assert three_nodes.decider.decide(second).reasons() == "0/3 nodes are available: 3 cannot allocate all claims."


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        (None, a_class("other"), False),
        (None, a_class("class", GPU), True),
        (a_class("class"), a_class("class", GPU), True),
        (a_class("class", GPU), a_class("class", GPU), False),
        (a_class("class", GPU), a_class("class"), False),
    ],
)
def test_classes_that_help(three_nodes, pod_of, old, new, want):
    from umiak.scheduler.plugins.node_resources_fit import PLUGIN as FIT

    cycle = three_nodes.cycle(asking(pod_of, [{GPU: 1}]))
    assert FIT.retry_on[Event.DEVICE_CLASS_CHANGED](cycle, old, new) is want


async def test_a_claim_is_made_when_the_pod_is_bound(cluster, scheduling, node_of, pod_of):
    await cluster.create(node.KIND, node_of("n1"))
    await cluster.create(resourceslice.KIND, a_slice("n1", "gpu-0"))
    async with scheduling(cluster):
        await cluster.create(pod.KIND, asking(pod_of, [{GPU: 1}]))
        await cluster.clock.advance(5)
        waits = await cluster.client.get(pod.KIND, "p", "default")
        await cluster.create(deviceclass.KIND, a_class("class", GPU))
        await cluster.clock.advance(15)
        found = await cluster.client.get(pod.KIND, "p", "default")
        claims = await cluster.list(resourceclaim.KIND, "default")
    assert waits["status"]["conditions"][0]["message"].startswith("0/1 nodes are available: 1 Insufficient foo.com/bar")
    assert found["spec"]["nodeName"] == "n1"
    [claim] = claims
    uid, name = found["metadata"]["uid"], claim["metadata"]["name"]
    assert name.startswith("p-extended-resources-")
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": uid, "controller": True}
    assert (claim["metadata"]["annotations"], claim["metadata"]["ownerReferences"]) == ({ANNOTATION: "true"}, [owner])
    assert [r["device"] for r in claim["status"]["allocation"]["devices"]["results"]] == ["gpu-0"]
    assert claim["status"]["reservedFor"] == [{"resource": "pods", "name": "p", "uid": uid}]
    mapping = {"containerName": "con0", "resourceName": GPU, "requestName": "container-0-request-0"}
    status = {"requestMappings": [mapping], "resourceClaimName": name}
    assert found["status"]["extendedResourceClaimStatus"] == status


class NeverBinds(Extender):
    def __init__(self) -> None:
        super().__init__({"urlPrefix": "http://b", "bindVerb": "b", "managedResources": [{"name": GPU}]})
        self.asked = 0

    async def _ask(self, verb, question):
        self.asked += 1
        raise ExtenderFailed("no")


async def test_a_claim_goes_when_the_pod_is_not_bound(cluster, scheduling, node_of, pod_of):
    await cluster.create(node.KIND, node_of("n1"))
    await cluster.create(resourceslice.KIND, a_slice("n1", "gpu-0"))
    await cluster.create(deviceclass.KIND, a_class("class", GPU))
    never = NeverBinds()
    async with scheduling(cluster, extenders=[never]):
        await cluster.create(pod.KIND, asking(pod_of, [{GPU: 1}]))
        await cluster.clock.advance(0.5)
        claims = await cluster.list(resourceclaim.KIND, "default")
    assert (never.asked, claims) == (1, [])

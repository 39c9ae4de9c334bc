"""Pods with claims for devices: situations of upstream's `dynamicresources_test.go`."""

import pytest

from umiak.api.core import node, pod
from umiak.api.resource import deviceclass, resourceclaim, resourceslice
from umiak.scheduler.contract import Event
from umiak.scheduler.devices.binding import DeviceFailed, is_ready, is_up
from umiak.scheduler.plugins.dynamic_resources import PLUGIN, points
from umiak.testing.clock import NOON

CLASS = {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "gpu"}, "spec": {}}
OWN = {"resource": "pods", "name": "p", "uid": "uid-p"}
OTHER = {"resource": "pods", "name": "q", "uid": "uid-q"}


def a_slice(on: str, *devices: str) -> dict:
    pool = {"name": on, "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "d", "nodeName": on, "pool": pool, "devices": [{"name": name} for name in devices]}
    about = {"name": f"slice-{on}"}
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": about, "spec": spec}


def an_allocation(on: str, device: str = "gpu-0", **more) -> dict:
    own = {"key": "metadata.name", "operator": "In", "values": [on]}
    result = {"request": "r", "driver": "d", "pool": on, "device": device, **more}
    return {"devices": {"results": [result]}, "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [own]}]}}


def a_claim(name: str = "c", allocation: dict | None = None, reserved: tuple = (), count: int = 1) -> dict:
    request = {"name": "r", "exactly": {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": count}}
    status = {"allocation": allocation, "reservedFor": list(reserved)} if allocation else {}
    about = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1"}
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": about,
        "spec": {"devices": {"requests": [request]}},
        "status": status,
    }


def claiming(*names: str) -> dict:
    return {"resourceClaims": [{"name": name, "resourceClaimName": name} for name in names]}


@pytest.fixture
def two_nodes(world, node_of):
    world.add_nodes(node_of("n1"), node_of("n2"))
    put(world, deviceclass.KIND, CLASS)
    put(world, resourceslice.KIND, a_slice("n1", "gpu-0"))
    return world


def put(world, kind, *objects: dict) -> None:
    for each in objects:
        about = {"resourceVersion": "1", **each["metadata"]}
        world.tables.wrote(kind, {**each, "metadata": about})


def test_pods_go_where_devices_are(two_nodes, pod_of):
    put(two_nodes, resourceclaim.KIND, a_claim())
    assert two_nodes.feasible(pod_of("p", **claiming("c"))) == ["n1"]


def test_pods_without_claims_do_not_care(two_nodes, pod_of):
    assert two_nodes.feasible(pod_of("p")) == ["n1", "n2"]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        pytest.param([a_claim(count=2)], "2 cannot allocate all claims", id="not enough"),
        pytest.param(
            [a_claim(), a_claim("x", an_allocation("n1"))], "2 cannot allocate all claims", id="taken by another"
        ),
        pytest.param(
            [a_claim(allocation=an_allocation("n3"))], "2 resourceclaim not available on the node", id="elsewhere"
        ),
        pytest.param([], 'could not find ResourceClaim "default/c"', id="not there"),
    ],
)
def test_why_not(two_nodes, pod_of, claims, why):
    put(two_nodes, resourceclaim.KIND, *claims)
    assert two_nodes.why_not(pod_of("p", **claiming("c"))) == f"0/2 nodes are available: {why}."


def test_a_class_that_is_not_there(world, node_of, pod_of):
    world.add_nodes(node_of("n1"))
    put(world, resourceclaim.KIND, a_claim())
    why = world.why_not(pod_of("p", **claiming("c")))
    assert why == "0/1 nodes are available: request r: device class gpu does not exist."


def test_claims_that_have_devices_draw_the_pod(two_nodes, pod_of):
    put(two_nodes, resourceclaim.KIND, a_claim(allocation=an_allocation("n2"), reserved=(OTHER,)))
    assert two_nodes.feasible(pod_of("p", **claiming("c"))) == ["n2"]


@pytest.mark.parametrize(
    ("reserved", "message"),
    [
        ((), "deallocation of ResourceClaim completed"),
        ((OWN,), "deallocation of ResourceClaim completed"),
        ((OTHER,), None),
    ],
)
def test_devices_nobody_uses_are_given_back(two_nodes, pod_of, reserved, message):
    put(two_nodes, resourceclaim.KIND, a_claim(allocation=an_allocation("n3"), reserved=reserved))
    cycle = two_nodes.cycle(pod_of("p", **claiming("c")))
    two_nodes.decider.decide(cycle)
    relief = PLUGIN.relieve(cycle)
    assert (relief and relief.message) == message


def test_what_is_decided_is_taken_at_once(two_nodes, pod_of):
    put(two_nodes, resourceclaim.KIND, a_claim(), a_claim("other"))
    first, second = (two_nodes.cycle(pod_of(name, **claiming(name))) for name in ("c", "other"))
    second.pending = first.pending
    placed = two_nodes.decider.decide(first)
    PLUGIN.reserve(first, placed.node)
    assert two_nodes.decider.decide(second).reasons() == "0/2 nodes are available: 2 cannot allocate all claims."


def test_better_alternatives_score_more():
    request = {"name": "r", "firstAvailable": [{"name": "a"}, {"name": "b"}]}
    claim = {"spec": {"devices": {"requests": [request]}}}
    scores = [points(claim, {"devices": {"results": [{"request": f"r/{name}"}]}}) for name in "ab"]
    assert scores == [8, 7]


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        pytest.param(None, a_claim(), True, id="its own came"),
        pytest.param(None, a_claim("x"), False, id="another came"),
        pytest.param(a_claim("x", an_allocation("n1")), a_claim("x"), True, id="another gave its devices back"),
        pytest.param(a_claim("x"), a_claim("x", an_allocation("n1")), False, id="another got devices"),
        pytest.param(a_claim("x", an_allocation("n1")), None, True, id="one with devices went"),
        pytest.param(a_claim("x"), None, False, id="one without went"),
        pytest.param(a_claim(), a_claim(allocation=an_allocation("n1")), True, id="its own changed"),
        pytest.param(a_claim(), a_claim(), False, id="its own did not"),
    ],
)
def test_claims_that_help(two_nodes, pod_of, old, new, want):
    """`Test_isSchedulableAfterClaimChange`."""
    put(two_nodes, resourceclaim.KIND, a_claim())
    cycle = two_nodes.cycle(pod_of("p", **claiming("c")))
    assert PLUGIN.retry_on[Event.RESOURCE_CLAIM_CHANGED](cycle, old, new) is want


def test_claims_that_templates_make_must_be_the_pods_own(two_nodes, pod_of):
    made = pod_of("p", resourceClaims=[{"name": "c", "resourceClaimTemplateName": "t"}])
    assert two_nodes.why_not(made) == ('0/2 nodes are available: pod "default/p": ResourceClaim not created yet.')
    made["status"] = {"resourceClaimStatuses": [{"name": "c", "resourceClaimName": "made"}]}
    put(two_nodes, resourceclaim.KIND, a_claim("made"))
    assert "was not created for Pod default/p (Pod is not owner)" in two_nodes.why_not(made)
    owned = a_claim("made")
    owned["metadata"]["ownerReferences"] = [{"kind": "Pod", "name": "p", "uid": "uid-p", "controller": True}]
    owned["metadata"]["resourceVersion"] = "2"
    put(two_nodes, resourceclaim.KIND, owned)
    assert two_nodes.feasible(made) == ["n1"]


PREPARED = an_allocation("n1", bindingConditions=["ready"], bindingFailureConditions=["broken"])


def with_condition(type_: str, status: str = "True") -> dict:
    claim = a_claim(allocation={**PREPARED, "allocationTimestamp": "2026-01-01T12:00:00Z"})
    condition = {"type": type_, "status": status, "reason": "R", "message": "M"}
    claim["status"]["devices"] = [{"driver": "d", "pool": "n1", "device": "gpu-0", "conditions": [condition]}]
    return claim


def test_devices_that_drivers_get_ready():
    assert [is_ready(with_condition("ready", status)) for status in ("True", "False")] == [True, False]
    assert not is_ready(a_claim(allocation=PREPARED))
    assert is_ready(a_claim(allocation=an_allocation("n1")))
    with pytest.raises(DeviceFailed, match='claim=c, reason=R, message="M"'):
        is_ready(with_condition("broken"))


@pytest.mark.parametrize(("limit", "late"), [(1, True), (10**9, False)])
def test_drivers_have_their_time(limit, late):
    claim = with_condition("ready", "False")
    claim["status"]["allocation"]["allocationTimestamp"] = "2020-01-01T12:00:00Z"
    assert is_up(claim, limit, NOON) is late


async def create_all(cluster, node_of, *devices: str) -> None:
    await cluster.create(deviceclass.KIND, CLASS)
    await cluster.create(node.KIND, node_of("n1"))
    await cluster.create(resourceslice.KIND, a_slice("n1", *devices))


async def test_a_claim_gets_its_device_and_is_kept_for_the_pod(cluster, scheduling, node_of, pod_of):
    await create_all(cluster, node_of, "gpu-0")
    async with scheduling(cluster):
        await cluster.create(pod.KIND, pod_of("p", **claiming("c")))
        await cluster.clock.advance(5)
        assert await cluster.events("default") == []
        await cluster.create(resourceclaim.KIND, a_claim())
        await cluster.clock.advance(5)
        found = await cluster.client.get(pod.KIND, "p", "default")
        claim = await cluster.client.get(resourceclaim.KIND, "c", "default")
    assert found["spec"]["nodeName"] == "n1"
    assert claim["metadata"]["finalizers"] == ["resource.kubernetes.io/delete-protection"]
    assert claim["status"]["allocation"]["devices"]["results"][0]["device"] == "gpu-0"
    uid = found["metadata"]["uid"]
    assert claim["status"]["reservedFor"] == [{"resource": "pods", "name": "p", "uid": uid}]


async def test_no_device_is_given_twice(cluster, scheduling, node_of, pod_of):
    await create_all(cluster, node_of, "gpu-0", "gpu-1")
    async with scheduling(cluster):
        for i in range(4):
            await cluster.create(resourceclaim.KIND, a_claim(f"c{i}"))
            await cluster.create(pod.KIND, pod_of(f"p{i}", **claiming(f"c{i}")))
        await cluster.clock.advance(5)
        claims = await cluster.list(resourceclaim.KIND, "default")
    results = [(c["status"].get("allocation") or {}).get("devices") for c in claims]
    assert sorted(r["results"][0]["device"] for r in results if r) == ["gpu-0", "gpu-1"]

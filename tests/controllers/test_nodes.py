"""Nodes: address ranges, taints by condition, silence noticed, pods evicted and collected."""

from datetime import timedelta
from typing import Any

import pytest

from umiak.api.coordination.lease import KIND as LEASE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.controllers import node_ipam, node_lifecycle, node_taints, pod_gc, taint_eviction
from umiak.controllers._taints import FOREVER, toleration_seconds
from umiak.controllers._zones import FULL, NORMAL, PARTIAL, Zones, zone_state
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.reconcile.contract import Options
from umiak.testing.workbench import Workbench

NO_EXECUTE = {"key": "out", "effect": "NoExecute"}


def ready(status: str = "True", heartbeat: str = "2026-03-01T12:00:00Z") -> Object:
    return {"conditions": [{"type": "Ready", "status": status, "lastHeartbeatTime": heartbeat}]}


async def add_node(cluster: Workbench, name: str, status: Object | None = None, **about: Any) -> Object:
    return await cluster.create(NODE, {"metadata": {"name": name, **about}}, status=status or ready())


async def add_pod(cluster: Workbench, name: str, node: str = "", phase: str = "Running", **spec: Any) -> Object:
    pod = {"metadata": {"name": name, "namespace": "default"}, "spec": {"nodeName": node, **spec}}
    conditions = [{"type": "Ready", "status": "True" if phase == "Running" else "False"}]
    return await cluster.create(POD, pod, status={"phase": phase, "conditions": conditions})


async def taint(cluster: Workbench, node: str, *taints: Object) -> None:
    await cluster.patch(NODE, node, "", {"spec": {"taints": list(taints)}})


async def taints_of(cluster: Workbench, node: str) -> set[tuple[str, str]]:
    found = await cluster.find(NODE, node) or {}
    taints = (found.get("spec") or {}).get("taints") or ()
    return {(t["key"].removeprefix("node.kubernetes.io/"), t["effect"]) for t in taints}


async def test_each_node_gets_its_own_range() -> None:
    options = Options(cluster_cidrs=("10.244.0.0/22", "fd00::/48"), service_cidrs=("10.244.1.0/24",))
    cluster = Workbench.fake(options=options)
    await cluster.create(NODE, {"metadata": {"name": "old"}, "spec": {"podCIDRs": ["10.244.0.0/24", "fd00::/64"]}})
    async with cluster.running(node_ipam.CONTROLLER):
        for name in ("a", "b", "c"):
            await add_node(cluster, name)
        cidrs = {meta.name(n): (n.get("spec") or {}).get("podCIDRs") for n in await cluster.list(NODE)}
        assert cidrs == {
            "old": ["10.244.0.0/24", "fd00::/64"],
            "a": ["10.244.2.0/24", "fd00:0:0:1::/64"],
            "b": ["10.244.3.0/24", "fd00:0:0:2::/64"],
            "c": None,
        }
        assert ("CIDRNotAvailable", "c", "Node c status is now: CIDRNotAvailable") in await cluster.events()
        await cluster.delete(NODE, "a")
        await cluster.clock.advance(60)
        assert (await cluster.find(NODE, "c") or {})["spec"]["podCIDR"] == "10.244.2.0/24"


async def test_conditions_become_taints() -> None:
    cluster = Workbench.fake()
    async with cluster.running(node_taints.CONTROLLER):
        await add_node(cluster, "a", ready("False"), labels={"kubernetes.io/os": "linux"})
        assert await taints_of(cluster, "a") == {("not-ready", "NoSchedule")}
        assert meta.labels(await cluster.find(NODE, "a") or {})["beta.kubernetes.io/os"] == "linux"
        await cluster.patch(NODE, "a", "", {"spec": {"unschedulable": True}})
        pressed = {"conditions": [*ready()["conditions"], {"type": "DiskPressure", "status": "True"}]}
        await cluster.patch(NODE, "a", "", {"status": pressed}, subresource="status")
        assert await taints_of(cluster, "a") == {("unschedulable", "NoSchedule"), ("disk-pressure", "NoSchedule")}
        await taint(cluster, "a", {"key": "mine", "effect": "NoSchedule"})
        await cluster.patch(NODE, "a", "", {"spec": {"unschedulable": None}})
        assert await taints_of(cluster, "a") == {("mine", "NoSchedule"), ("disk-pressure", "NoSchedule")}


@pytest.fixture
async def watched() -> Any:
    """Three nodes with leases, renewed by calling `beat`."""
    cluster = Workbench.fake()
    for name in ("a", "b", "c"):
        await add_node(cluster, name)
        about = {"name": name, "namespace": "kube-node-lease"}
        await cluster.create(LEASE, {"metadata": about, "spec": {"renewTime": "2026-03-01T12:00:00Z"}})
    async with cluster.running(node_lifecycle.CONTROLLER):
        yield cluster


async def beat(cluster: Workbench, *nodes: str, seconds: int) -> None:
    """Lets time pass while only `nodes` are alive."""
    for _ in range(seconds // 10):
        await cluster.clock.advance(10)
        for name in nodes:
            change = {"spec": {"renewTime": meta.format_micro_time(cluster.clock.now())}}
            await cluster.patch(LEASE, name, "kube-node-lease", change)


async def test_a_silent_node_becomes_unknown_and_is_tainted(watched: Workbench) -> None:
    await add_pod(watched, "web", "a")
    await beat(watched, "b", "c", seconds=50)
    assert await taints_of(watched, "a") == set()
    await beat(watched, "b", "c", seconds=10)
    found = await watched.find(NODE, "a") or {}
    states = {c["type"]: (c["status"], c["reason"]) for c in found["status"]["conditions"]}
    assert states["Ready"] == ("Unknown", "NodeStatusUnknown")
    assert states["PIDPressure"] == ("Unknown", "NodeStatusNeverUpdated")
    assert await taints_of(watched, "a") == {("unreachable", "NoExecute")}
    pod = await watched.find(POD, "web", "default") or {}
    assert pod["status"]["conditions"][0]["status"] == "False"
    assert ("NodeNotReady", "a", "Node a status is now: NodeNotReady") in await watched.events()
    assert ("NodeNotReady", "web", "Node is not ready") in await watched.events("default")


async def test_a_node_that_comes_back_is_freed(watched: Workbench) -> None:
    await beat(watched, "b", "c", seconds=70)
    await watched.patch(NODE, "a", "", {"status": ready(heartbeat="2026-03-01T12:01:10Z")}, subresource="status")
    await beat(watched, "a", "b", "c", seconds=10)
    assert await taints_of(watched, "a") == set()
    assert (await watched.find(NODE, "b") or {})["status"] == ready()


async def test_not_ready_is_swapped_for_unreachable(watched: Workbench) -> None:
    await watched.patch(NODE, "a", "", {"status": ready("False")}, subresource="status")
    await beat(watched, "b", "c", seconds=10)
    assert await taints_of(watched, "a") == {("not-ready", "NoExecute")}
    await beat(watched, "b", "c", seconds=60)
    assert await taints_of(watched, "a") == {("unreachable", "NoExecute")}


async def test_when_all_are_silent_nobody_is_tainted(watched: Workbench) -> None:
    await beat(watched, seconds=120)
    assert [await taints_of(watched, n) for n in "abc"] == [set(), set(), set()]


async def test_coming_and_going_is_told(watched: Workbench) -> None:
    await watched.delete(NODE, "b")
    await watched.clock.advance(5)
    events = await watched.events()
    assert ("RegisteredNode", "a", "Node a event: Registered Node a in Controller") in events
    assert ("RemovingNode", "b", "Node b event: Removing Node b from Controller") in events


@pytest.mark.parametrize(
    ("good", "bad", "state"),
    [(3, 0, NORMAL), (0, 1, FULL), (1, 2, NORMAL), (2, 3, PARTIAL), (5, 3, NORMAL), (0, 0, NORMAL)],
)
def test_zone_state(good: int, bad: int, state: str) -> None:
    assert zone_state([True] * good + [False] * bad) == state


BAD, GOOD = [False], [True]


def taken(zones: Zones, zone: str, begin: int, end: int) -> list[int]:
    """The seconds at which the zone may taint a node, asked every five."""
    return [at for at in range(begin, end, 5) if zones[zone].may_taint(float(at))]


@pytest.mark.parametrize(
    ("members", "turns"),
    [
        pytest.param({"a": GOOD * 9 + BAD}, [0, 10, 20], id="one bad"),
        pytest.param({"a": BAD * 9, "b": GOOD}, [0, 10, 20], id="a whole zone, another is well"),
        pytest.param({"a": GOOD * 4 + BAD * 6, "b": GOOD}, [], id="most of a small zone"),
        pytest.param({"a": GOOD * 20 + BAD * 31, "b": GOOD}, [0], id="most of a large zone"),
    ],
)
def test_zones_set_the_pace(members: dict[str, list[bool]], turns: list[int]) -> None:
    """`node_lifecycle_controller_test.go`: TestMonitorNodeHealthEvictPodsWithDisruption and its zone states."""
    zones = Zones(Options())
    zones.judge(members, -10.0)
    assert taken(zones, "a", 0, 30) == turns


def test_changing_gains_no_turn() -> None:
    """`rate_limited_queue_test.go`, TestSwapLimiter: who waits for a turn waits on with the new pace."""
    zones = Zones(Options())
    zones.judge({"a": GOOD * 9 + BAD}, 0.0)
    assert taken(zones, "a", 0, 5) == [0]
    zones.judge({"a": GOOD * 20 + BAD * 31}, 5.0)
    zones.judge({"a": GOOD * 50 + BAD}, 6.0)
    assert taken(zones, "a", 10, 30) == [20]


def test_the_end_of_full_disruption_is_told_once() -> None:
    zones = Zones(Options())
    steps = [({"a": BAD, "b": BAD}, False), ({"a": BAD, "b": GOOD}, True), ({"a": GOOD, "b": GOOD}, False)]
    assert [zones.judge(members, float(at)) for at, (members, _) in enumerate(steps)] == [told for _, told in steps]


def test_a_zone_without_nodes_that_count_keeps_its_pace() -> None:
    zones = Zones(Options())
    zones.judge({"a": GOOD * 2}, 0.0)
    for _ in range(3):
        zones.judge({"b": GOOD}, 0.0)
    assert taken(zones, "a", 0, 9) == [0]


async def test_who_was_lost_first_is_tainted_first(watched: Workbench) -> None:
    for name in ("c", "b"):
        await watched.patch(NODE, name, "", {"status": ready("False")}, subresource="status")
        await watched.clock.advance(0)
        if name == "c":
            await beat(watched, "a", "b", "c", seconds=10)
    await beat(watched, "a", "b", "c", seconds=10)
    assert await taints_of(watched, "c") == {("not-ready", "NoExecute")}


async def test_eviction_waits_as_long_as_is_tolerated() -> None:
    cluster = Workbench.fake()
    tolerant = [{"key": "out", "operator": "Exists", "tolerationSeconds": 30}]
    await add_node(cluster, "a")
    await add_pod(cluster, "plain", "a")
    await add_pod(cluster, "patient", "a", tolerations=tolerant)
    await add_pod(cluster, "stoic", "a", tolerations=[{"operator": "Exists"}])
    async with cluster.running(taint_eviction.CONTROLLER):
        await taint(cluster, "a", NO_EXECUTE)
        gone = [meta.name(p) for p in await cluster.list(POD) if meta.is_being_deleted(p)]
        assert gone == ["plain"]
        plain = await cluster.find(POD, "plain", "default") or {}
        reasons = [c.get("reason") for c in plain["status"]["conditions"]]
        assert "DeletionByTaintManager" in reasons
        await cluster.clock.advance(29)
        assert not meta.is_being_deleted(await cluster.find(POD, "patient", "default") or {})
        await cluster.clock.advance(1)
        gone = [meta.name(p) for p in await cluster.list(POD) if meta.is_being_deleted(p)]
        assert gone == ["patient", "plain"]
    messages = [message for _, _, message in await cluster.events("default")]
    assert messages == [f"Marking for deletion Pod default/{name}" for name in ("plain", "patient")]


async def test_the_time_of_an_eviction_stays() -> None:
    """`taint_eviction.go`, processPodOnNode: neither a later taint nor the end of the node moves it."""
    cluster = Workbench.fake()
    async with cluster.running(taint_eviction.CONTROLLER):
        await add_node(cluster, "a")
        wishes = [{"key": k, "operator": "Exists", "tolerationSeconds": n} for k, n in (("out", 30), ("soon", 5))]
        for wish in wishes:
            wish["effect"] = "NoExecute"
        await add_pod(cluster, "p", "a", tolerations=wishes)
        await taint(cluster, "a", NO_EXECUTE)
        await cluster.clock.advance(10)
        await taint(cluster, "a", NO_EXECUTE, {"key": "soon", "effect": "NoExecute"})
        await cluster.clock.advance(10)
        await cluster.delete(NODE, "a")
        await cluster.clock.advance(9)
        assert not meta.is_being_deleted(await cluster.find(POD, "p", "default") or {})
        await cluster.clock.advance(2)
        assert meta.is_being_deleted(await cluster.find(POD, "p", "default") or {})
        assert await cluster.events("default") == [
            ("TaintManagerEviction", "p", "Marking for deletion Pod default/p"),
        ]


async def test_taking_the_taint_away_cancels() -> None:
    cluster = Workbench.fake()
    await add_node(cluster, "a")
    await add_pod(cluster, "patient", "a", tolerations=[{"operator": "Exists", "tolerationSeconds": 30}])
    async with cluster.running(taint_eviction.CONTROLLER):
        await taint(cluster, "a", NO_EXECUTE)
        await cluster.clock.advance(20)
        await taint(cluster, "a")
        await cluster.clock.advance(60)
        assert not meta.is_being_deleted(await cluster.find(POD, "patient", "default") or {})
        assert (await cluster.events("default"))[0][2] == "Cancelling deletion of Pod default/patient"


@pytest.mark.parametrize(
    ("toleration", "seconds"),
    [
        ({}, None),
        ({"key": "out"}, FOREVER),
        ({"key": "out", "value": "x"}, None),
        ({"key": "out", "effect": "NoSchedule"}, None),
        ({"operator": "Exists", "tolerationSeconds": 7}, 7),
        ({"operator": "Exists", "tolerationSeconds": -7}, 0),
    ],
)
def test_tolerations(toleration: Object, seconds: int | None) -> None:
    assert toleration_seconds([toleration] if toleration else [], [NO_EXECUTE]) == seconds


async def test_pods_of_lost_nodes_go_after_quarantine() -> None:
    cluster = Workbench.fake()
    await add_node(cluster, "here")
    await add_pod(cluster, "safe", "here")
    await add_pod(cluster, "lost", "nowhere")
    async with cluster.running(pod_gc.CONTROLLER):
        await cluster.clock.advance(39)
        assert len(await cluster.names(POD)) == 2
        await cluster.clock.advance(1)
        assert await cluster.names(POD) == ["safe"]


async def test_out_of_service_ends_what_hangs() -> None:
    cluster = Workbench.fake()
    await add_node(cluster, "dead", ready("Unknown"))
    await taint(cluster, "dead", {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"})
    await add_pod(cluster, "hangs", "dead")
    await cluster.delete(POD, "hangs", "default")
    async with cluster.running(pod_gc.CONTROLLER):
        assert await cluster.names(POD) == []


def test_surplus_takes_evicted_then_oldest() -> None:
    def pod(name: str, created: int, **status: str) -> Object:
        about = {"name": name, "creationTimestamp": f"2026-03-01T12:00:{created:02}Z"}
        return {"metadata": about, "status": {"phase": "Succeeded", **status}}

    evicted, running = pod("evicted", 9, phase="Failed", reason="Evicted"), pod("runs", 0, phase="Running")
    pods = [pod("new", 3), evicted, pod("old", 1), running]
    assert [meta.name(p) for p in pod_gc.surplus(pods, 1)] == ["evicted", "old"]


def test_monitor_grace_is_the_reference_s() -> None:
    assert Options().node_monitor_grace == timedelta(seconds=50)

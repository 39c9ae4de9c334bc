"""Simulated nodes register, renew, run pods to their end, and let them go."""

import re
from datetime import timedelta
from typing import Any

import pytest

from umiak.api.coordination.lease import KIND as LEASE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.clock import NOON
from umiak.testing.simulation import Life, Nodes, Outages, Settings
from umiak.testing.simulation.lives import EXIT_CODE, RUN_SECONDS, next_step
from umiak.testing.simulation.settings import Wrong, read
from umiak.testing.workbench import Workbench


def pod(name: str = "web", node: str = "node-0", about: Object | None = None, **spec: Any) -> Object:
    full = {"nodeName": node, "containers": [{"name": "c", "image": "i"}], **spec}
    return {"metadata": {"name": name, "namespace": "default", **(about or {})}, "spec": full}


async def state(cluster: Workbench, name: str = "web") -> tuple[str, bool]:
    """Phase, and whether it is ready."""
    found = await cluster.find(POD, name, "default") or {}
    status = found.get("status") or {}
    return status.get("phase", ""), any(
        c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()
    )


async def test_nodes_register_and_renew() -> None:
    cluster = Workbench.fake()
    async with cluster.running(*Nodes(Settings(count=3, zones=("a", "b"))).controllers()):
        assert await cluster.names(NODE) == ["node-0", "node-1", "node-2"]
        zones = [meta.labels(n)["topology.kubernetes.io/zone"] for n in await cluster.list(NODE)]
        assert zones == ["a", "b", "a"]
        await cluster.clock.advance(10)
        renewed = {lease["spec"]["renewTime"] for lease in await cluster.list(LEASE)}
        assert min(renewed) > "2026-03-01T12:00:00.5"
        await cluster.delete(LEASE, "node-1", "kube-node-lease")
        await cluster.clock.advance(11)
        assert len(await cluster.list(LEASE)) == 3


async def test_a_slow_server_delays_no_renewal() -> None:
    """Two hundred nodes, each renewed every ten seconds, by a server that takes two for an answer."""
    cluster = Workbench.fake()
    patch, times = cluster.client.patch, list[float]()

    async def slow(kind, *given, **more):
        times.append(cluster.clock.monotonic())
        await cluster.clock.sleep(2)
        return await patch(kind, *given, **more)

    cluster.client.patch = slow  # type: ignore[method-assign]
    async with cluster.running(*Nodes(Settings(count=200)).controllers()):
        await cluster.clock.advance(15)
        times.clear()
        await cluster.clock.advance(20)
    assert 390 <= len(times) <= 410
    assert max(sum(t <= each < t + 1 for each in times) for t in range(15, 35)) <= 22


async def test_nodes_that_are_there_already_are_taken_over() -> None:
    cluster = Workbench.fake()
    await cluster.create(NODE, {"metadata": {"name": "node-0", "labels": {"kept": "yes"}}})
    async with cluster.running(*Nodes(Settings()).controllers()):
        found = await cluster.find(NODE, "node-0") or {}
        assert (meta.labels(found), found["status"]["capacity"]["cpu"]) == ({"kept": "yes"}, "8")


async def test_a_pod_starts_gets_ready_and_goes() -> None:
    cluster = Workbench.fake()
    settings = Settings(life=Life(start_delay=2, ready_delay=3, stop_delay=1))
    async with cluster.running(*Nodes(settings).controllers()):
        await cluster.create(POD, pod())
        await cluster.create(POD, pod("elsewhere", node="real"))
        await cluster.clock.advance(1)
        assert await state(cluster) == ("", False)
        await cluster.clock.advance(1)
        assert await state(cluster) == ("Running", False)
        await cluster.clock.advance(3)
        assert await state(cluster) == ("Running", True)
        assert await state(cluster, "elsewhere") == ("", False)
        await cluster.delete(POD, "web", "default")
        assert await state(cluster) == ("Running", True)
        await cluster.clock.advance(1)
        assert await cluster.names(POD) == ["elsewhere"]


@pytest.mark.parametrize(
    ("policy", "annotations", "phase", "restarts"),
    [
        ("Never", {}, "Succeeded", 0),
        ("Never", {EXIT_CODE: "3"}, "Failed", 0),
        ("Never", {RUN_SECONDS: "never"}, "Running", 0),
        ("Always", {}, "Running", 0),
        ("OnFailure", {}, "Succeeded", 0),
        ("OnFailure", {EXIT_CODE: "1", RUN_SECONDS: "4"}, "Running", 2),
    ],
)
async def test_pods_that_may_end(policy: str, annotations: Object, phase: str, restarts: int) -> None:
    cluster = Workbench.fake()
    async with cluster.running(*Nodes(Settings()).controllers()):
        await cluster.create(POD, pod(about={"annotations": annotations}, restartPolicy=policy))
        await cluster.clock.advance(10)
        found = await cluster.find(POD, "web", "default") or {}
    (container,) = found["status"]["containerStatuses"]
    assert (found["status"]["phase"], container["restartCount"]) == (phase, restarts)


async def test_who_holds_a_pod_by_a_finalizer_sees_its_end() -> None:
    cluster = Workbench.fake()
    async with cluster.running(*Nodes(Settings()).controllers()):
        await cluster.create(POD, pod(about={"finalizers": ["test/hold"]}, restartPolicy="Never"))
        await cluster.delete(POD, "web", "default")
        assert await state(cluster) == ("Failed", False)
        await cluster.patch(POD, "web", "default", {"metadata": {"finalizers": None}})
        await cluster.clock.advance(1)
        assert await cluster.names(POD) == []


def test_readiness_gates_are_waited_for() -> None:
    gated = pod(readinessGates=[{"conditionType": "lb"}])
    gated["status"] = {"phase": "Running", "conditions": [{"type": "ContainersReady", "status": "True"}]}
    assert next_step(gated, Life(), NOON + timedelta(hours=1)) is None


async def test_lives_are_chosen_by_labels() -> None:
    settings = Settings(life=Life(stuck=1.0), lives=(Life(selector="app in (web)", start_delay=5),))
    cluster = Workbench.fake()
    async with cluster.running(*Nodes(settings).controllers()):
        await cluster.create(POD, pod("web", about={"labels": {"app": "web"}}))
        await cluster.create(POD, pod("other"))
        await cluster.clock.advance(5)
        found = await cluster.find(POD, "other", "default") or {}
        (container,) = found["status"]["containerStatuses"]
        assert container["state"]["waiting"]["reason"] == "ImagePullBackOff"
        assert await state(cluster) == ("Running", True)
        assert (await state(cluster, "other"))[1] is False


async def test_a_failing_pod_crashes_again_and_again() -> None:
    """As the kubelet has it: ten seconds of waiting, then twenty."""
    cluster = Workbench.fake()
    async with cluster.running(*Nodes(Settings(life=Life(failing=1.0))).controllers()):
        await cluster.create(POD, pod())
        seen = []
        for seconds in (0, 1, 10, 1, 19, 1):
            await cluster.clock.advance(seconds)
            (container,) = (await cluster.find(POD, "web", "default") or {})["status"]["containerStatuses"]
            seen.append((*container["state"], container["restartCount"]))
        assert seen == [
            ("running", 0),
            ("waiting", 1),
            ("running", 1),
            ("waiting", 2),
            ("waiting", 2),
            ("running", 2),
        ]


async def test_a_node_falls_silent() -> None:
    outages = Outages(share=1.0, every=100, lasts=100)
    assert outages.left("node-0", 0) > 0
    cluster = Workbench.fake()
    async with cluster.running(*Nodes(Settings(outages=outages)).controllers()):
        await cluster.create(POD, pod())
        await cluster.clock.advance(30)
        assert await cluster.list(LEASE) == []
        assert await state(cluster) == ("", False)


async def test_a_pod_that_rests_is_forgotten() -> None:
    nodes, cluster = Nodes(Settings()), Workbench.fake()
    async with cluster.running(*nodes.controllers()):
        await cluster.create(POD, pod())
        await cluster.clock.advance(1)
        assert await state(cluster) == ("Running", True)
        assert nodes.moving is not None and len(nodes.moving) == 0


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        pytest.param({"nodes": "many"}, "Expected `int`, got `str` - at `$.nodes`", id="type"),
        pytest.param({"node": 1}, "Object contains unknown field `node`", id="name"),
        pytest.param({"nodes": -1}, "nodes and pods must not be negative", id="negative"),
        pytest.param({"lives": [{"selector": "a=("}]}, "selector 'a=('", id="selector"),
    ],
)
def test_settings_that_mean_nothing(found: Object, fault: str) -> None:
    with pytest.raises(Wrong, match=re.escape(fault)):
        read(found)


def test_settings_are_read() -> None:
    lives = [{"selector": "a=b", "failing": 0.5}]
    found = read({"nodes": 3, "zones": ["a"], "life": {"startDelay": 2}, "lives": lives})
    assert (found.count, found.zones, found.life.start_delay, found.lives[0].failing) == (3, ("a",), 2, 0.5)

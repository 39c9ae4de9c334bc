"""Simulated nodes register, renew, run pods to their end, and let them go."""

from datetime import timedelta
from typing import Any

import pytest

from umiak.api.coordination.lease import KIND as LEASE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.clock import NOON
from umiak.testing.simulated_nodes import EXIT_CODE, RUN_SECONDS, Nodes, Settings, next_step
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


async def test_nodes_that_are_there_already_are_taken_over() -> None:
    cluster = Workbench.fake()
    await cluster.create(NODE, {"metadata": {"name": "node-0", "labels": {"kept": "yes"}}})
    async with cluster.running(*Nodes(Settings()).controllers()):
        found = await cluster.find(NODE, "node-0") or {}
        assert (meta.labels(found), found["status"]["capacity"]["cpu"]) == ({"kept": "yes"}, "8")


async def test_a_pod_starts_gets_ready_and_goes() -> None:
    cluster = Workbench.fake()
    settings = Settings(start_delay=2, ready_delay=3, stop_delay=1)
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
    assert next_step(gated, Settings(), NOON + timedelta(hours=1)) is None

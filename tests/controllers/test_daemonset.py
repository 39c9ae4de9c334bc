"""DaemonSet: one pod on each node that suits, replaced a few at a time."""

import json
from typing import Any

import pytest

from umiak.api.apps import controllerrevision, daemonset
from umiak.api.core import node, pod
from umiak.controllers import _daemons as daemons
from umiak.controllers._revisions import template_patch
from umiak.controllers.daemonset import CONTROLLER
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.clock import NOON

LABELS = {"app": "agent"}


def a_template(image: str = "agent:1", **spec: Any) -> Object:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def a_daemonset(image: str = "agent:1", pod_spec: Object | None = None, **spec: Any) -> Object:
    spec = {"selector": {"matchLabels": LABELS}, "template": a_template(image, **(pod_spec or {})), **spec}
    return {"metadata": {"name": "agent", "namespace": "default"}, "spec": spec}


def where(pods: list[Object]) -> list[str]:
    return sorted(daemons.target_node(p) for p in pods)


async def start(world: Any, count: int = 3) -> None:
    for number in range(count):
        await world.add_node(f"n{number}")


async def run(world: Any) -> None:
    """Puts each pod on the node it was made for, ready; ends those being deleted."""
    for name in await world.names(pod.KIND):
        found = await world.find(pod.KIND, name, "default")
        if found is None:
            continue
        if meta.is_being_deleted(found):
            await world.end_pod(name)
        elif (found.get("status") or {}).get("phase") in (None, "Pending"):
            await world.set_pod(name, "Running", ready=True, on=daemons.target_node(found))


async def test_one_pod_for_each_node(world: Any) -> None:
    async with world.running(CONTROLLER):
        await start(world)
        await world.make(daemonset.KIND, a_daemonset())
        await world.clock.advance(0)
        pods = await world.pods()
        assert where(pods) == ["n0", "n1", "n2"]
        assert pods[0]["spec"]["affinity"] == daemons.affinity_to(None, daemons.target_node(pods[0]))
        tolerated = {(t["key"], t["effect"]) for t in pods[0]["spec"]["tolerations"]}
        assert ("node.kubernetes.io/not-ready", "NoExecute") in tolerated
        assert ("node.kubernetes.io/unschedulable", "NoSchedule") in tolerated
        await run(world)
        found = await world.get(daemonset.KIND, "agent")
        assert found["status"] == {
            "currentNumberScheduled": 3,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 3,
            "numberReady": 3,
            "updatedNumberScheduled": 3,
            "numberAvailable": 3,
            "observedGeneration": 1,
        }
        [revision] = await world.list(controllerrevision.KIND)
        assert revision["revision"] == 1
        assert meta.name(revision) == f"agent-{meta.labels(revision)['controller-revision-hash']}"
        assert {meta.labels(p)["controller-revision-hash"] for p in pods} == {
            meta.labels(revision)["controller-revision-hash"]
        }
        assert revision["data"]["spec"]["template"]["$patch"] == "replace"


async def test_follows_nodes(world: Any) -> None:
    async with world.running(CONTROLLER):
        await start(world, 1)
        await world.make(daemonset.KIND, a_daemonset(pod_spec={"nodeSelector": {"disk": "ssd"}}))
        await world.clock.advance(0)
        assert await world.pods() == []
        await world.change(node.KIND, "n0", {"metadata": {"labels": {"disk": "ssd"}}})
        assert where(await world.pods()) == ["n0"]
        await world.change(node.KIND, "n0", {"metadata": {"labels": {"disk": "hdd"}}})
        assert await world.pods() == []


async def test_a_status_of_a_node_wakes_nobody(world: Any) -> None:
    async with world.running(CONTROLLER):
        await start(world, 1)
        await world.make(daemonset.KIND, a_daemonset())
        await run(world)
        before = list(world.calls)
        found = await world.get(node.KIND, "n0")
        await world.client.update(node.KIND, {**found, "status": {"phase": "x"}}, subresource="status")
        await world.clock.advance(1)
        assert world.calls[len(before) :] == [("update", "Node")]


async def test_rolling_update_one_node_at_a_time(world: Any) -> None:
    async with world.running(CONTROLLER):
        await start(world)
        await world.make(daemonset.KIND, a_daemonset())
        await run(world)
        await world.change(daemonset.KIND, "agent", {"spec": {"template": a_template("agent:2")}})
        for _ in range(8):
            ready = [p for p in await world.pods() if not meta.is_being_deleted(p)]
            assert len(ready) >= 2
            await run(world)
        images = {p["spec"]["containers"][0]["image"] for p in await world.pods()}
        assert images == {"agent:2"}
        assert where(await world.pods()) == ["n0", "n1", "n2"]
        assert [r["revision"] for r in await world.list(controllerrevision.KIND)] in ([1, 2], [2, 1])


async def test_going_back_renumbers_the_old_revision(world: Any) -> None:
    """What `kubectl rollout undo daemonset` does: it applies the revision's patch."""
    async with world.running(CONTROLLER):
        await start(world, 1)
        await world.make(daemonset.KIND, a_daemonset())
        for version in (2, 1):
            await world.change(daemonset.KIND, "agent", {"spec": {"template": a_template(f"agent:{version}")}})
        images = {
            r["data"]["spec"]["template"]["spec"]["containers"][0]["image"]: r["revision"]
            for r in await world.list(controllerrevision.KIND)
        }
        assert images == {"agent:1": 3, "agent:2": 2}


async def test_on_delete_waits_for_the_user(world: Any) -> None:
    async with world.running(CONTROLLER):
        await start(world, 1)
        await world.make(daemonset.KIND, a_daemonset(updateStrategy={"type": "OnDelete"}))
        await run(world)
        await world.change(daemonset.KIND, "agent", {"spec": {"template": a_template("agent:2")}})
        [old] = await world.pods()
        assert old["spec"]["containers"][0]["image"] == "agent:1"
        await world.end_pod(meta.name(old))
        [new] = await world.pods()
        assert new["spec"]["containers"][0]["image"] == "agent:2"


async def test_failed_pods_are_replaced_ever_more_slowly(world: Any) -> None:
    async with world.running(CONTROLLER):
        await start(world, 1)
        await world.make(daemonset.KIND, a_daemonset())
        await world.clock.advance(0)
        [first] = await world.pods()
        await world.set_pod(meta.name(first), "Failed", on="n0")
        await run(world)
        [second] = await world.pods()
        assert meta.uid(second) != meta.uid(first)
        await world.set_pod(meta.name(second), "Failed", on="n0")
        assert not meta.is_being_deleted((await world.pods())[0])
        await world.clock.advance(1)
        assert meta.is_being_deleted((await world.pods())[0])
        message = f"Found failed daemon pod default/{meta.name(first)} on node n0, will try to kill it"
        assert f"FailedDaemonPod: {message}" in await world.told()


# The pure parts


def a_node(name: str = "n", labels: dict[str, str] | None = None, *taints: Object, **spec: Any) -> Object:
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"taints": list(taints), **spec}}


def taint(key: str, effect: str) -> Object:
    return {"key": key, "effect": effect}


def required(**term: Any) -> Object:
    needed = {"nodeSelectorTerms": [term]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": needed}}}


def expression(key: str, operator: str, *values: str) -> Object:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("pod_spec", "node", "expected"),
    [
        pytest.param({}, a_node(), (True, True), id="plain"),
        pytest.param({}, a_node("n", {}, taint("k", "NoSchedule")), (False, True), id="tainted: may stay"),
        pytest.param({}, a_node("n", {}, taint("k", "NoExecute")), (False, False), id="tainted: must go"),
        pytest.param(
            {}, a_node("n", {}, taint("node.kubernetes.io/unreachable", "NoExecute")), (True, True), id="in trouble"
        ),
        pytest.param(
            {},
            a_node("n", {}, taint("node.kubernetes.io/network-unavailable", "NoSchedule")),
            (False, True),
            id="no net",
        ),
        pytest.param(
            {"hostNetwork": True},
            a_node("n", {}, taint("node.kubernetes.io/network-unavailable", "NoSchedule")),
            (True, True),
            id="no net needed",
        ),
        pytest.param({"nodeName": "other"}, a_node(), (False, False), id="wants another node"),
        pytest.param({"nodeSelector": {"a": "b"}}, a_node("n", {"a": "b"}), (True, True), id="selected"),
        pytest.param(
            required(matchExpressions=[expression("a", "In", "b")]), a_node("n", {"a": "c"}), (False, False), id="In"
        ),
        pytest.param(
            required(matchExpressions=[expression("a", "Gt", "3")]), a_node("n", {"a": "4"}), (True, True), id="Gt"
        ),
        pytest.param(
            required(matchFields=[expression("metadata.name", "In", "n")]), a_node("n"), (True, True), id="field"
        ),
        pytest.param(required(), a_node(), (False, False), id="an empty term matches nothing"),
    ],
)
def test_fits(pod_spec: Object, node: Object, expected: tuple[bool, bool]) -> None:
    assert daemons.fits(a_daemonset(pod_spec=pod_spec), node) == expected


def a_pod(node: str, hash: str, *, ready: bool = True, name: str = "") -> Object:
    about = {"name": name or f"{node}-{hash}", "uid": f"{node}-{hash}", "namespace": "default"}
    about |= {"labels": {"controller-revision-hash": hash}, "creationTimestamp": "2026-01-01T00:00:00Z"}
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    return {"metadata": about, "spec": {"nodeName": node}, "status": {"phase": "Running", "conditions": conditions}}


def snapshot(pods: list[Object], nodes: int = 4, **rolling: Any) -> daemons.Snapshot:
    ds = a_daemonset(updateStrategy={"type": "RollingUpdate", "rollingUpdate": rolling})
    return daemons.Snapshot(ds, [a_node(f"n{i}") for i in range(nodes)], pods, "new", NOON)


@pytest.mark.parametrize(
    ("unavailable", "pods", "deleted"),
    [
        pytest.param(1, ["old", "old", "old", "old"], ["n0"], id="one"),
        pytest.param("50%", ["old", "old", "old", "old"], ["n0", "n1"], id="half"),
        pytest.param(1, ["new", "old", "old", "old"], ["n1"], id="next"),
        pytest.param(1, ["new!", "old", "old", "old"], [], id="waits"),
        pytest.param(1, ["new!", "old", "old!", "old"], ["n2"], id="a broken old one goes all the same"),
        pytest.param(1, ["new", "new", "new", "new"], [], id="done"),
    ],
)
def test_one_step_in_place(unavailable: Any, pods: list[str], deleted: list[str]) -> None:
    made = [a_pod(f"n{i}", p.strip("!"), ready="!" not in p) for i, p in enumerate(pods)]
    moves = snapshot(made, maxUnavailable=unavailable, maxSurge=0).update()
    assert where(moves.delete) == deleted
    assert moves.create == []


def test_one_step_with_surge() -> None:
    old = [a_pod(f"n{i}", "old") for i in range(4)]
    moves = snapshot(old, maxSurge=2, maxUnavailable=0).update()
    assert (moves.create, moves.delete) == (["n0", "n1"], [])
    both = [*old, a_pod("n0", "new"), a_pod("n1", "new", ready=False)]
    look = snapshot(both, maxSurge=2, maxUnavailable=0)
    assert look.update().create == ["n2"]
    assert [meta.name(p) for p in look.update().delete] == ["n0-old"]


def test_revisions_are_written_as_the_reference_compares_them() -> None:
    """Upstream: Daemon set should update pod when spec was updated; daemon/update.go, Match: byte by byte."""
    containers = [{"name": "c", "image": "i"}]
    spec = {"template": {"spec": {"containers": containers}, "metadata": {"labels": {"b": "1", "a": "2"}}}}
    wanted = (
        '{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"a":"2","b":"1"}},'
        '"spec":{"containers":[{"image":"i","name":"c"}]}}}}'
    )
    assert json.dumps(template_patch({"spec": spec}), separators=(",", ":")) == wanted


def test_twins_on_a_node_go() -> None:
    older, younger = a_pod("n0", "new", name="a"), a_pod("n0", "new", name="b")
    younger["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    assert snapshot([younger, older], nodes=1, maxUnavailable=1).place().delete == [younger]


def test_pods_for_nodes_that_are_gone() -> None:
    waiting = a_pod("gone", "new")
    waiting["spec"] = {"affinity": daemons.affinity_to(None, "gone")}
    assert snapshot([waiting], nodes=0, maxUnavailable=1).place().delete == [waiting]

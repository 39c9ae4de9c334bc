"""Deployment: rollouts step by step, with the numbers and words of kube-controller-manager."""

from typing import Any

import pytest

from umiak.api.apps import deployment, replicaset
from umiak.api.core import pod
from umiak.controllers import replicaset as replicaset_controller
from umiak.controllers.deployment import CONTROLLER, Plan, decide
from umiak.objects import meta
from umiak.objects.errors import forbidden
from umiak.objects.types import Object
from umiak.testing.clock import NOON

LABELS = {"app": "web"}


def a_template(image: str = "web:1") -> Object:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "web", "image": image}]}}


def a_deployment(replicas: int = 3, image: str = "web:1", **spec: Any) -> Object:
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": a_template(image), **spec}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


def image(name: str) -> Object:
    """The patch that starts a rollout; the fake server merges lists by replacing them."""
    return {"spec": {"template": a_template(name)}}


def by_image(sets: list[Object]) -> dict[str, Object]:
    return {rs["spec"]["template"]["spec"]["containers"][0]["image"]: rs for rs in sets}


def conditions(obj: Object) -> dict[str, tuple[str, str, str]]:
    found = obj["status"].get("conditions") or []
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in found}


def both(world: Any) -> Any:
    return world.running(CONTROLLER, replicaset_controller.CONTROLLER)


async def roll(world: Any, rounds: int = 12) -> None:
    for _ in range(rounds):
        await world.run_pods()


async def test_first_rollout(world: Any) -> None:
    async with both(world):
        await world.make(deployment.KIND, a_deployment(3, progressDeadlineSeconds=600))
        await world.clock.advance(0)
        [rs] = await world.list(replicaset.KIND)
        template_hash = meta.labels(rs)["pod-template-hash"]
        assert meta.name(rs) == f"web-{template_hash}"
        assert set(template_hash) <= set("bcdfghjklmnpqrstvwxz2456789")
        assert rs["spec"]["selector"] == {"matchLabels": {**LABELS, "pod-template-hash": template_hash}}
        assert rs["metadata"]["annotations"] == {
            "deployment.kubernetes.io/revision": "1",
            "deployment.kubernetes.io/desired-replicas": "3",
            "deployment.kubernetes.io/max-replicas": "4",
        }
        before = await world.get(deployment.KIND, "web")
        progressing = ("True", "ReplicaSetUpdated", f'ReplicaSet "{meta.name(rs)}" is progressing.')
        assert conditions(before)["Progressing"] == progressing
        assert meta.annotations(before)["deployment.kubernetes.io/revision"] == "1"
        await world.run_pods()
        after = await world.get(deployment.KIND, "web")
        assert conditions(after) == {
            "Available": ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
            "Progressing": (
                "True",
                "NewReplicaSetAvailable",
                f'ReplicaSet "{meta.name(rs)}" has successfully progressed.',
            ),
        }
        counts = {k: v for k, v in after["status"].items() if k != "conditions"}
        assert counts == {
            "observedGeneration": 1,
            "replicas": 3,
            "updatedReplicas": 3,
            "readyReplicas": 3,
            "availableReplicas": 3,
            "terminatingReplicas": 0,
        }
        told = [t for t in await world.told() if t.startswith("Scaling")]
        assert told == [f"ScalingReplicaSet: Scaled up replica set {meta.name(rs)} from 0 to 3"]


async def test_thirty_pods_cost_few_calls(world: Any) -> None:
    async with both(world):
        await world.make(deployment.KIND, a_deployment(30))
        await world.clock.advance(0)
        assert world.calls.count(("create", "ReplicaSet")) == 1
        assert world.calls.count(("update", "Deployment")) <= 3
        assert world.calls.count(("update", "ReplicaSet")) <= 2


async def test_rolling_update_keeps_its_promises(world: Any) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    async with both(world):
        await world.make(deployment.KIND, a_deployment(4, strategy=strategy))
        await roll(world, 2)
        await world.change(deployment.KIND, "web", image("web:2"))
        for _ in range(20):
            pods = [p for p in await world.pods() if not meta.is_being_deleted(p)]
            ready = [p for p in pods if (p.get("status") or {}).get("phase") == "Running"]
            assert len(pods) <= 5
            assert len(ready) >= 3
            waiting = [p for p in pods if p not in ready]
            if waiting:
                await world.set_pod(meta.name(waiting[0]), "Running", ready=True)
            for gone in [p for p in await world.pods() if meta.is_being_deleted(p)]:
                await world.end_pod(meta.name(gone))
        sets = by_image(await world.list(replicaset.KIND))
        assert sets["web:1"]["spec"]["replicas"] == 0
        assert sets["web:2"]["spec"]["replicas"] == 4
        assert meta.annotations(sets["web:2"])["deployment.kubernetes.io/revision"] == "2"


async def test_recreate_waits_for_the_end_of_old_pods(world: Any) -> None:
    async with both(world):
        await world.make(deployment.KIND, a_deployment(2, strategy={"type": "Recreate"}))
        await roll(world, 2)
        old = await world.names(pod.KIND)
        await world.change(deployment.KIND, "web", image("web:2"))
        assert all(map(meta.is_being_deleted, await world.pods()))
        await world.end_pod(old[0])
        assert await world.names(pod.KIND) == [old[1]]
        assert len(await world.list(replicaset.KIND)) == 1
        await world.end_pod(old[1])
        assert len(await world.names(pod.KIND)) == 2
        assert set(by_image(await world.list(replicaset.KIND))) == {"web:1", "web:2"}


async def test_going_back_gives_the_old_set_a_new_number(world: Any) -> None:
    """What `kubectl rollout undo` does: it patches the old template back."""
    async with both(world):
        await world.make(deployment.KIND, a_deployment(1))
        await roll(world)
        await world.change(deployment.KIND, "web", image("web:2"))
        await roll(world)
        await world.change(deployment.KIND, "web", image("web:1"))
        await roll(world)
        sets = by_image(await world.list(replicaset.KIND))
        first = meta.annotations(sets["web:1"])
        assert first["deployment.kubernetes.io/revision"] == "3"
        assert first["deployment.kubernetes.io/revision-history"] == "1"
        assert [sets[i]["spec"]["replicas"] for i in ("web:1", "web:2")] == [1, 0]


async def test_old_sets_go_beyond_the_history_limit(world: Any) -> None:
    async with both(world):
        await world.make(deployment.KIND, a_deployment(1, revisionHistoryLimit=1))
        for version in range(1, 5):
            await world.change(deployment.KIND, "web", image(f"web:{version}"))
            await roll(world)
        assert set(by_image(await world.list(replicaset.KIND))) == {"web:3", "web:4"}


async def test_a_paused_deployment_scales_but_does_not_roll(world: Any) -> None:
    async with both(world):
        await world.make(deployment.KIND, a_deployment(2, progressDeadlineSeconds=600))
        await roll(world)
        await world.change(deployment.KIND, "web", {"spec": {"paused": True, "replicas": 3, **image("web:2")["spec"]}})
        found = await world.get(deployment.KIND, "web")
        assert conditions(found)["Progressing"] == ("Unknown", "DeploymentPaused", "Deployment is paused")
        [rs] = await world.list(replicaset.KIND)
        assert rs["spec"]["replicas"] == 3
        await world.change(deployment.KIND, "web", {"spec": {"paused": False}})
        await roll(world)
        assert by_image(await world.list(replicaset.KIND))["web:2"]["spec"]["replicas"] == 3


async def test_a_stuck_rollout_is_reported_after_its_deadline(world: Any) -> None:
    async with both(world):
        await world.make(deployment.KIND, a_deployment(1, progressDeadlineSeconds=60))
        await world.clock.advance(59)
        assert conditions(await world.get(deployment.KIND, "web"))["Progressing"][1] != "ProgressDeadlineExceeded"
        await world.clock.advance(3)
        [rs] = await world.list(replicaset.KIND)
        late = ("False", "ProgressDeadlineExceeded", f'ReplicaSet "{meta.name(rs)}" has timed out progressing.')
        assert conditions(await world.get(deployment.KIND, "web"))["Progressing"] == late


async def test_a_refused_replica_set_is_told(world: Any) -> None:
    def refuse(verb: str, kind: Any, obj: Object) -> Any:
        return forbidden("apps", "replicasets", "x", "no") if (verb, kind.kind) == ("create", "ReplicaSet") else None

    world.refuse = refuse
    async with both(world):
        await world.make(deployment.KIND, a_deployment(1, progressDeadlineSeconds=600))
        await world.clock.advance(0)
        status, reason, message = conditions(await world.get(deployment.KIND, "web"))["Progressing"]
        assert (status, reason) == ("False", "ReplicaSetCreateError")
        assert message.startswith('Failed to create new replica set "web-')
        assert message.endswith('replicasets.apps "x" is forbidden: no')
        assert f"ReplicaSetCreateError: {message}" in await world.told()


async def test_a_hash_collision_takes_another_name(world: Any) -> None:
    async with both(world):
        await world.make(deployment.KIND, a_deployment(1))
        [rs] = await world.list(replicaset.KIND)
    squatter = {**a_deployment()["spec"], "template": a_template("other")}
    del squatter["replicas"]
    await world.client.delete(deployment.KIND, "web", "default")
    await world.client.delete(replicaset.KIND, meta.name(rs), "default")
    labels = {"other": "labels"}
    about = {"name": meta.name(rs), "namespace": "default", "labels": labels}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": a_template("other")}
    await world.make(replicaset.KIND, {"metadata": about, "spec": spec})
    async with both(world):
        await world.make(deployment.KIND, a_deployment(1))
        await world.clock.advance(10)
        assert (await world.get(deployment.KIND, "web"))["status"]["collisionCount"] == 1
        assert len(await world.list(replicaset.KIND)) == 2


# The pure step


def a_set(name: str, image: str, size: int, available: int, number: int, desired: int = 10, most: int = 13) -> Object:
    template = a_template(image)
    notes = {
        "deployment.kubernetes.io/revision": str(number),
        "deployment.kubernetes.io/desired-replicas": str(desired),
        "deployment.kubernetes.io/max-replicas": str(most),
    }
    about = {"name": name, "namespace": "default", "uid": name, "annotations": notes, "generation": 1}
    about["creationTimestamp"] = f"2026-01-0{number}T00:00:00Z"
    counts = {"replicas": size, "readyReplicas": available, "availableReplicas": available, "observedGeneration": 1}
    spec = {"replicas": size, "selector": {"matchLabels": LABELS}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": about, "spec": spec, "status": counts}


def step(found: Object, *sets: Object, old_pods_left: bool = False) -> Plan:
    found = {"apiVersion": "apps/v1", "kind": "Deployment", **found}
    found["metadata"] = {"uid": "d", "generation": 1, **found["metadata"]}
    return decide(found, sets, old_pods_left, NOON)


def sizes(plan: Plan) -> dict[str, int]:
    return {meta.name(rs): rs["spec"]["replicas"] for rs in plan.update.values()}


ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}


def ten(image: str = "web:2", replicas: int = 10, **spec: Any) -> Object:
    return a_deployment(replicas, image, strategy=ROLLING, **spec)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param((10, 10), (0, 0), {"new": 3}, id="grows by the surge"),
        pytest.param((10, 10), (3, 0), {"old": 8}, id="shrinks by what may be unavailable"),
        pytest.param((8, 8), (3, 0), {"new": 5}, id="fills the room"),
        pytest.param((8, 8), (5, 0), {}, id="waits while new pods are not available"),
        pytest.param((8, 8), (5, 3), {"old": 5}, id="follows new pods that are available"),
        pytest.param((8, 5), (5, 0), {}, id="old pods that fail leave no room either"),
        pytest.param((8, 4), (5, 4), {"old": 4}, id="old pods that are not available go first"),
        pytest.param((1, 1), (10, 10), {"old": 0}, id="the last ones"),
        pytest.param((8, 10), (5, 5), {"old": 3}, id="pods on their way out are not given up again (found by chaos)"),
    ],
)
def test_one_step_of_a_rolling_update(old: tuple[int, int], new: tuple[int, int], expected: dict[str, int]) -> None:
    plan = step(ten(), a_set("old", "web:1", *old, 1), a_set("new", "web:2", *new, 2))
    assert sizes(plan) == expected


def test_all_at_once_and_another_size_do_not_wait_for_each_other() -> None:
    """Found by chaos: the reference scales no sets of such a Deployment, and does nothing else before they are."""
    found = a_deployment(3, "web:2", strategy={"type": "Recreate"})
    plan = step(found, a_set("old", "web:1", 4, 4, 1, 5, 6), a_set("new", "web:2", 2, 2, 2, 5, 6), old_pods_left=True)
    assert sizes(plan) == {"old": 0}


def test_scaling_to_the_size_that_the_old_set_has_amid_a_rollout_does_not_end_it() -> None:
    """Found by chaos: a set that is noted for another size, but has the right one, looked scaled for ever."""
    old, new = a_set("old", "web:1", 8, 8, 1, desired=10), a_set("new", "web:2", 0, 0, 2, desired=10)
    [noted] = step(ten(replicas=8), old, new).update.values()
    assert (meta.name(noted), noted["spec"]["replicas"]) == ("old", 8)
    assert meta.annotations(noted)["deployment.kubernetes.io/desired-replicas"] == "8"
    assert sizes(step(ten(replicas=8), noted, new)) == {"new": 3}


@pytest.mark.parametrize(
    ("replicas", "expected"),
    [
        pytest.param(20, {"old": 14, "new": 9}, id="up: shares as before, the larger takes the rest"),
        pytest.param(5, {"old": 5, "new": 3}, id="down"),
        pytest.param(0, {"old": 0, "new": 0}, id="to nothing"),
    ],
)
def test_scaling_amid_a_rollout_is_proportional(replicas: int, expected: dict[str, int]) -> None:
    plan = step(ten(replicas=replicas), a_set("old", "web:1", 8, 8, 1), a_set("new", "web:2", 5, 5, 2))
    assert sizes(plan) == expected
    assert all(
        meta.annotations(rs)["deployment.kubernetes.io/desired-replicas"] == str(replicas)
        for rs in plan.update.values()
    )


def test_the_first_step_makes_the_replica_set() -> None:
    plan = step(ten("web:1", progressDeadlineSeconds=600))
    assert plan.create is not None
    assert plan.create["spec"]["replicas"] == 10
    created = ("True", "NewReplicaSetCreated", f'Created new replica set "{meta.name(plan.create)}"')
    assert conditions(plan.deployment)["Progressing"] == created


def test_a_saturated_new_set_lets_old_ones_go_when_scaled() -> None:
    old, new = a_set("old", "web:1", 2, 2, 1, desired=9), a_set("new", "web:2", 10, 10, 2)
    assert sizes(step(ten(), old, new)) == {"old": 0}


def test_rollback_by_annotation() -> None:
    found = ten("web:2")
    found["metadata"]["annotations"] = {"deprecated.deployment.rollback.to": "1", "note": "new"}
    old = a_set("old", "web:1", 0, 0, 1)
    old["metadata"]["annotations"]["note"] = "old"
    plan = step(found, old, a_set("new", "web:2", 10, 10, 2))
    assert plan.rewrites_spec
    assert plan.deployment["spec"]["template"] == a_template("web:1")
    assert meta.annotations(plan.deployment)["note"] == "old"
    assert "deprecated.deployment.rollback.to" not in meta.annotations(plan.deployment)
    assert plan.events == [("Normal", "DeploymentRollback", 'Rolled back deployment "web" to revision 1')]


def test_rollback_to_what_is_not_there() -> None:
    found = ten("web:2")
    found["metadata"]["annotations"] = {"deprecated.deployment.rollback.to": "7"}
    plan = step(found, a_set("new", "web:2", 10, 10, 2))
    reason, message = "DeploymentRollbackRevisionNotFound", "Unable to find the revision to rollback to."
    assert plan.events == [("Warning", reason, message)]


def test_the_same_template_is_found_whatever_empty_fields_it_has() -> None:
    rs = a_set("new", "web:1", 10, 10, 1)
    rs["spec"]["template"]["metadata"] |= {"creationTimestamp": None, "annotations": {}}
    rs["spec"]["template"]["metadata"]["labels"] = {**LABELS, "pod-template-hash": "x"}
    plan = step(ten("web:1"), rs)
    assert plan.create is None
    assert plan.update == {}


def test_selecting_everything_is_refused() -> None:
    found = ten()
    found["spec"]["selector"] = {}
    plan = step(found)
    message = "This deployment is selecting all pods. A non-empty selector is required."
    assert plan.events == [("Warning", "SelectingAll", message)]
    assert plan.create is None


def test_two_decisions_from_one_snapshot_are_equal() -> None:
    found, sets = ten(), (a_set("old", "web:1", 8, 8, 1), a_set("new", "web:2", 5, 3, 2))
    first, second = step(found, *sets), step(found, *sets)
    assert sizes(first) == sizes(second)

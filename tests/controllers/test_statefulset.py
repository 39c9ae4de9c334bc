"""StatefulSet: names, order, storage, and updates from the top."""

from typing import Any

import pytest

from umiak.api.apps import controllerrevision, statefulset
from umiak.api.core import persistentvolumeclaim, pod
from umiak.controllers import _stateful as stateful
from umiak.controllers.statefulset import CONTROLLER
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.clock import NOON

LABELS = {"app": "db"}


def a_template(image: str = "db:1") -> Object:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}]}}


def a_claim(name: str = "data") -> Object:
    return {"metadata": {"name": name, "labels": {"own": "label"}}, "spec": {"accessModes": ["ReadWriteOnce"]}}


def a_set(replicas: int = 3, image: str = "db:1", **spec: Any) -> Object:
    base = {"serviceName": "db", "selector": {"matchLabels": LABELS}, "template": a_template(image)}
    return {"metadata": {"name": "db", "namespace": "default"}, "spec": {**base, "replicas": replicas, **spec}}


async def images(world: Any) -> dict[str, str]:
    return {meta.name(p): p["spec"]["containers"][0]["image"] for p in await world.pods()}


async def test_one_after_the_other(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(statefulset.KIND, a_set(2))
        await world.clock.advance(0)
        assert await world.names(pod.KIND) == ["db-0"]
        await world.set_pod("db-0", "Running", ready=False)
        assert await world.names(pod.KIND) == ["db-0"]
        await world.set_pod("db-0", "Running", ready=True)
        assert await world.names(pod.KIND) == ["db-0", "db-1"]
        await world.run_pods()
        made = await world.get(pod.KIND, "db-1")
        assert (made["spec"]["hostname"], made["spec"]["subdomain"]) == ("db-1", "db")
        [revision] = await world.list(controllerrevision.KIND)
        assert meta.labels(made) == {
            **LABELS,
            "statefulset.kubernetes.io/pod-name": "db-1",
            "apps.kubernetes.io/pod-index": "1",
            "controller-revision-hash": meta.name(revision),
        }
        assert (await world.get(statefulset.KIND, "db"))["status"] == {
            "observedGeneration": 1,
            "replicas": 2,
            "readyReplicas": 2,
            "availableReplicas": 2,
            "currentReplicas": 2,
            "updatedReplicas": 2,
            "currentRevision": meta.name(revision),
            "updateRevision": meta.name(revision),
            "collisionCount": 0,
        }
        assert await world.told() == [
            "SuccessfulCreate: Create Pod db-0 in StatefulSet db successful",
            "SuccessfulCreate: Create Pod db-1 in StatefulSet db successful",
        ]


async def test_parallel_makes_all_at_once(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(statefulset.KIND, a_set(3, podManagementPolicy="Parallel", ordinals={"start": 5}))
        await world.clock.advance(0)
        assert await world.names(pod.KIND) == ["db-5", "db-6", "db-7"]


async def test_scales_down_from_the_top_one_by_one(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(statefulset.KIND, a_set(3))
        for _ in range(3):
            await world.run_pods()
        await world.change(statefulset.KIND, "db", {"spec": {"replicas": 1}})
        going = [meta.name(p) for p in await world.pods() if meta.is_being_deleted(p)]
        assert going == ["db-2"]
        await world.end_pod("db-2")
        going = [meta.name(p) for p in await world.pods() if meta.is_being_deleted(p)]
        assert going == ["db-1"]


async def test_updates_from_the_top_and_stops_at_the_partition(world: Any) -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    async with world.running(CONTROLLER):
        await world.make(statefulset.KIND, a_set(3, updateStrategy=rolling))
        for _ in range(3):
            await world.run_pods()
        await world.change(statefulset.KIND, "db", {"spec": {"template": a_template("db:2")}})
        assert [meta.name(p) for p in await world.pods() if meta.is_being_deleted(p)] == ["db-2"]
        for _ in range(6):
            await world.run_pods()
        assert await images(world) == {"db-0": "db:1", "db-1": "db:2", "db-2": "db:2"}
        status = (await world.get(statefulset.KIND, "db"))["status"]
        assert (status["currentReplicas"], status["updatedReplicas"]) == (1, 2)
        assert status["currentRevision"] != status["updateRevision"]
        await world.end_pod("db-0")
        assert (await images(world))["db-0"] == "db:1"
        await world.run_pods()
        await world.change(statefulset.KIND, "db", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
        for _ in range(4):
            await world.run_pods()
        assert set((await images(world)).values()) == {"db:2"}
        status = (await world.get(statefulset.KIND, "db"))["status"]
        assert status["currentRevision"] == status["updateRevision"]


async def test_going_back_takes_up_the_old_revision(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(statefulset.KIND, a_set(1))
        await world.run_pods()
        for version in (2, 1):
            await world.change(statefulset.KIND, "db", {"spec": {"template": a_template(f"db:{version}")}})
            for _ in range(3):
                await world.run_pods()
        numbers = {
            r["data"]["spec"]["template"]["spec"]["containers"][0]["image"]: r["revision"]
            for r in await world.list(controllerrevision.KIND)
        }
        assert numbers == {"db:1": 3, "db:2": 2}
        assert await images(world) == {"db-0": "db:1"}


async def test_a_revision_from_before_a_new_default_is_no_other(world: Any) -> None:
    """`stateful_set_control_test.go`, TestStatefulSetControl_getSetRevisions: StatefulSetSemanticRevisionComparison."""
    async with world.running(CONTROLLER):
        await world.make(statefulset.KIND, a_set(1))
        await world.run_pods()
        [revision] = await world.list(controllerrevision.KIND)
        del revision["data"]["spec"]["template"]["spec"]["schedulerName"]
        await world.client.update(controllerrevision.KIND, revision)
        await world.change(statefulset.KIND, "db", {"metadata": {"annotations": {"a": "b"}}})
        assert [meta.name(r) for r in await world.list(controllerrevision.KIND)] == [meta.name(revision)]
        await world.change(statefulset.KIND, "db", {"spec": {"template": {"spec": {"schedulerName": "mine"}}}})
        assert len(await world.list(controllerrevision.KIND)) == 2


async def test_old_revisions_go_beyond_the_limit(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(statefulset.KIND, a_set(1, revisionHistoryLimit=1))
        for version in range(1, 6):
            await world.change(statefulset.KIND, "db", {"spec": {"template": a_template(f"db:{version}")}})
            for _ in range(3):
                await world.run_pods()
        assert len(await world.list(controllerrevision.KIND)) == 2


async def test_on_delete(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(statefulset.KIND, a_set(1, updateStrategy={"type": "OnDelete"}))
        await world.run_pods()
        await world.change(statefulset.KIND, "db", {"spec": {"template": a_template("db:2")}})
        assert await images(world) == {"db-0": "db:1"}
        await world.end_pod("db-0")
        assert await images(world) == {"db-0": "db:2"}


async def test_claims(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(statefulset.KIND, a_set(1, volumeClaimTemplates=[a_claim()]))
        await world.clock.advance(0)
        made = await world.get(persistentvolumeclaim.KIND, "data-db-0")
        assert meta.labels(made) == {"own": "label", **LABELS}
        assert meta.owners(made) == []
        [volume] = (await world.get(pod.KIND, "db-0"))["spec"]["volumes"]
        assert volume == {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}
        assert (await world.told())[0] == "SuccessfulCreate: Create Claim data-db-0 Pod db-0 in StatefulSet db success"


async def test_claims_go_with_pods_that_are_scaled_away(world: Any) -> None:
    """KEP-1847."""
    policy = {"whenScaled": "Delete", "whenDeleted": "Retain"}
    spec = {"volumeClaimTemplates": [a_claim()], "persistentVolumeClaimRetentionPolicy": policy}
    async with world.running(CONTROLLER):
        await world.make(statefulset.KIND, a_set(2, podManagementPolicy="Parallel", **spec))
        await world.run_pods()
        condemned = await world.get(pod.KIND, "db-1")
        await world.change(statefulset.KIND, "db", {"spec": {"replicas": 1}})
        [owner] = meta.owners(await world.get(persistentvolumeclaim.KIND, "data-db-1"))
        assert (owner["kind"], owner["uid"]) == ("Pod", meta.uid(condemned))
        assert meta.owners(await world.get(persistentvolumeclaim.KIND, "data-db-0")) == []
        await world.end_pod("db-1")
        await world.change(statefulset.KIND, "db", {"spec": {"replicas": 2}})
        await world.clock.advance(5)
        assert await world.names(pod.KIND) == ["db-0"]  # the claim still goes with the old pod
        await world.delete(persistentvolumeclaim.KIND, "data-db-1", "default")
        await world.clock.advance(2)
        assert await world.names(pod.KIND) == ["db-0", "db-1"]
        assert "data-db-1" in await world.names(persistentvolumeclaim.KIND)


async def test_failed_pods_are_replaced_under_their_name(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(statefulset.KIND, a_set(1))
        await world.run_pods()
        first = meta.uid(await world.get(pod.KIND, "db-0"))
        await world.set_pod("db-0", "Failed")
        await world.end_pod("db-0")
        assert meta.uid(await world.get(pod.KIND, "db-0")) != first


# The pure parts


def revision(name: str) -> Object:
    template = {**a_template(f"db:{name}"), "$patch": "replace"}
    return {"metadata": {"name": name}, "data": {"spec": {"template": template}}}


def a_pod(number: int, revision: str, *, ready: bool = True, deleting: bool = False) -> Object:
    sts = stored(a_set())
    made = stateful.new_pod(sts, number, revision)
    made["metadata"]["uid"] = f"uid-{number}"
    if deleting:
        made["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    return {**made, "status": {"phase": "Running", "conditions": conditions}}


def stored(sts: Object) -> Object:
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", **sts, "metadata": {**sts["metadata"], "uid": "set"}}


def outdated(pods: list[Object], **spec: Any) -> list[str]:
    sts = stored(a_set(len(pods), **spec))
    decider = stateful.Decider(sts, pods, revision("old"), revision("new"), lambda name: None, NOON)
    return [meta.name(p) for p in decider.decide(0).deletes_for_update]


def limit(value: Any) -> Object:
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": value}}


@pytest.mark.parametrize(
    ("policy", "unavailable", "pods", "expected"),
    [
        pytest.param("OrderedReady", None, "oooo", ["db-3"], id="one by one"),
        pytest.param("OrderedReady", 2, "oooo", ["db-3", "db-2"], id="two at a time"),
        pytest.param("OrderedReady", "50%", "oooo", ["db-3", "db-2"], id="half"),
        pytest.param("OrderedReady", None, "ooon", ["db-2"], id="next"),
        pytest.param("Parallel", 2, "oo!on!", ["db-1"], id="what is broken goes first"),
        pytest.param("Parallel", 1, "ooon!", [], id="waits"),
        pytest.param("Parallel", 1, "nnnn", [], id="done"),
    ],
)
def test_which_pods_to_update(policy: str, unavailable: Any, pods: str, expected: list[str]) -> None:
    """KEP-961."""
    words = pods.replace("!", "! ").replace("o", "o ").replace("n", "n ").replace(" !", "!").split()
    made = [a_pod(i, "old" if w[0] == "o" else "new", ready="!" not in w) for i, w in enumerate(words)]
    assert outdated(made, podManagementPolicy=policy, updateStrategy=limit(unavailable)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("db-0", ("db", 0)), ("a-b-12", ("a-b", 12)), ("db", ("", -1)), ("db-x", ("", -1)), ("db-4294967296", ("db", -1))],
)
def test_parent_and_ordinal(name: str, expected: tuple[str, int]) -> None:
    assert stateful.parent_and_ordinal({"metadata": {"name": name}}) == expected


@pytest.mark.parametrize(
    ("scaled", "deleted", "number", "owners"),
    [
        ("Retain", "Retain", 0, []),
        ("Retain", "Delete", 0, ["StatefulSet"]),
        ("Retain", "Delete", 7, ["StatefulSet"]),
        ("Delete", "Retain", 0, []),
        ("Delete", "Retain", 7, ["Pod"]),
        ("Delete", "Delete", 0, ["StatefulSet"]),
        ("Delete", "Delete", 7, ["Pod"]),
    ],
)
def test_who_owns_a_claim(scaled: str, deleted: str, number: int, owners: list[str]) -> None:
    """KEP-1847."""
    policy = {"whenScaled": scaled, "whenDeleted": deleted}
    sts = stored(a_set(3, persistentVolumeClaimRetentionPolicy=policy))
    owned = {"metadata": {"name": "c", "ownerReferences": [meta.owner_reference(sts)]}}
    for before in ({"metadata": {"name": "c"}}, owned):
        after = stateful.with_due_owners(before, sts, a_pod(number, "new"))
        assert [r["kind"] for r in meta.owners(after)] == owners
        assert stateful.owners_are_right(after, sts, a_pod(number, "new"))

"""ReplicaSet: as many pods as wanted, no more, and the right ones go."""

from typing import Any

import pytest

from umiak.api.apps import replicaset
from umiak.api.core import pod
from umiak.controllers.replicaset import CONTROLLER
from umiak.objects import meta
from umiak.objects.errors import StatusError, forbidden
from umiak.objects.types import Object

LABELS = {"app": "web"}


def a_set(replicas: int = 3, **spec: Any) -> Object:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "web", "image": "web"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template, **spec}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


async def test_makes_pods_and_counts_them(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(replicaset.KIND, a_set(3))
        await world.clock.advance(0)
        assert len(await world.pods()) == 3
        found = await world.get(replicaset.KIND, "web")
        counts = {"replicas": 3, "fullyLabeledReplicas": 3, "observedGeneration": 1, "terminatingReplicas": 0}
        assert found["status"] == counts
        await world.run_pods()
        found = await world.get(replicaset.KIND, "web")
        assert found["status"] == {**counts, "readyReplicas": 3, "availableReplicas": 3}
        owner = meta.controller_of((await world.pods())[0])
        assert owner is not None
        assert owner["uid"] == meta.uid(found)
        names = await world.names(pod.KIND)
        assert sorted(await world.told()) == sorted(f"SuccessfulCreate: Created pod: {n}" for n in names)


async def test_thirty_pods_cost_few_calls(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(replicaset.KIND, a_set(30))
        await world.clock.advance(0)
    assert world.calls.count(("create", "Pod")) == 30
    assert world.calls.count(("update", "ReplicaSet")) == 1


async def test_scaling_down_deletes_those_that_are_not_ready_first(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(replicaset.KIND, a_set(3))
        await world.clock.advance(0)
        names = await world.names(pod.KIND)
        await world.set_pod(names[0], "Running", ready=True)
        await world.set_pod(names[2], "Running", ready=True)
        await world.change(replicaset.KIND, "web", {"spec": {"replicas": 2}})
        assert await world.names(pod.KIND) == [names[0], names[2]]
        assert f"SuccessfulDelete: Deleted pod: {names[1]}" in await world.told()


async def test_replaces_pods_that_end(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(replicaset.KIND, a_set(2))
        await world.clock.advance(0)
        first = (await world.names(pod.KIND))[0]
        await world.set_pod(first, "Failed")
        running = [p for p in await world.pods() if (p.get("status") or {}).get("phase") != "Failed"]
        assert len(running) == 2


async def test_adopts_orphans_and_lets_go_of_strangers(world: Any) -> None:
    orphan = {"metadata": {"name": "orphan", "namespace": "default", "labels": LABELS}, "spec": {"containers": []}}
    async with world.running(CONTROLLER):
        await world.create(pod.KIND, orphan)
        await world.make(replicaset.KIND, a_set(1))
        await world.clock.advance(0)
        assert await world.names(pod.KIND) == ["orphan"]
        assert meta.controller_of(await world.get(pod.KIND, "orphan")) is not None
        await world.change(pod.KIND, "orphan", {"metadata": {"labels": {"app": "other"}}})
        assert meta.controller_of(await world.get(pod.KIND, "orphan")) is None
        assert len(await world.pods()) == 2


async def test_a_refusal_stops_the_batch_and_is_told(world: Any) -> None:
    def refuse(verb: str, kind: Any, obj: Object) -> StatusError | None:
        quota = "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"
        return forbidden("", "pods", "web-x", quota) if (verb, kind.kind) == ("create", "Pod") else None

    world.refuse = refuse
    async with world.running(CONTROLLER):
        await world.make(replicaset.KIND, a_set(30))
        await world.clock.advance(0)
        assert world.calls.count(("create", "Pod")) <= 2
        [condition] = (await world.get(replicaset.KIND, "web"))["status"]["conditions"]
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "ReplicaFailure",
            "True",
            "FailedCreate",
        )
        assert condition["message"].startswith('pods "web-x" is forbidden: exceeded quota')
        world.refuse = lambda verb, kind, obj: None
        await world.clock.advance(60)
        assert len(await world.pods()) == 30
        assert "conditions" not in (await world.get(replicaset.KIND, "web"))["status"]
        assert (await world.told())[0].startswith('FailedCreate: Error creating: pods "web-x" is forbidden')


async def test_available_only_after_min_ready_seconds(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(replicaset.KIND, a_set(1, minReadySeconds=10))
        await world.clock.advance(0)
        await world.run_pods()
        assert "availableReplicas" not in (await world.get(replicaset.KIND, "web"))["status"]
        await world.clock.advance(9)
        assert "availableReplicas" not in (await world.get(replicaset.KIND, "web"))["status"]
        await world.clock.advance(1)
        assert (await world.get(replicaset.KIND, "web"))["status"]["availableReplicas"] == 1


async def test_a_set_that_is_being_deleted_makes_nothing(world: Any) -> None:
    async with world.running(CONTROLLER):
        obj = a_set(2)
        obj["metadata"]["finalizers"] = ["wait"]
        await world.make(replicaset.KIND, obj)
        await world.clock.advance(0)
        await world.delete(replicaset.KIND, "web", "default")
        for name in await world.names(pod.KIND):
            await world.end_pod(name)
        assert await world.pods() == []


@pytest.mark.parametrize("step", [0, 1, 2])
async def test_never_makes_too_many_while_it_scales(world: Any, step: int) -> None:
    async with world.running(CONTROLLER):
        await world.make(replicaset.KIND, a_set(5))
        await world.change(replicaset.KIND, "web", {"spec": {"replicas": 5 + step}})
        await world.clock.advance(30)
        assert world.calls.count(("create", "Pod")) == 5 + step

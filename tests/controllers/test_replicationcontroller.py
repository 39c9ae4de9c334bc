"""ReplicationController: like a ReplicaSet, with a plain map as selector."""

from typing import Any

from umiak.api.core import pod, replicationcontroller
from umiak.controllers.replicationcontroller import CONTROLLER
from umiak.objects import meta
from umiak.objects.types import Object

LABELS = {"app": "web"}


def a_controller(replicas: int) -> Object:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "c"}]}}
    spec = {"replicas": replicas, "selector": LABELS, "template": template}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


async def test_keeps_its_pods(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(replicationcontroller.KIND, a_controller(2))
        await world.run_pods()
        found = await world.get(replicationcontroller.KIND, "web")
        counts = {"replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}
        assert found["status"] == {**counts, "observedGeneration": 1}
        first = (await world.names(pod.KIND))[0]
        owner = meta.controller_of(await world.get(pod.KIND, first))
        assert owner is not None
        assert (owner["apiVersion"], owner["kind"]) == ("v1", "ReplicationController")
        await world.end_pod(first)
        assert len(await world.names(pod.KIND)) == 2

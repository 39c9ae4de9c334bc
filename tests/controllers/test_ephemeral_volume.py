"""Claims of ephemeral volumes come with their pod (KEP-1698)."""

from umiak.api.core import persistentvolumeclaim, pod
from umiak.controllers.ephemeral_volume import CONTROLLER
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.workbench import Workbench

SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def a_pod() -> Object:
    template = {"metadata": {"labels": {"for": "scratch"}}, "spec": SPEC}
    volume = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}
    spec = {"containers": [{"name": "c", "image": "c"}], "volumes": [volume]}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


async def test_a_claim_is_made_and_made_again() -> None:
    async with Workbench.real() as cluster, cluster.running(CONTROLLER):
        made = await cluster.create(pod.KIND, a_pod())
        for _ in range(2):
            claim = await cluster.client.get(persistentvolumeclaim.KIND, "web-scratch", "default")
            assert (meta.controller_of(claim) or {})["uid"] == meta.uid(made)
            assert meta.labels(claim) == {"for": "scratch"}
            about = {"metadata": {"finalizers": None}}
            await cluster.delete(persistentvolumeclaim.KIND, "web-scratch", "default")
            await cluster.patch(persistentvolumeclaim.KIND, "web-scratch", "default", about)


async def test_a_claim_of_somebody_else_is_left_alone() -> None:
    async with Workbench.real() as cluster, cluster.running(CONTROLLER):
        about = {"name": "web-scratch", "namespace": "default"}
        await cluster.create(persistentvolumeclaim.KIND, {"metadata": about, "spec": SPEC})
        await cluster.create(pod.KIND, a_pod())
        await cluster.clock.advance(2)
        text = "PVC default/web-scratch was not created for pod default/web (pod is not owner)"
        assert ("FailedBinding", "web", f"ephemeral volume scratch: {text}") in await cluster.events("default")

"""All controllers of pods together, against the real API server with its defaults, validation and preconditions."""

from typing import Any

import pytest

from umiak.api.apps import deployment, replicaset, statefulset
from umiak.api.batch import job
from umiak.api.core import namespace, persistentvolumeclaim, pod, service, serviceaccount
from umiak.api.discovery import endpointslice
from umiak.controllers import daemonset as daemonsets
from umiak.controllers import deployment as deployments
from umiak.controllers import endpointslice as endpointslices
from umiak.controllers import job as jobs
from umiak.controllers import job_orphans
from umiak.controllers import replicaset as replicasets
from umiak.controllers import statefulset as statefulsets
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.testing.simulation import Nodes, Settings
from umiak.testing.workbench import Workbench

CONTROLLERS = (deployments, replicasets, endpointslices, daemonsets, statefulsets, jobs, job_orphans)
LABELS = {"app": "web"}


def a_template(image: str = "web:1", **more: Any) -> Object:
    return {"metadata": {"labels": LABELS, **more}, "spec": {"containers": [{"name": "web", "image": image}]}}


def named(name: str, spec: Object) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def bind(cluster: Workbench) -> None:
    """What a scheduler would do."""
    for found in await cluster.list(pod.KIND, "default"):
        if found["spec"].get("nodeName") or meta.is_being_deleted(found):
            continue
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta.name(found), "namespace": "default"},
            "target": {"apiVersion": "v1", "kind": "Node", "name": "node-0"},
        }
        await cluster.client.create(
            pod.KIND, binding, namespace="default", name=meta.name(found), subresource="binding"
        )
    await cluster.clock.advance(1)


@pytest.mark.slow
async def test_workloads_of_all_sorts() -> None:
    async with Workbench.real() as cluster:
        nodes = Nodes(Settings(count=1)).controllers()
        async with cluster.running(*(module.CONTROLLER for module in CONTROLLERS), *nodes):
            for kind, obj in (
                (namespace.KIND, {"metadata": {"name": "default"}}),
                (serviceaccount.KIND, {"metadata": {"name": "default", "namespace": "default"}}),
            ):
                try:
                    await cluster.create(kind, obj)
                except StatusError as error:
                    assert error.reason == "AlreadyExists"
            await _deployment(cluster)
            await _statefulset(cluster)
            await _job(cluster)


async def _deployment(cluster: Workbench) -> None:
    await cluster.create(service.KIND, named("web", {"selector": LABELS, "ports": [{"port": 80}]}))
    spec = {"replicas": 3, "selector": {"matchLabels": LABELS}, "template": a_template()}
    await cluster.create(deployment.KIND, named("web", spec))
    await bind(cluster)
    found = await cluster.client.get(deployment.KIND, "web", "default")
    assert found["status"]["availableReplicas"] == 3
    assert meta.annotations(found)["deployment.kubernetes.io/revision"] == "1"
    slices = [s for s in await cluster.list(endpointslice.KIND, "default") if meta.name(s).startswith("web-")]
    assert [len(s["endpoints"]) for s in slices] == [3]
    change = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "web:2"}]}}}}
    await cluster.client.patch(deployment.KIND, "web", "default", change, type="strategic")
    for _ in range(8):
        await bind(cluster)
    images = {p["spec"]["containers"][0]["image"] for p in await cluster.list(pod.KIND, "default")}
    assert images == {"web:2"}
    assert sorted(rs["spec"]["replicas"] for rs in await cluster.list(replicaset.KIND, "default")) == [0, 3]
    found = await cluster.client.get(deployment.KIND, "web", "default")
    assert meta.annotations(found)["deployment.kubernetes.io/revision"] == "2"


async def _statefulset(cluster: Workbench) -> None:
    labels = {"app": "db"}
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    claim["spec"]["resources"] = {"requests": {"storage": "1Gi"}}
    template = {**a_template(), "metadata": {"labels": labels}}
    spec = {"replicas": 2, "serviceName": "db", "selector": {"matchLabels": labels}, "template": template}
    await cluster.create(statefulset.KIND, named("db", {**spec, "volumeClaimTemplates": [claim]}))
    for _ in range(3):
        await bind(cluster)
    found = await cluster.client.get(statefulset.KIND, "db", "default")
    assert found["status"]["availableReplicas"] == 2
    assert await cluster.names(persistentvolumeclaim.KIND, "default") == ["data-db-0", "data-db-1"]


async def _job(cluster: Workbench) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c"}]}}
    await cluster.create(job.KIND, named("work", {"completions": 2, "completionMode": "Indexed", "template": template}))
    for _ in range(4):
        await bind(cluster)
    status = (await cluster.client.get(job.KIND, "work", "default"))["status"]
    assert (status["succeeded"], status["completedIndexes"]) == (2, "0,1")
    assert "completionTime" in status

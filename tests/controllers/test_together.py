"""All controllers at once, with the real API server and simulated nodes. Only the clock is not real."""

from typing import Any

import pytest

from umiak.api.apps.deployment import KIND as DEPLOYMENT
from umiak.api.apps.replicaset import KIND as REPLICA_SET
from umiak.api.batch.job import KIND as JOB
from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.core.pod import KIND as POD
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.api.rbac.clusterrole import KIND as CLUSTER_ROLE
from umiak.cli.controllers import chosen
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Options, Outcome
from umiak.testing.simulation import Nodes, Settings
from umiak.testing.workbench import Workbench

LABELS = {"app": "web"}
POD_SPEC = {"containers": [{"name": "web", "image": "web"}]}


async def _bind(ctx: Context, key: Any) -> Outcome:
    """A scheduler for tests: the first node takes all."""
    pod = ctx.cache.get(POD, key)
    if pod is not None and not pod["spec"].get("nodeName"):
        target = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": key.name, "namespace": key.namespace}}
        target["target"] = {"kind": "Node", "name": "node-0"}
        await ctx.client.create(POD, target, namespace=key.namespace, name=key.name, subresource="binding")
    return DONE


BINDER = Controller(name="binder", watches=POD, reconcile=_bind)


@pytest.fixture
async def cluster() -> Any:
    async with Workbench.real(Options(root_ca="PEM", local_path_root="/local")) as cluster:
        nodes = Nodes(Settings(count=2)).controllers()
        async with cluster.running(*chosen(), *nodes, BINDER):
            await cluster.clock.advance(1)
            yield cluster


def workload(kind: str, **spec: Any) -> Object:
    template = {"metadata": {"labels": LABELS}, "spec": {**POD_SPEC, **spec.pop("pod", {})}}
    version = "batch/v1" if kind == "Job" else "apps/v1"
    about = {"name": "web", "namespace": "default"}
    return {"apiVersion": version, "kind": kind, "metadata": about, "spec": {"template": template, **spec}}


def deployment(replicas: int) -> Object:
    return workload("Deployment", replicas=replicas, selector={"matchLabels": LABELS})


async def test_a_fresh_cluster_settles(cluster: Workbench) -> None:
    accounts = {meta.namespace(a) for a in await cluster.list(SERVICE_ACCOUNT)}
    assert accounts == {"default", "kube-system", "kube-public", "kube-node-lease"}
    assert await cluster.names(CONFIG_MAP, "default") == ["kube-root-ca.crt"]
    cidrs = [n["spec"]["podCIDR"] for n in await cluster.list(NODE)]
    assert sorted(cidrs) == ["10.244.0.0/24", "10.244.1.0/24"]
    admin = await cluster.find(CLUSTER_ROLE, "admin") or {}
    assert len(admin["rules"]) > 10


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_a_deployment_comes_and_goes(cluster: Workbench, propagation: str) -> None:
    await cluster.create(DEPLOYMENT, deployment(3))
    await cluster.clock.advance(1)
    found = await cluster.find(DEPLOYMENT, "web", "default") or {}
    assert found["status"]["availableReplicas"] == 3
    await cluster.delete(DEPLOYMENT, "web", "default", propagation=propagation)
    await cluster.clock.advance(5)
    for kind in (DEPLOYMENT, REPLICA_SET, POD):
        assert await cluster.names(kind) == []


async def test_orphaned_pods_are_found_again(cluster: Workbench) -> None:
    await cluster.create(DEPLOYMENT, deployment(2))
    await cluster.clock.advance(1)
    pods = await cluster.names(POD)
    await cluster.delete(DEPLOYMENT, "web", "default", propagation="Orphan")
    await cluster.clock.advance(1)
    assert await cluster.names(REPLICA_SET)
    await cluster.create(DEPLOYMENT, deployment(2))
    await cluster.clock.advance(1)
    assert await cluster.names(POD) == pods


async def test_a_job_runs_to_its_end(cluster: Workbench) -> None:
    await cluster.create(JOB, workload("Job", pod={"restartPolicy": "Never"}, completions=2))
    await cluster.clock.advance(20)
    found = await cluster.find(JOB, "web", "default") or {}
    assert found["status"]["succeeded"] == 2
    assert [c["type"] for c in found["status"]["conditions"] if c["status"] == "True"][-1] == "Complete"


async def test_a_namespace_goes_with_all_that_is_in_it(cluster: Workbench) -> None:
    await cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    web = deployment(2)
    web["metadata"]["namespace"] = "shop"
    await cluster.create(DEPLOYMENT, web)
    await cluster.clock.advance(1)
    assert len(await cluster.names(POD, "shop")) == 2
    await cluster.delete(NAMESPACE, "shop")
    await cluster.clock.advance(60)
    assert "shop" not in await cluster.names(NAMESPACE)
    assert await cluster.names(POD, "shop") == []


async def test_a_claim_waits_for_its_pod(cluster: Workbench) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    about = {"name": "data", "namespace": "default"}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about, "spec": spec}
    await cluster.create(CLAIM, claim)
    found = await cluster.find(CLAIM, "data", "default") or {}
    assert (found["spec"]["storageClassName"], found["status"]["phase"]) == ("local-path", "Pending")
    chosen_node = {"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "node-1"}}}
    await cluster.patch(CLAIM, "data", "default", chosen_node)
    await cluster.clock.advance(1)
    found = await cluster.find(CLAIM, "data", "default") or {}
    assert found["status"]["phase"] == "Bound"


async def test_an_idle_cluster_writes_nothing_but_leases(cluster: Workbench) -> None:
    await cluster.clock.advance(120)
    before = int((await cluster.client.list(NODE)).resource_version)
    await cluster.clock.advance(60)
    after = int((await cluster.client.list(NODE)).resource_version)
    assert after - before <= 2 * 6 + 6  # two nodes renew every ten seconds; the server has an address lease of its own

"""kr8s: what its guide and examples do, synchronous and asynchronous."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import kr8s
import kr8s.asyncio
import pytest
from kr8s.objects import ConfigMap, CustomResourceDefinition, Deployment, Namespace, Node, Pod, Service, new_class

from umiak.testing.patience import LONG

SECONDS = int(LONG)


def web(namespace: str) -> dict:
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": spec,
    }


@pytest.fixture
def api(kubeconfig: Path) -> "kr8s.Api":
    return kr8s.api(kubeconfig=str(kubeconfig))


@pytest.fixture
def namespace(api: "kr8s.Api") -> Iterator[str]:
    made = Namespace({"metadata": {"name": f"kr8s-{uuid.uuid4().hex[:8]}"}}, api=api)
    made.create()
    yield made.name
    made.delete()


def test_what_there_is(api: "kr8s.Api") -> None:
    assert api.version()["minor"] == "37"
    assert {"pods", "deployments", "events"} <= {kind["name"] for kind in api.api_resources()}
    assert all(isinstance(node, Node) for node in api.get("nodes"))
    assert api.whoami() == "kubernetes-admin"


def test_a_deployment(api: "kr8s.Api", namespace: str) -> None:
    deployment = Deployment(web(namespace), api=api)
    deployment.create()
    deployment.wait("condition=Available", timeout=SECONDS)
    pods = deployment.pods()
    assert len(pods) == 2
    pods[0].wait("condition=Ready", timeout=SECONDS)
    deployment.scale(1)
    assert deployment.replicas == 1
    deployment.label({"tier": "front"})
    deployment.annotate({"why": "because"})
    deployment.patch({"spec": {"paused": True}})
    found = list(api.get("deployments", namespace=namespace, label_selector={"tier": "front"}))
    assert [obj.name for obj in found] == ["web"]
    assert found[0].annotations.why == "because"
    assert found[0].spec.paused
    deployment.delete(propagation_policy="Foreground")
    deployment.wait("delete", timeout=SECONDS)


def test_a_pod_and_its_service(api: "kr8s.Api", namespace: str) -> None:
    meta = {"name": "p", "namespace": namespace, "labels": {"app": "p"}}
    pod = Pod({"metadata": meta, "spec": {"containers": [{"name": "p", "image": "p"}]}}, api=api)
    pod.create()
    pod.wait("condition=Ready", timeout=SECONDS)
    assert pod.ready()
    spec = {"selector": {"app": "p"}, "ports": [{"port": 80}]}
    service = Service({"metadata": {"name": "s", "namespace": namespace}, "spec": spec}, api=api)
    service.create()
    assert [found.name for found in service.ready_pods()] == ["p"]
    pod.delete()


def test_a_watch(api: "kr8s.Api", namespace: str) -> None:
    ConfigMap({"metadata": {"name": "a", "namespace": namespace, "labels": {"mine": "yes"}}}, api=api).create()
    for event, obj in api.watch("configmaps", namespace=namespace, label_selector="mine=yes"):
        if event == "DELETED":
            break
        obj.delete()


def test_a_kind_of_ones_own(api: "kr8s.Api", namespace: str) -> None:
    plural = f"k{uuid.uuid4().hex[:8]}s"
    names = {"plural": plural, "singular": plural[:-1], "kind": plural.title()}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "clients.test", "scope": "Namespaced", "names": names, "versions": [version]}
    definition = CustomResourceDefinition({"metadata": {"name": f"{plural}.clients.test"}, "spec": spec}, api=api)
    definition.create()
    try:
        definition.wait("condition=Established", timeout=SECONDS)
        kind = new_class(kind=plural.title(), plural=plural, version="clients.test/v1", namespaced=True)
        kind({"metadata": {"name": "a", "namespace": namespace}, "spec": {"n": 1}}, api=api).create()
        assert [found.spec.n for found in api.get(f"{plural}.clients.test", namespace=namespace)] == [1]
    finally:
        definition.delete()


async def test_asynchronously(kubeconfig: Path) -> None:
    api = await kr8s.asyncio.api(kubeconfig=str(kubeconfig))
    from kr8s.asyncio.objects import ConfigMap as AsyncConfigMap

    name = f"kr8s-{uuid.uuid4().hex[:8]}"
    config = await AsyncConfigMap({"metadata": {"name": name, "namespace": "default"}, "data": {"a": "1"}}, api=api)
    await config.create()
    await config.patch({"data": {"a": "2"}})
    await config.refresh()
    assert config.data.a == "2"
    assert name in [found.name async for found in api.get("configmaps", namespace="default")]
    await config.delete()
    assert not await config.exists()


def test_errors(api: "kr8s.Api", namespace: str) -> None:
    with pytest.raises(kr8s.NotFoundError):
        Pod.get("none", namespace=namespace, api=api)
    with pytest.raises(kr8s.ServerError) as refused:
        ConfigMap({"metadata": {"name": "Not A Name", "namespace": namespace}}, api=api).create()
    assert refused.value.status["reason"] == "Invalid"

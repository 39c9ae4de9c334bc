"""lightkube: its README's and documentation's uses, in one program each."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from lightkube import ApiError, AsyncClient, Client, KubeConfig, codecs
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Node, Pod, Service
from lightkube.types import CascadeType, PatchType

OBJECTS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: t}
data: {a: "1"}
---
apiVersion: v1
kind: Service
metadata: {name: t}
spec: {selector: {app: t}, ports: [{port: 80}]}
"""


@pytest.fixture
def client(kubeconfig: Path) -> Iterator[Client]:
    settings = KubeConfig.from_file(str(kubeconfig))
    name = f"lightkube-{uuid.uuid4().hex[:8]}"
    with Client(config=settings, namespace=name, field_manager="lightkube", trust_env=False) as made:
        made.create(Namespace(metadata=ObjectMeta(name=name)))
        yield made
        made.delete(Namespace, name)


def web() -> Deployment:
    labels = {"app": "web"}
    pod = PodTemplateSpec(metadata=ObjectMeta(labels=labels), spec=PodSpec([Container(name="web", image="web:1")]))
    spec = DeploymentSpec(replicas=2, selector=LabelSelector(matchLabels=labels), template=pod)
    return Deployment(metadata=ObjectMeta(name="web"), spec=spec)


def test_a_deployment(client: Client) -> None:
    client.create(web())
    ready = client.wait(Deployment, "web", for_conditions=["Available"], raise_for_conditions=["ReplicaFailure"])
    assert ready.status.availableReplicas == 2
    client.patch(Deployment.Scale, "web", {"spec": {"replicas": 1}})
    assert client.get(Deployment.Scale, "web").spec.replicas == 1
    client.patch(Deployment, "web", [{"op": "remove", "path": "/spec/replicas"}], patch_type=PatchType.JSON)
    assert len(list(client.list(Pod, labels={"app": ("web", "other")}))) >= 1
    client.delete(Deployment, "web", cascade=CascadeType.FOREGROUND)


def test_server_side_apply_and_its_conflict(client: Client) -> None:
    config = ConfigMap(metadata=ObjectMeta(name="c"), data={"a": "1"})
    client.apply(config)
    with pytest.raises(ApiError) as refused:
        client.apply(ConfigMap(metadata=ObjectMeta(name="c"), data={"a": "2"}), field_manager="other")
    assert refused.value.status.reason == "Conflict"
    assert client.apply(ConfigMap(metadata=ObjectMeta(name="c"), data={"a": "2"}), force=True).data == {"a": "2"}


def test_objects_come_from_yaml(client: Client) -> None:
    for obj in codecs.load_all_yaml(OBJECTS):
        client.create(obj)
    assert {found.metadata.name for found in client.list(Service)} == {"t"}


def test_a_watch_sees_what_happens(client: Client) -> None:
    client.create(ConfigMap(metadata=ObjectMeta(name="first", labels={"mine": "yes"})))
    seen = []
    for kind, obj in client.watch(ConfigMap, labels={"mine": "yes"}):
        seen.append((kind, obj.metadata.name))
        if len(seen) == 1:
            client.create(ConfigMap(metadata=ObjectMeta(name="second", labels={"mine": "yes"})))
        elif kind == "ADDED":
            client.delete(ConfigMap, "first")
        else:
            break
    assert seen == [("ADDED", "first"), ("ADDED", "second"), ("DELETED", "first")]


def test_a_kind_of_ones_own(client: Client) -> None:
    plural = f"l{uuid.uuid4().hex[:8]}s"
    names = {"plural": plural, "singular": plural[:-1], "kind": plural.title()}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    version["subresources"] = {"status": {}}
    spec = {"group": "clients.test", "scope": "Namespaced", "names": names, "versions": [version]}
    body = {"metadata": {"name": f"{plural}.clients.test"}, "spec": spec}
    client.create(CustomResourceDefinition.from_dict(body))
    try:
        client.wait(CustomResourceDefinition, f"{plural}.clients.test", for_conditions=["Established"])
        kind = create_namespaced_resource("clients.test", "v1", plural.title(), plural)
        client.create(kind(metadata={"name": "a"}, spec={"n": 1}))
        client.patch(kind.Status, "a", {"status": {"seen": True}}, patch_type=PatchType.MERGE)
        assert client.get(kind, "a").status == {"seen": True}
        assert [found.metadata.name for found in client.list(kind)] == ["a"]
    finally:
        client.delete(CustomResourceDefinition, f"{plural}.clients.test")


async def test_many_at_once(kubeconfig: Path) -> None:
    client = AsyncClient(config=KubeConfig.from_file(str(kubeconfig)), field_manager="lightkube", trust_env=False)
    prefix = uuid.uuid4().hex[:8]
    names = [f"{prefix}-{i}" for i in range(20)]
    await asyncio.gather(*(client.create(ConfigMap(metadata=ObjectMeta(name=n, namespace="default"))) for n in names))
    found = {obj.metadata.name async for obj in client.list(ConfigMap, namespace="default", chunk_size=7)}
    assert found >= set(names)
    await asyncio.gather(*(client.delete(ConfigMap, name, namespace="default") for name in names))
    await client.close()


def test_errors(client: Client) -> None:
    with pytest.raises(ApiError) as missing:
        client.get(Node, "no-such-node")
    assert str(missing.value) == 'nodes "no-such-node" not found'
    with pytest.raises(ApiError) as invalid:
        client.create(ConfigMap(metadata=ObjectMeta(name="Not A Name")))
    assert invalid.value.status.reason == "Invalid"
    assert invalid.value.status.details.causes[0].field == "metadata.name"

"""The official Python client: its own integration tests as they ship in its wheel, and what its examples do."""

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException

from umiak.testing import patience

SECONDS = int(patience.LONG)
OUTDATED = (
    # ask for CustomResourceDefinitions of v1beta1, which Kubernetes 1.22 removed
    "test_client.py::TestDynamicClient::test_cluster_custom_resources",
    "test_client.py::TestDynamicClient::test_async_namespaced_custom_resources",
    "test_client.py::TestDynamicClient::test_namespaced_custom_resources",
    # expects of the group apps what its discovery does not have
    "test_discovery.py::TestDiscoverer::test_cache_decoder_resource_and_subresource",
    # applies a Deployment as a Pod
    "client_test.py::TestDynamicClient::test_server_side_apply_api",
)
"""They fail against Kubernetes' own API server too."""
WIDGETS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
data: {a: "1"}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, metadata: {name: two}, stringData: {b: "2"}}
- apiVersion: v1
  kind: Service
  metadata: {name: three}
  spec: {selector: {app: three}, ports: [{port: 80}]}
"""


@pytest.mark.parametrize(
    "module", ["dynamic.test_client", "dynamic.test_discovery", "aio.dynamic.client_test", "aio.dynamic.discovery_test"]
)
def test_its_own_tests(kubeconfig: Path, tmp_path: Path, module: str) -> None:
    found = find_spec(f"kubernetes.{module}")
    assert found is not None
    assert found.origin is not None
    file = Path(found.origin)
    words = [sys.executable, "-m", "pytest", "-p", "official_base", "-p", "no:cacheprovider"]
    words += ["-q", "--import-mode=importlib", f"--rootdir={file.parent}", str(file)]
    words += [f"--deselect={name}" for name in OUTDATED]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=5 * SECONDS)
    assert done.returncode == 0, done.stdout[-10000:]


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(kubeconfig)) as made:
        yield made


@pytest.fixture
def namespace(api: client.ApiClient) -> Iterator[str]:
    core = client.CoreV1Api(api)
    made = core.create_namespace({"metadata": {"generateName": "python-"}})
    until(lambda: core.read_namespaced_service_account("default", made.metadata.name))
    yield made.metadata.name
    core.delete_namespace(made.metadata.name)


def until(is_so: Callable[[], object]) -> None:
    """What is not there yet may come."""

    def look() -> object:
        try:
            return is_so()
        except ApiException as error:
            if error.status != 404:
                raise
        return False

    patience.until(look)


def deployment(name: str) -> client.V1Deployment:
    labels = {"app": name}
    container = client.V1Container(
        name="web", image="web:1", resources=client.V1ResourceRequirements(requests={"cpu": "10m", "memory": "8Mi"})
    )
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(replicas=2, template=template, selector=client.V1LabelSelector(match_labels=labels))
    return client.V1Deployment(metadata=client.V1ObjectMeta(name=name), spec=spec)


def test_a_deployment_is_made_changed_watched_and_deleted(api: client.ApiClient, namespace: str) -> None:
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    made = apps.create_namespaced_deployment(namespace, deployment("web"))
    ready = watch.Watch()
    for event in ready.stream(apps.list_namespaced_deployment, namespace, timeout_seconds=SECONDS):
        if event["object"].status.ready_replicas == 2:
            ready.stop()
    changed = deployment("web")
    changed.spec.template.spec.containers[0].image = "web:2"
    apps.patch_namespaced_deployment("web", namespace, changed)
    until(lambda: apps.read_namespaced_deployment_status("web", namespace).status.updated_replicas == 2)
    scale = apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 1}})
    assert scale.spec.replicas == 1
    with pytest.raises(ApiException) as stale:
        apps.replace_namespaced_deployment("web", namespace, made)
    assert stale.value.status == 409
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground", grace_period_seconds=0)
    until(lambda: not core.list_namespaced_pod(namespace, label_selector="app=web").items)


def test_lists_come_in_pieces(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    for i in range(5):
        core.create_namespaced_config_map(namespace, {"metadata": {"name": f"c{i}", "labels": {"mine": "yes"}}})
    names, token = [], None
    while token != "":
        page = core.list_namespaced_config_map(namespace, label_selector="mine", limit=2, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""
    assert names == [f"c{i}" for i in range(5)]
    core.delete_collection_namespaced_config_map(namespace, label_selector="mine")
    assert not core.list_namespaced_config_map(namespace, label_selector="mine").items


def test_a_watch_resumes_where_the_last_one_ended(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    made = core.create_namespaced_config_map(namespace, {"metadata": {"name": "a"}})
    core.delete_namespaced_config_map("a", namespace)
    seen = [
        event["type"]
        for event in watch.Watch().stream(
            core.list_namespaced_config_map,
            namespace,
            field_selector="metadata.name=a",
            resource_version=made.metadata.resource_version,
            timeout_seconds=1,
        )
    ]
    assert seen == ["DELETED"]


def test_objects_come_from_yaml(api: client.ApiClient, namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "widgets.yaml"
    file.write_text(WIDGETS)
    utils.create_from_yaml(api, str(file), namespace=namespace)
    core = client.CoreV1Api(api)
    assert core.read_namespaced_secret("two", namespace).data == {"b": "Mg=="}
    assert core.read_namespaced_service("three", namespace).spec.cluster_ip
    with pytest.raises(utils.FailToCreateError) as twice:
        utils.create_from_yaml(api, str(file), namespace=namespace)
    assert {error.reason for error in twice.value.api_exceptions} == {"Conflict"}
    utils.create_from_yaml(api, yaml_objects=[next(yaml.safe_load_all(WIDGETS))], namespace=namespace, apply=True)


def test_custom_objects(api: client.ApiClient, namespace: str) -> None:
    plural = f"w{uuid.uuid4().hex[:8]}s"
    names = {"plural": plural, "singular": plural[:-1], "kind": plural.title()}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "clients.test", "scope": "Namespaced", "names": names, "versions": [version]}
    definitions = client.ApiextensionsV1Api(api)
    definitions.create_custom_resource_definition({"metadata": {"name": f"{plural}.clients.test"}, "spec": spec})
    try:
        where = ("clients.test", "v1", namespace, plural)
        custom = client.CustomObjectsApi(api)
        until(lambda: "items" in custom.list_namespaced_custom_object(*where))
        body = {"apiVersion": "clients.test/v1", "kind": plural.title(), "metadata": {"name": "a"}, "spec": {"n": 1}}
        custom.create_namespaced_custom_object(*where, body)
        custom.patch_namespaced_custom_object(*where, "a", {"spec": {"n": 2}})
        assert custom.get_namespaced_custom_object(*where, "a")["spec"] == {"n": 2}
        custom.delete_namespaced_custom_object(*where, "a")
    finally:
        definitions.delete_custom_resource_definition(f"{plural}.clients.test")


def test_the_dynamic_client(api: client.ApiClient, namespace: str) -> None:
    found = dynamic.DynamicClient(api)
    maps = found.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
    assert maps.server_side_apply(body=body, namespace=namespace, name="a", field_manager="me").data.x == "1"
    changed = {**body, "data": {"x": "2"}}
    with pytest.raises(dynamic.exceptions.ConflictError):
        maps.server_side_apply(body=changed, namespace=namespace, name="a", field_manager="you")
    maps.patch(body=changed, namespace=namespace, name="a", content_type="application/merge-patch+json")
    events = maps.watch(namespace=namespace, timeout=1, field_selector="metadata.name=a")
    assert [(event["type"], event["object"].data.x) for event in events] == [("ADDED", "2")]
    scale = found.resources.get(api_version="apps/v1", kind="Deployment").subresources["scale"]
    assert scale.kind == "Scale"


def test_leaders_are_elected(kubeconfig: Path, tmp_path: Path) -> None:
    """The client's own example, as it ships, but for the file it is told."""
    found = find_spec("kubernetes.leaderelection.example")
    assert found is not None
    assert found.origin is not None
    program = tmp_path / "example.py"
    program.write_text(Path(found.origin).read_text().replace('config_file=r""', f'config_file=r"{kubeconfig}"'))
    words = [sys.executable, "-u", str(program)]
    with subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        try:
            assert any("I am leader" in line for line in process.stdout)
        finally:
            timer.cancel()
            process.kill()


async def test_the_asynchronous_client(kubeconfig: Path) -> None:
    from kubernetes.aio import client as aclient
    from kubernetes.aio import config as aconfig
    from kubernetes.aio import watch as awatch

    settings = aclient.Configuration()
    await aconfig.load_kube_config(str(kubeconfig), client_configuration=settings)
    async with aclient.ApiClient(settings) as api:
        core = aclient.CoreV1Api(api)
        name = f"aio-{uuid.uuid4().hex[:8]}"
        await core.create_namespaced_config_map("default", {"metadata": {"name": name}})
        async with awatch.Watch() as watching:
            wanted = {"field_selector": f"metadata.name={name}", "timeout_seconds": SECONDS}
            async for event in watching.stream(core.list_namespaced_config_map, "default", **wanted):
                if event["type"] == "DELETED":
                    break
                await core.delete_namespaced_config_map(name, "default")


def test_an_informer(api: client.ApiClient, namespace: str) -> None:
    from kubernetes.informer import SharedInformer

    core, seen, there = client.CoreV1Api(api), [], threading.Event()
    informer = SharedInformer(core.list_namespaced_config_map, namespace=namespace)

    def added(found) -> None:
        seen.append(found.metadata.name)
        if found.metadata.name == "late":
            there.set()

    informer.add_event_handler("ADDED", added)
    informer.start()
    try:
        core.create_namespaced_config_map(namespace, {"metadata": {"name": "late"}})
        assert there.wait(SECONDS)
    finally:
        informer.stop()

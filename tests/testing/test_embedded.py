"""`umiak.testing.Cluster`: what people who write operators are given."""

import gc
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest

from umiak.objects.errors import StatusError
from umiak.testing import Cluster, NotInTime
from umiak.testing.embedded.client import UnknownKind
from umiak.testing.patience import LONG, until

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}}
DEFINITION = """
apiVersion: example.org/v1
kind: Boat
metadata: {name: umiak}
spec: {seats: 12}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat, shortNames: [bo]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {seats: {type: integer}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""


def deployment(replicas: int = 2) -> dict[str, Any]:
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}},
        },
    }


def ask(cluster: Cluster, path: str, method: str = "GET", body: Any = None) -> Any:
    """Over HTTP, as any client does."""
    headers = {"Authorization": f"Bearer {cluster.token}", "Content-Type": "application/json", "User-Agent": "tester/1"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(cluster.url + path, data, headers, method=method)
    with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=cluster.ca)) as answer:
        return json.load(answer)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with Cluster(controllers=False) as cluster:
        yield cluster


@pytest.fixture
def server(shared: Cluster) -> Iterator[Cluster]:
    with shared.isolated():
        yield shared


def test_it_answers_over_https(server: Cluster) -> None:
    names = {n["metadata"]["name"] for n in ask(server, "/api/v1/namespaces")["items"]}
    assert {"default", "kube-system"} <= names
    assert server.url in Path(server.kubeconfig).read_text()


def test_nothing_stays() -> None:
    """Neither files nor threads nor open files, however often."""
    with Cluster(controllers=False):
        pass  # what is loaded once is loaded now
    gc.collect()
    threads, files = threading.active_count(), open_files()
    for _ in range(3):
        with Cluster(controllers=False) as cluster:
            folder = Path(cluster.kubeconfig).parent
            assert folder.exists()
        assert not folder.exists()
    gc.collect()
    assert (threading.active_count(), open_files()) == (threads, files)


def test_a_closed_cluster_says_so() -> None:
    cluster = Cluster(controllers=False)
    with pytest.raises(RuntimeError, match="does not run"):
        _ = cluster.url
    cluster.close()


def test_two_at_a_time_are_strangers(server: Cluster) -> None:
    with Cluster(controllers=False) as other:
        other.client.create(CONFIG)
        assert server.client.find("cm", "a") is None
        assert other.url != server.url


async def test_within_an_event_loop() -> None:
    async with Cluster(controllers=False) as cluster:
        assert cluster.client.get("ns", "default")["kind"] == "Namespace"


# the client


def test_definitions_come_first_in_a_manifest(server: Cluster, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(DEFINITION)
    server.client.load(tmp_path)
    assert server.client.get("bo", "umiak")["spec"] == {"seats": 12}
    server.client.patch("boats.example.org", "umiak", {"status": {"afloat": True}}, subresource="status")
    assert server.client.list("Boat")[0]["status"] == {"afloat": True}


def test_apply_and_conflict(server: Cluster) -> None:
    server.client.apply(CONFIG)
    with pytest.raises(StatusError, match="conflict with"):
        server.client.apply({**CONFIG, "data": {"x": "2"}}, manager="other")
    assert server.client.apply({**CONFIG, "data": {"x": "2"}}, manager="other", force=True)["data"] == {"x": "2"}


def test_unknown_kinds(server: Cluster) -> None:
    with pytest.raises(UnknownKind, match='resource type "boats"'):
        server.client.list("boats")


# state


def test_restore_brings_everything_back(server: Cluster) -> None:
    kept = server.client.create(CONFIG)
    before = server.snapshot()
    for _ in range(2):
        server.client.patch("cm", "a", {"data": {"x": "2"}})
        server.client.delete("sa", "default")
        server.client.load(DEFINITION)
        server.restore(before)
        assert server.client.get("cm", "a")["data"] == {"x": "1"}
        assert server.client.get("cm", "a")["metadata"]["uid"] == kept["metadata"]["uid"]
        assert server.client.find("sa", "default") is not None
        with pytest.raises(UnknownKind):
            server.client.list("boats")


def test_isolated_forgets_faults_and_requests(shared: Cluster) -> None:
    with shared.isolated() as cluster, cluster.fault(500), pytest.raises(urllib.error.HTTPError):
        ask(cluster, "/api/v1/namespaces")
    assert not list(shared.requests)
    with shared.isolated():
        assert ask(shared, "/api/v1/namespaces")["kind"] == "NamespaceList"


# what clients asked, and what befalls them


def test_requests_are_noted(server: Cluster) -> None:
    ask(server, "/api/v1/namespaces/default/configmaps", "POST", CONFIG)
    ask(server, "/api/v1/namespaces/default/configmaps/a")
    assert str(server.requests) == "201 create configmaps default\n200 get configmaps default/a"
    (created,) = server.requests.matching(verb="create", resource="configmaps", user_agent="tester")
    assert json.loads(created.body)["data"] == {"x": "1"}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (409, "Conflict"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (404, "NotFound"),
        (503, "ServiceUnavailable"),
    ],
)
def test_refusals(server: Cluster, status: int, reason: str) -> None:
    with server.fault(status, times=1, resource="configmaps") as fault:
        ask(server, "/api/v1/namespaces")
        with pytest.raises(urllib.error.HTTPError) as caught:
            ask(server, "/api/v1/namespaces/default/configmaps/a")
        ask(server, "/api/v1/namespaces/default/configmaps")
    assert (caught.value.code, json.load(caught.value)["reason"]) == (status, reason)
    assert fault.hits == 1
    assert (caught.value.headers["Retry-After"] == "1") is (status == 429)


def test_broken_connections(server: Cluster) -> None:
    with server.fault(breaks=True), pytest.raises((RemoteDisconnected, urllib.error.URLError, ConnectionError)):
        ask(server, "/api/v1/namespaces")


def test_slow_answers_are_answers(server: Cluster) -> None:
    with server.fault(delay=0.01) as fault:
        assert ask(server, "/api/v1/namespaces")["items"]
    assert fault.hits == 1


# with controllers


@pytest.fixture(scope="module")
def living() -> Iterator[Cluster]:
    with Cluster(nodes=2) as cluster:
        cluster.settle(LONG)
        yield cluster


def test_deployments_run(living: Cluster) -> None:
    with living.isolated() as cluster:
        cluster.client.create(deployment())
        found = cluster.wait_for("deploy", "web", "condition=Available", timeout=LONG)
        assert found["status"]["readyReplicas"] == 2
        cluster.drop_watches()
        cluster.client.patch("deploy", "web", {"spec": {"replicas": 3}})
        cluster.wait_for("deploy", "web", lambda d: d["status"].get("readyReplicas") == 3, timeout=LONG)
    assert living.client.list("pods") == []


def test_a_failed_wait_shows_object_and_events(living: Cluster) -> None:
    with living.isolated() as cluster:
        pod = deployment()["spec"]["template"]["spec"] | {"nodeSelector": {"no": "such"}}
        cluster.client.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lost"}, "spec": pod})
        cluster.wait_for("pod", "lost", "condition=PodScheduled=False", timeout=LONG)
        until(lambda: "FailedScheduling" in [event["reason"] for event in cluster.client.list("events")])
        with pytest.raises(
            NotInTime, match=r"(?s)Pod default/lost was not as wanted.*phase: Pending.*FailedScheduling"
        ):
            cluster.wait_for("pod", "lost", "condition=Ready", timeout=0.5)


def test_virtual_time_runs_a_cron_job() -> None:
    job = {"spec": {"template": {"spec": deployment()["spec"]["template"]["spec"] | {"restartPolicy": "Never"}}}}
    cron = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "hourly"}}
    with Cluster(virtual_time=True) as cluster:
        cluster.settle(LONG)
        cluster.client.create({**cron, "spec": {"schedule": "0 * * * *", "jobTemplate": job}})
        began = cluster.now()
        cluster.advance(3 * 3600 + 60)
        assert (cluster.now() - began).total_seconds() == 3 * 3600 + 60
        assert len(cluster.client.list("jobs")) == 3
        assert cluster.wait_for("cronjob", "hourly", lambda c: not c["status"].get("active"), timeout=120)


def test_real_time_can_not_be_turned(server: Cluster) -> None:
    with pytest.raises(RuntimeError, match="virtual_time=True"):
        server.advance(1)

"""Each part of the cluster swapped for the original: the guestbook runs all the same (design, decision 1)."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.shared, pytest.mark.root, pytest.mark.slow]

Cluster = Any
DEPLOY = Path(__file__).parents[2] / "examples/guestbook/deploy"
JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"
WEB, REDIS = "deployment/web", "statefulset/redis"


def original_controllers_and_scheduler(cluster: Cluster, images: list[Path], content: str = PROTOBUF) -> None:
    cluster.runtime(major=1)
    cluster.our_apiserver()
    cluster.import_images(images)
    cluster.original_controllers(content)
    cluster.our_controllers("local-path")  # the original brings no provisioner
    cluster.original_scheduler(content)
    cluster.our_node()


def original_node(cluster: Cluster, images: list[Path], content: str = PROTOBUF) -> None:
    cluster.runtime(major=2)
    cluster.our_apiserver()
    cluster.import_images(images)
    cluster.our_controllers("*,-local-path")
    cluster.made_volume()
    cluster.our_scheduler()
    cluster.original_node(content)
    cluster.original_proxy()
    cluster.original_dns()


def original_kubelet_with_our_network(cluster: Cluster, images: list[Path], content: str = JSON) -> None:
    cluster.runtime(major=2)
    cluster.our_apiserver()
    cluster.import_images(images)
    cluster.our_controllers("*,-local-path")
    cluster.made_volume()
    cluster.our_scheduler()
    cluster.original_node(content)
    cluster.our_proxy()
    cluster.our_dns()


def original_apiserver(cluster: Cluster, images: list[Path]) -> None:
    cluster.runtime(major=1)
    cluster.original_apiserver()
    cluster.import_images(images)
    cluster.our_controllers()
    cluster.our_scheduler()
    cluster.our_node()


@pytest.mark.parametrize(
    "scenario",
    [original_controllers_and_scheduler, original_node, original_kubelet_with_our_network, original_apiserver],
    ids=lambda f: f.__name__,
)
def test_the_guestbook(scenario: Callable[..., None], cluster: Cluster, images: list[Path]) -> None:
    scenario(cluster, images)
    runs(cluster)
    answers(cluster)
    talks(cluster)
    changes(cluster)
    goes(cluster)


def runs(cluster: Cluster) -> None:
    """Everything of the guestbook becomes ready."""
    cluster.wait_for("get", "node", cluster.machine.name)
    cluster.kubectl("wait", "--for=condition=Ready", "node", cluster.machine.name, "--timeout=60s")
    eventually(lambda: bool(cluster.get("storageclass")["items"]))
    cluster.wait_for("-n", "default", "get", "serviceaccount", "default")
    cluster.kubectl("apply", "-k", str(DEPLOY))
    for workload in (WEB, REDIS, "daemonset/greeter"):
        cluster.kubectl("-n", "guestbook", "rollout", "status", workload, "--timeout=90s", seconds=100)
    cluster.kubectl("-n", "guestbook", "wait", "--for=condition=Complete", "job/seed", "--timeout=60s", seconds=70)
    claim = cluster.get("-n", "guestbook", "pvc", "data-redis-0")
    assert claim["status"]["phase"] == "Bound"


def answers(cluster: Cluster) -> None:
    """By cluster IP, by name, and from outside by node port."""
    service = cluster.get("-n", "guestbook", "service", "web")["spec"]["clusterIP"]
    fetch = ("curl", "-sS", "--max-time", "5")
    assert "first entry" in cluster.machine.wait_until(*fetch, f"http://{service}/", seconds=10)
    assert "first entry" in cluster.machine.wait_until(*fetch, f"http://{cluster.machine.address}:30080/", seconds=10)
    wget = ("wget", "-q", "-O", "-")
    inside = ("-n", "guestbook", "exec", "daemonset/greeter", "--", *wget)
    for name in (service, "web", "web.guestbook", "web.guestbook.svc.cluster.local"):
        assert "Welcome aboard" in cluster.wait_for(*inside, f"http://{name}/", seconds=10)


def talks(cluster: Cluster) -> None:
    """logs, exec, cp's way, attach's way, port-forward."""
    assert f"greetings from {cluster.machine.name}" in cluster.kubectl("-n", "guestbook", "logs", "daemonset/greeter")
    out = cluster.kubectl("-n", "guestbook", "exec", WEB, "--", "sh", "-c", "echo $((6 * 7))")
    assert out.splitlines()[-1] == "42"
    failed = cluster.kubectl("-n", "guestbook", "exec", WEB, "--", "sh", "-c", "exit 3", check=False)
    assert "command terminated with exit code 3" in failed
    with forwarded(cluster, "service/web", "18080:80"):
        page = cluster.machine.wait_until("curl", "-sS", "--max-time", "5", "http://127.0.0.1:18080/", seconds=10)
    assert "first entry" in page


@contextmanager
def forwarded(cluster: Cluster, what: str, ports: str) -> Iterator[None]:
    from umiak.testing import reference

    words = [reference.program("kubectl"), f"--kubeconfig={cluster.admin}", "-n", "guestbook", "port-forward"]
    process = subprocess.Popen(cluster.machine.inside(*words, what, ports), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert b"Forwarding from" in process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.communicate()


def changes(cluster: Cluster) -> None:
    """Rolls out anew, grows and shrinks."""
    before = pods(cluster, "app=web")
    cluster.kubectl("-n", "guestbook", "rollout", "restart", WEB)
    cluster.kubectl("-n", "guestbook", "rollout", "status", WEB, "--timeout=60s", seconds=70)
    eventually(lambda: len(pods(cluster, "app=web")) == 3 and not pods(cluster, "app=web") & before)
    for count in (5, 1):
        cluster.kubectl("-n", "guestbook", "scale", WEB, f"--replicas={count}")
        cluster.kubectl("-n", "guestbook", "rollout", "status", WEB, "--timeout=60s", seconds=70)
        eventually(partial(has_pods, cluster, count))
    cluster.kubectl("-n", "guestbook", "rollout", "undo", WEB)
    cluster.kubectl("-n", "guestbook", "rollout", "status", WEB, "--timeout=60s", seconds=70)


def has_pods(cluster: Cluster, count: int) -> bool:
    return len(pods(cluster, "app=web")) == count


def pods(cluster: Cluster, selector: str) -> set[str]:
    return {p["metadata"]["uid"] for p in cluster.get("-n", "guestbook", "pods", "-l", selector)["items"]}


def eventually(check: Callable[[], bool], seconds: float = 45.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.3)


def goes(cluster: Cluster) -> None:
    """With the namespace goes all that was in it: objects, volume, containers."""
    volume = cluster.get("-n", "guestbook", "pvc", "data-redis-0")["spec"]["volumeName"]
    cluster.kubectl("delete", "namespace", "guestbook", "--timeout=90s", seconds=100)
    if volume != "made":
        cluster.wait_for("wait", "--for=delete", f"pv/{volume}", "--timeout=30s")
    listed = cluster.kubectl("get", "pods,replicasets,endpointslices,jobs,pvc", "-n", "guestbook")
    assert "No resources found" in listed
    containers = ("ctr", "-a", str(cluster.layout.runtime_socket), "-n", "k8s.io", "containers", "list", "-q")
    eventually(lambda: cluster.machine.run(*containers).split() == [])

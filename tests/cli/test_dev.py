"""umiak dev as its users start it: a process, a kubeconfig, and nothing left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from umiak.api.apps.deployment import KIND as DEPLOYMENT
from umiak.api.core.node import KIND as NODE
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.core.pod import KIND as POD
from umiak.api.kind import Kind
from umiak.cli import dev
from umiak.cli.command import CommandError
from umiak.cli.main import parser_of
from umiak.client.client import ApiClient
from umiak.client.http import HttpTransport
from umiak.client.kubeconfig import load
from umiak.objects.types import Object
from umiak.testing.patience import LONG

SECONDS = int(LONG)
DEV = (sys.executable, "-m", "umiak.cli.main", "dev")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`umiak dev` in an empty folder, ready."""
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    words = (*DEV, "--nodes", "2")
    with subprocess.Popen(words, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_deployment_from_start_to_end(started: subprocess.Popen[str], tmp_path: Path) -> None:
    assert started.stdout is not None
    file = tmp_path / "umiak-dev.kubeconfig"
    assert started.stdout.readline().startswith("umiak dev is ready on https://127.0.0.1:")
    assert started.stdout.readline() == f"KUBECONFIG={file}\n"
    asyncio.run(asyncio.wait_for(use(file), SECONDS))
    started.send_signal(signal.SIGTERM)
    assert started.wait(SECONDS) == 0
    assert [path.name for path in tmp_path.rglob("*")] == ["tmp"]


async def use(kubeconfig: Path) -> None:
    transport = HttpTransport(load(str(kubeconfig)), "test")
    client = ApiClient(transport)
    try:
        assert len((await client.list(NODE)).items) == 2
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        about = {"name": "data", "namespace": "default"}
        await client.create(CLAIM, {"metadata": about, "spec": {**claim, "storageClassName": "local-path"}})
        await client.create(DEPLOYMENT, deployment(3))
        await until(client, DEPLOYMENT, lambda d: (d.get("status") or {}).get("readyReplicas") == 3)
        nodes = {p["spec"]["nodeName"] for p in (await client.list(POD)).items}
        assert nodes <= {"node-0", "node-1"}
        await client.delete(DEPLOYMENT, "web", "default", propagation="Foreground")
        await client.delete(CLAIM, "data", "default")
        await gone(client)
    finally:
        await transport.close()


def deployment(replicas: int) -> Object:
    labels = {"app": "web"}
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    spec = {"containers": [{"name": "web", "image": "web"}], "volumes": [volume]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


async def until(client: ApiClient, kind: Kind, is_so: Callable[[Object], bool]) -> None:
    listed = await client.list(kind, "default")
    if any(is_so(obj) for obj in listed.items):
        return
    async for event in client.watch(kind, "default", resource_version=listed.resource_version, timeout=SECONDS):
        if is_so(event.object):
            return


async def gone(client: ApiClient) -> None:
    """Until there is no volume any more, and so no claim and no pod."""
    listed = await client.list(VOLUME)
    left = len(listed.items)
    if not left:
        return
    async for event in client.watch(VOLUME, resource_version=listed.resource_version, timeout=SECONDS):
        left -= event.type == "DELETED"
        if not left:
            return


def run(*words: str) -> int:
    return dev.run(parser_of(dev.COMMAND).parse_args([*words]))


def test_what_cannot_be_is_said_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match="--nodes -1: must not be negative"):
        run("--nodes", "-1")
    with pytest.raises(CommandError, match="--port 70000 is no port number"):
        run("--port", "70000")


def test_a_kubeconfig_of_somebody_else_stays(tmp_path: Path) -> None:
    own = tmp_path / "config"
    own.write_text("contexts:\n- name: work\n- name: umiak-dev\n")
    with pytest.raises(CommandError, match=f"--kubeconfig {own}: it is there already"):
        run("--kubeconfig", str(own))
    assert own.exists()


@pytest.mark.slow
def test_a_port_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"cannot listen on 127.0.0.1:{port}: the port is in use"):
            run("--port", str(port), "--kubeconfig", str(tmp_path / "f"))
    assert not list(tmp_path.iterdir())


DEFINED = """
apiVersion: example.org/v1
kind: {kind}
metadata: {{name: umiak}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: boats.example.org}}
spec:
  group: example.org
  scope: Namespaced
  names: {{plural: boats, singular: boat, kind: Boat}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object}}}}
"""


def started_with(folder: Path, manifest: str) -> subprocess.Popen[str]:
    (folder / "all.yaml").write_text(manifest)
    words = (*DEV, "--load", "all.yaml")
    return subprocess.Popen(words, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_a_manifest_may_define_the_kinds_it_has(tmp_path: Path) -> None:
    with started_with(tmp_path, DEFINED.format(kind="Boat")) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("umiak dev is ready")
        process.terminate()


@pytest.mark.slow
def test_a_manifest_that_is_refused_is_told_in_a_line(tmp_path: Path) -> None:
    with started_with(tmp_path, DEFINED.format(kind="Ship")) as process:
        _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert said == 'umiak: --load: the server doesn\'t have a resource type "example.org/v1/Ship"\n'

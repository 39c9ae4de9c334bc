"""What umiak leaves on a machine (no foreign file), and what its import and its starts load."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

IMPORT = "import sys; had = set(sys.modules); import umiak; print(*sorted(set(sys.modules) - had))"
ANSWERED = """
import sys
from umiak.testing import Cluster
with Cluster() as cluster:
    print(*sys.modules)
"""
CLUSTER = """
from umiak.testing import Cluster
with Cluster() as cluster:
    cluster.settle(300)
    cluster.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
"""
SERVER = ["-m", "umiak.cli.main", "server", "--port=0"]
LOADED_LATER = {
    "yaml": "12 ms",
    "importlib.resources": "4 ms",
    "joserfc": "67 ms",
    "google.protobuf": "only who asks in protobuf needs it",
    "umiak.kit.http.client": "3 ms; only who speaks to others needs it",
    "umiak.api.core.pod": "7 ms with what it brings; not before somebody asks for pods",
    "umiak.server.openapi.routes": "9 ms; loaded with the first question",
    "umiak.controllers": "of a test's cluster after the first answer",
}
"""What a start has to do without, and what it would cost."""


@pytest.fixture
def world(tmp_path: Path) -> dict[str, Path]:
    """A home, a folder for temporary files, and one to work in: all empty."""
    folders = {name: tmp_path / name for name in ("home", "temporary", "here")}
    for folder in folders.values():
        folder.mkdir()
    return folders


def surroundings(world: dict[str, Path]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("XDG_")}
    return {**kept, "HOME": str(world["home"]), "TMPDIR": str(world["temporary"]), "PYTHONDONTWRITEBYTECODE": "1"}


def files(world: dict[str, Path]) -> list[Path]:
    return [path for folder in world.values() for path in folder.rglob("*")]


def test_the_import_alone_loads_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["umiak"]


@pytest.mark.slow
def test_a_cluster_leaves_no_file(world: dict[str, Path]) -> None:
    subprocess.run([sys.executable, "-c", CLUSTER], cwd=world["here"], env=surroundings(world), check=True)
    assert files(world) == []


@pytest.mark.slow
def test_a_server_writes_into_its_folder_alone(world: dict[str, Path], tmp_path: Path) -> None:
    command = [sys.executable, *SERVER, f"--data-dir={tmp_path / 'data'}"]
    with subprocess.Popen(command, cwd=world["here"], env=surroundings(world), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"is ready" in process.stdout.readline()
        process.terminate()
    assert process.returncode == 0
    assert files(world) == []
    assert (tmp_path / "data" / "store.db").exists()


@pytest.mark.slow
def test_a_cluster_answers_without_what_comes_later() -> None:
    done = subprocess.run([sys.executable, "-c", ANSWERED], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & LOADED_LATER.keys() == set()


@pytest.mark.slow
def test_a_second_start_of_a_server_does_without_it(tmp_path: Path) -> None:
    for _ in range(2):
        loaded = started(tmp_path / "data")
    assert loaded & (LOADED_LATER.keys() | {"cryptography"}) == set()


def started(data: Path) -> set[str]:
    """The modules that a server loads until it is ready, and while it ends."""
    command = [sys.executable, "-X", "importtime", *SERVER, f"--data-dir={data}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        with ThreadPoolExecutor(1) as aside:
            told = aside.submit(process.stderr.read)  # else the pipe fills
            assert "is ready" in process.stdout.readline()
            process.terminate()
            return {line.rpartition("|")[2].strip() for line in told.result().splitlines()}

"""What umiak leaves on a machine and what its import brings along: no foreign file, and nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

IMPORT = "import sys; had = set(sys.modules); import umiak; print(*sorted(set(sys.modules) - had))"
CLUSTER = """
from umiak.testing import Cluster
with Cluster() as cluster:
    cluster.settle(60)
    cluster.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
"""
SERVER = ["-m", "umiak.cli.main", "server", "--port=0"]


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
@pytest.mark.timeout(60)
def test_a_cluster_leaves_no_file(world: dict[str, Path]) -> None:
    subprocess.run([sys.executable, "-c", CLUSTER], cwd=world["here"], env=surroundings(world), check=True)
    assert files(world) == []


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_server_writes_into_its_folder_alone(world: dict[str, Path], tmp_path: Path) -> None:
    command = [sys.executable, *SERVER, f"--data-dir={tmp_path / 'data'}"]
    with subprocess.Popen(command, cwd=world["here"], env=surroundings(world), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"is ready" in process.stdout.readline()
        process.terminate()
    assert process.returncode == 0
    assert files(world) == []
    assert (tmp_path / "data" / "store.db").exists()

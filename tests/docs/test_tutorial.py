"""A newcomer: the built wheel, a fresh virtual environment, the tutorial followed to the letter."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from reading import ROOT, blocks

pytestmark = [pytest.mark.newcomer]
TUTORIAL = ROOT / "docs" / "tutorials" / "test-your-operator.md"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(pip, check=True, env=surroundings())
    return folder


def test_the_wheel_is_small(wheel: Path) -> None:
    (built,) = wheel.glob("umiak-*.whl")
    assert built.stat().st_size < 5_000_000


def interpreters() -> list[str]:
    """Every Python on this machine that umiak is written for: on the PATH, and those of pyenv."""
    folders = [Path(folder) for folder in os.get_exec_path()]
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True).stdout.strip()
        folders += Path(root, "versions").glob("*/bin")
    found = {path.resolve() for folder in folders for path in folder.glob("python3.[0-9][0-9]")}
    return sorted(str(path) for path in found if int(path.name.partition(".")[2]) >= 11 and _makes_venvs(path))


def _makes_venvs(python: Path) -> bool:
    """pyenv's shims stand for versions that are not chosen, too, and distributions leave pip out."""
    return subprocess.run([python, "-c", "import ensurepip"], capture_output=True).returncode == 0


def surroundings() -> dict[str, str]:
    """A newcomer's, who does not give up when the registry is out of reach for a while."""
    ours = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {"PIP_RETRIES": "10", "PIP_TIMEOUT": "60", **ours}


ANSWERS = """
import umiak.testing
with umiak.testing.Cluster() as cluster:
    print(cluster.client.get("namespaces", "default")["metadata"]["name"])
"""


@pytest.mark.parametrize("python", interpreters())
def test_every_python_can_run_the_wheel(wheel: Path, tmp_path: Path, python: str) -> None:
    ours = surroundings()
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True)
    own = str(tmp_path / "venv" / "bin" / "python")
    (built,) = wheel.glob("umiak-*.whl")
    subprocess.run([own, "-m", "pip", "install", "--quiet", str(built)], env=ours, check=True)
    done = subprocess.run([own, "-c", ANSWERS], env=ours, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("default\n", "")


def test_the_tutorial_is_followed_to_the_letter(wheel: Path, tmp_path: Path) -> None:
    ours = surroundings()
    links = f"{ours.get('PIP_FIND_LINKS', '')} {wheel}".strip()
    for block in blocks(TUTORIAL):
        if block.language == "sh":
            command = ["bash", "-euo", "pipefail", "-c", block.text]
            done = subprocess.run(command, cwd=tmp_path, env={**ours, "PIP_FIND_LINKS": links}, capture_output=True)
            assert done.returncode == 0, (done.stdout + done.stderr).decode()
        else:
            assert block.file, f"line {block.line}: the text does not say which file this is"
            (tmp_path / block.file).write_text(block.text)

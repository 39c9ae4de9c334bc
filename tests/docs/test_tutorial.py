"""A newcomer: the built wheel, a fresh virtual environment, the tutorial followed to the letter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from reading import ROOT, blocks

pytestmark = [pytest.mark.newcomer, pytest.mark.timeout(600)]
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
    subprocess.run(pip, check=True)
    return folder


def test_the_wheel_is_small(wheel: Path) -> None:
    (built,) = wheel.glob("umiak-*.whl")
    assert built.stat().st_size < 5_000_000


def test_the_tutorial_is_followed_to_the_letter(wheel: Path, tmp_path: Path) -> None:
    ours = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    links = f"{ours.get('PIP_FIND_LINKS', '')} {wheel}".strip()
    for block in blocks(TUTORIAL):
        if block.language == "sh":
            command = ["bash", "-euo", "pipefail", "-c", block.text]
            done = subprocess.run(command, cwd=tmp_path, env={**ours, "PIP_FIND_LINKS": links}, capture_output=True)
            assert done.returncode == 0, (done.stdout + done.stderr).decode()
        else:
            assert block.file, f"line {block.line}: the text does not say which file this is"
            (tmp_path / block.file).write_text(block.text)

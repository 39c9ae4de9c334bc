"""The load generator of bench/: it understands HTTP as it should, and every operation of it runs without an error."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from umiak.testing import Cluster
from umiak.testing.patience import LONG

SOURCE = Path(__file__).parents[2] / "bench" / "apiload"
OPERATIONS = ("create", "get", "list", "patch", "status", "apply", "watch", "delete", "running")
ROWS = (*OPERATIONS[:-1], "create", "running")
"""What it reports of: pods that are to run are created first."""
SMALL = ("-n=20", "-c=4", "-lists=3", "-watchers=3", "-events=5")

pytestmark = pytest.mark.skipif(shutil.which("go") is None, reason="there is no go on this machine")


def go(*words: str) -> None:
    done = subprocess.run(["go", *words], cwd=SOURCE, capture_output=True, text=True, timeout=10 * LONG)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_own_tests() -> None:
    go("vet", ".")
    go("test", ".")


def test_its_format() -> None:
    done = subprocess.run(["gofmt", "-l", SOURCE], capture_output=True, text=True, timeout=LONG)
    assert (done.stdout, done.stderr) == ("", "")


def test_every_operation(tmp_path: Path) -> None:
    program = tmp_path / "apiload"
    go("build", "-o", str(program), ".")
    with Cluster() as cluster:
        cluster.wait_for("serviceaccount", "default", timeout=LONG)
        words = [program, f"-server={cluster.url}", f"-token={cluster.token}", f"-ops={','.join(OPERATIONS)}", *SMALL]
        done = subprocess.run(words, capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["op"], row["errors"], row.get("first_error")) for row in rows] == [(op, 0, None) for op in ROWS]
    assert [row["n"] for row in rows] == [20, 60, 3, 20, 20, 20, 15, 20, 20, 20]

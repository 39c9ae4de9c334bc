"""The real kube-scheduler as a program that answers about clusters, built from the Go module registry.

The first build compiles the scheduler: about five minutes of CPU time, some seconds ever after. A program named
`placement-oracle` in the folder $CLIENTS_BIN is taken as it is.
"""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from umiak.testing.patience import LONG

MODULE = Path(__file__).parent / "oracle"
NAME = "placement-oracle"
BUILD_SECONDS = 1800.0

Object = dict[str, Any]


@functools.cache
def built() -> str:
    """The program's path. Skips the test where there is no Go, or no way to the modules."""
    ready = Path(os.environ.get("CLIENTS_BIN", MODULE / "none")) / NAME
    if ready.exists():
        return str(ready)
    if shutil.which("go") is None:
        pytest.skip("the oracle is built from Go modules, and there is no go on this machine")
    environment = {**os.environ, "CGO_ENABLED": "0"}
    modules = ["go", "mod", "download", "k8s.io/kubernetes"]
    got = subprocess.run(modules, cwd=MODULE, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS)
    if got.returncode != 0:
        pytest.skip(f"the oracle's modules are not to be had: {got.stderr.strip().splitlines()[-1]}")
    target = MODULE / "bin" / NAME
    words = ["go", "build", "-ldflags", "-s -w", "-o", str(target), "."]
    done = subprocess.run(words, cwd=MODULE, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS)
    assert done.returncode == 0, done.stderr
    return str(target)


class Oracle:
    """A running one. Use as a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([built()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "Oracle":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(LONG)

    def answers(self, objects: list[Object]) -> list[Object]:
        """About each pod without a node."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"objects": objects}) + "\n")
        self._process.stdin.flush()
        answered = self._process.stdout.readline()
        assert answered, "the oracle has stopped: see what it printed"
        return list(json.loads(answered))

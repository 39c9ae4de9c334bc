"""Go programs of other people, built from the Go module registry by the module in the folder `go`.

The first build compiles Kubernetes' client libraries: about five minutes of CPU time, a second or two ever after.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from umiak.testing.patience import LONG

MODULE = Path(__file__).parent / "go"
BUILD_SECONDS = 1800.0
BUILD_TRIES = 3
"""The go command does not ask for a module again when the registry fails once."""
PACKAGES = {
    "kubectl": "./kubectl",
    "helm": "helm.sh/helm/v4/cmd/helm",
    "informers": "./informers",
    "example-builtins": "sigs.k8s.io/controller-runtime/examples/builtins",
    "example-crd": "sigs.k8s.io/controller-runtime/examples/crd",
}
VERSION = "v1.37.1"
STAMPS = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""kubectl compares its own version, which the linker must give it, with the server's."""


@dataclass(frozen=True)
class Program:
    """Runs in a folder of the test's own, with a kubeconfig, in a namespace."""

    path: str
    kubeconfig: Path
    namespace: str = ""
    folder: Path = Path("/")
    extra: Mapping[str, str] = field(default_factory=dict)

    def within(self, namespace: str, folder: Path, **extra: str) -> "Program":
        return replace(self, namespace=namespace, folder=folder, extra=extra)

    @property
    def environment(self) -> dict[str, str]:
        home = {"HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig)} if self.folder != Path("/") else {}
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), **home, **self.extra}

    def words(self, *words: str) -> list[str]:
        return [self.path, *(["--namespace", self.namespace] if self.namespace else []), *words]

    def run(self, *words: str, given: str = "", seconds: float = 2 * LONG) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.words(*words),
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def __call__(self, *words: str, given: str = "", seconds: float = 2 * LONG) -> str:
        """What it prints. Fails the test when it fails, with what it said."""
        done = self.run(*words, given=given, seconds=seconds)
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def fails(self, *words: str, given: str = "", seconds: float = 2 * LONG) -> str:
        """What it says when it is refused."""
        done = self.run(*words, given=given, seconds=seconds)
        assert done.returncode != 0, f"{' '.join(words)}\n{done.stdout}"
        return done.stderr


def find(name: str, kubeconfig: Path) -> Program:
    return Program(built(name), kubeconfig)


def suite(name: str) -> str:
    """The package of controller-runtime that `pkg-client.test` has the tests of."""
    return f"sigs.k8s.io/controller-runtime/{name.removesuffix('.test').replace('-', '/')}"


@functools.cache
def built(name: str) -> str:
    """The program's path; one in the folder $CLIENTS_BIN is taken as it is. Skips the test where there is no Go."""
    ready = Path(os.environ.get("CLIENTS_BIN", MODULE / "none")) / name
    if ready.exists():
        return str(ready)
    if shutil.which("go") is None:
        pytest.skip(f"{name} is built from Go modules, and there is no go on this machine")
    target = MODULE / "bin" / name
    stamps = " ".join(f"-X {package}.gitVersion={VERSION}" for package in STAMPS)
    how = ["test", "-c"] if name.endswith(".test") else ["build", "-ldflags", f"-s -w {stamps}"]
    words = ["go", *how, "-o", str(target), PACKAGES.get(name) or suite(name)]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    for _ in range(BUILD_TRIES):
        done = subprocess.run(words, cwd=MODULE, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS)
        if done.returncode == 0:
            return str(target)
    raise AssertionError(done.stderr)

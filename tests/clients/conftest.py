"""Programs that nobody here wrote, against a cluster of `umiak dev`, or against that of $CLIENTS_KUBECONFIG.

The Go programs are built from the Go module registry (`go_programs`); the Python ones are in requirements-dev.lock.
"""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from go_programs import Program, find
from servers import running

SECONDS = 120
DEV = (sys.executable, "-m", "umiak.cli.main", "dev", "--nodes", "2")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Other people's programs wait and time out in their own ways; a machine with two busy cores needs slack."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.clients)
            item.add_marker(pytest.mark.timeout(20 * SECONDS))
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of the administrator of a cluster with two nodes."""
    if given := os.environ.get("CLIENTS_KUBECONFIG"):
        yield Path(given)
        return
    folder = tmp_path_factory.mktemp("dev")
    with running(folder, *DEV):
        yield folder / "umiak-dev.kubeconfig"


@pytest.fixture(scope="session")
def kubectl_program(kubeconfig: Path) -> Program:
    return find("kubectl", kubeconfig)


@pytest.fixture(scope="session")
def helm_program(kubeconfig: Path) -> Program:
    return find("helm", kubeconfig)


@pytest.fixture
def kubectl(kubectl_program: Program, tmp_path: Path) -> Iterator[Program]:
    """In a namespace of its own, which is gone afterwards, and a folder of its own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl_program("create", "namespace", name)
    kubectl_program("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=300s")
    yield kubectl_program.within(name, tmp_path)
    kubectl_program("delete", "namespace", name, "--wait=false")

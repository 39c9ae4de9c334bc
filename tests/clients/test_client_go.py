"""client-go in protobuf, by the program in `go/informers`: a step a test, and a server that is restarted meanwhile."""

import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from go_programs import Program, built
from servers import running

from umiak.kit.ports import free_port
from umiak.testing.patience import LONG

STEPS = "mapper informer watchlist bookmarks dynamic metadata apply conflict pager leader".split()  # noqa: SIM905


@pytest.mark.parametrize("step", STEPS)
def test_step(kubectl: Program, step: str) -> None:
    program = Program(built("informers"), kubectl.kubeconfig, folder=kubectl.folder)
    done = program.within("", kubectl.folder, NAMESPACE=kubectl.namespace)(step)
    assert f"{step} ok" in done


def test_an_informer_outlives_the_server(tmp_path: Path) -> None:
    """It goes on from the last version it saw: what was there is not told anew."""
    words = (sys.executable, "-m", "umiak.cli.main", "server", "--data-dir=data", f"--port={free_port()}")
    kubeconfig = tmp_path / "data" / "admin.kubeconfig"
    environment = {"KUBECONFIG": str(kubeconfig), "NAMESPACE": "default", "HOME": str(tmp_path)}
    with running(tmp_path, *words):
        client = subprocess.Popen(
            [built("informers"), "resume"], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert client.stdout is not None
        assert client.stdout.readline() == "restart now\n"
    with running(tmp_path, *words):
        try:
            said, _ = client.communicate(f"{uuid.uuid4().hex}\n", timeout=LONG)
        finally:
            client.kill()
    assert client.returncode == 0, said
    assert "resume ok" in said

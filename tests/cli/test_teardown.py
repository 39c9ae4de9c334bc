"""Tearing down ends what is of this cluster, and nothing that only looks like it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from umiak.cli.machine import teardown
from umiak.cli.machine.layout import Layout
from umiak.testing.machine import Machine
from umiak.testing.patience import LONG

SLEEP = "import time; print('up', flush=True); time.sleep(1000)"


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_shims_of_a_nested_cluster_stay(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data", tmp_path / "run")
    shim = ["bash", "-c", 'exec -a containerd-shim-runc-v2 "$0" -S -c "$1" -address "$2"']
    shim += [sys.executable, SLEEP, str(layout.runtime_socket)]
    (tmp_path / "m").mkdir()
    with Machine(tmp_path / "m") as machine:
        machine.start("shim", shim)
        machine.wait_until("grep", "up", str(machine.log("shim")), pause=0.01)
        with subprocess.Popen(shim, stdout=subprocess.PIPE) as ours:
            assert ours.stdout is not None and ours.stdout.readline() == b"up\n"
            teardown.end_shims(layout)
            assert ours.wait(LONG) == -9
        assert machine.programs["shim"].poll() is None

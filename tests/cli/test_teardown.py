"""Tearing down ends what is of this cluster, and nothing that only looks like it."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from umiak.cli.machine import kernel, teardown
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


@pytest.fixture
def cgroup() -> Iterator[tuple[Path, str]]:
    """A pod's control group in some hierarchy, and the pod's uid."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    uid = str(uuid.uuid4())
    for root in kernel.cgroup_roots():
        folder = root / "kubepods" / f"pod{uid}"
        try:
            folder.mkdir(parents=True)
        except OSError:
            continue
        try:
            yield folder, uid
        finally:
            with contextlib.suppress(OSError):  # gone, or others' pods are beside it
                folder.rmdir()
            with contextlib.suppress(OSError):
                folder.parent.rmdir()
        return
    pytest.skip("no control group can be made here")


@pytest.mark.root
@pytest.mark.slow
def test_what_runs_in_a_pods_groups_is_gone_before_they_are(cgroup: tuple[Path, str]) -> None:
    folder, uid = cgroup
    with subprocess.Popen([sys.executable, "-S", "-c", SLEEP], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        try:
            (folder / "cgroup.procs").write_text(str(process.pid))
        except OSError as error:
            process.kill()
            pytest.skip(f"no process can be put into {folder}: {error}")
        kernel.end_processes([uid])
        folder.rmdir()
        assert process.wait(LONG) == -9

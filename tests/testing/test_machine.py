"""A machine has its own network, processes and folders, and leaves nothing."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from umiak.testing.machine import Machine

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and util-linux"),
]


def test_a_machine_of_its_own(tmp_path: Path) -> None:
    with Machine(tmp_path, "elsewhere", "198.51.100.7") as machine:
        assert machine.run("hostname") == "elsewhere\n"
        assert "198.51.100.7" in machine.run("ip", "-brief", "address", "show", "net0")
        machine.run("sh", "-c", "echo here > /var/lib/umiak/file; mkdir /run/made /var/log/made")
        machine.start("stays", ["sleep", "1000"])
        machine.wait_until("pgrep", "sleep", pause=0.01)
        held = Path(f"/proc/{machine.programs['stays'].pid}")
        assert held.exists()
    assert not held.exists()
    assert (tmp_path / "umiak/file").read_text() == "here\n"
    assert not Path("/run/made").exists()
    assert not Path("/var/log/made").exists()
    assert socket.gethostname() != "elsewhere"


def test_a_program_that_fails_tells_why(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine, pytest.raises(AssertionError, match="exit 3: no luck"):
        machine.run("sh", "-c", "echo no luck; exit 3")


def test_stopping_one_program(tmp_path: Path) -> None:
    with Machine(tmp_path) as machine:
        machine.start("one", ["sh", "-c", "echo started; exec sleep 1000"])
        machine.wait_until("pgrep", "sleep", pause=0.01)
        machine.stop("one")
        assert machine.log("one").read_text() == "started\n"

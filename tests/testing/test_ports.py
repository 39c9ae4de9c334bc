"""Ports for programs that are told one."""

import socket
from pathlib import Path

import pytest

from umiak.testing import ports

KERNELS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_as_many_as_asked_in_a_row():
    found = ports.free_ports(4)
    assert found == list(range(found[0], found[0] + 4))


@pytest.mark.skipif(not KERNELS.exists(), reason="not Linux")
def test_the_kernel_gives_none_of_them_to_a_connection():
    assert int(KERNELS.read_text().split()[0]) > ports.HIGHEST


def test_a_port_in_use_is_passed_over(monkeypatch):
    with socket.socket() as taken:
        first = ports.free_port()
        taken.bind(("127.0.0.1", first))
        monkeypatch.setattr(ports, "LOWEST", first - 1)
        monkeypatch.setattr(ports, "HIGHEST", first + 2)
        assert ports.free_port() in (first - 1, first + 1)


def test_none_free_is_said(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports.free_port()))
        monkeypatch.setattr(ports, "LOWEST", taken.getsockname()[1])
        monkeypatch.setattr(ports, "HIGHEST", taken.getsockname()[1] + 1)
        with pytest.raises(OSError, match="no 1 free ports"):
            ports.free_port()

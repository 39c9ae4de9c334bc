"""Ports for programs that are told one."""

import socket

import pytest

from umiak.kit import ports


def test_as_many_as_asked_in_a_row():
    found = ports.free_ports(4)
    assert found == list(range(found[0], found[0] + 4))


@pytest.mark.parametrize(
    ("kernels", "ours"),
    [
        pytest.param((32768, 60999), (10000, 29999), id="Linux"),
        pytest.param((15000, 64000), (10000, 14999), id="what is left below"),
        pytest.param((1024, 20000), (20001, 29999), id="what is left above"),
        pytest.param((1024, 65535), (10000, 29999), id="nothing is left"),
    ],
)
def test_the_kernel_gives_none_of_them_to_a_connection(kernels, ours):
    found = ports.outside(range(kernels[0], kernels[1] + 1))
    assert (found[0], found[-1]) == ours


def some(monkeypatch, first: int, count: int) -> None:
    monkeypatch.setattr(ports, "outside", lambda kernels: range(first, first + count))


def test_a_port_in_use_is_passed_over_and_none_is_given_twice(monkeypatch):
    first = ports.free_ports(3)[0]
    monkeypatch.setattr(ports, "_given", set())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first + 1))
        some(monkeypatch, first, 3)
        assert {ports.free_port(), ports.free_port()} == {first, first + 2}
        with pytest.raises(OSError, match="no 1 free ports"):
            ports.free_port()

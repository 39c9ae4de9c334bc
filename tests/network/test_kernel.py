"""The tables in a real kernel, in a network namespace of the test's own: what packets do, not what rules say."""

import asyncio
import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from umiak.network.proxy import nft
from umiak.network.proxy.rules import decide
from umiak.network.proxy.services import Backend, ServicePort
from umiak.testing.patience import LONG

pytestmark = pytest.mark.root
PODS = ("10.244.0.0/16",)


def sh(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace whose loopback device has a few pod addresses."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    name = f"umiak-{uuid.uuid4().hex[:8]}"
    sh("ip", "netns", "add", name)
    try:
        sh("ip", "-n", name, "link", "set", "lo", "up")
        for i in (2, 3, 4):
            sh("ip", "-n", name, "address", "add", f"10.244.0.{i}/32", "dev", "lo")
        sh("ip", "-n", name, "route", "add", "10.96.0.0/16", "dev", "lo")
        yield name
    finally:
        sh("ip", "netns", "delete", name)


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Sockets made by this thread belong to the namespace."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/self/ns/net").open() as home, Path(f"/run/netns/{name}").open() as there:
        assert libc.setns(there.fileno(), 0x40000000) == 0
        try:
            yield
        finally:
            assert libc.setns(home.fileno(), 0x40000000) == 0


def a_port(protocol: str, ips: list[str], **more) -> ServicePort:
    wanted = {"namespace": "d", "name": "web", "port_name": "", "protocol": protocol, "port": 80, "affinity_seconds": 0}
    wanted |= {"cluster_ips": ("10.96.0.9",), "external_ips": (), "node_port": 0}
    wanted |= {"internal_local": False, "external_local": False}
    return ServicePort(**(wanted | {"backends": tuple(Backend(ip, 8080) for ip in ips)} | more))


def load(name: str, old, *ports: ServicePort):
    """Applies the change from `old` (None: from nothing) and returns the new table."""
    new = decide(ports, family="ip", pods=PODS)
    sh("ip", "netns", "exec", name, "nft", "-f", "-", text=nft.change(old, new) if old else nft.load(new))
    return new


KIND = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


async def answers(
    name: str, protocol: str, address: tuple[str, int], count: int, source: str = "10.244.0.4"
) -> set[str]:
    """Who answers at `address`: every backend says its own address. Raises OSError when nobody does."""
    loop = asyncio.get_running_loop()
    with inside(name):
        servers = [socket.socket(socket.AF_INET, KIND[protocol]) for _ in range(2)]
        clients = [socket.socket(socket.AF_INET, KIND[protocol]) for _ in range(count)]
    heard: set[str] = set()
    tasks = []
    try:
        for server, ip in zip(servers, ("10.244.0.2", "10.244.0.3"), strict=True):
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((ip, 8080))
            server.setblocking(False)
            if protocol == "tcp":
                server.listen()
            tasks.append(loop.create_task(serve(server, ip.encode(), protocol)))
        for client in clients:
            client.setblocking(False)
            client.bind((source, 0))
            async with asyncio.timeout(LONG):
                await loop.sock_connect(client, address)
                await loop.sock_sendall(client, b"?")
                heard.add((await loop.sock_recv(client, 100)).decode())
        return heard
    finally:
        for task in tasks:
            task.cancel()
        for each in (*servers, *clients):
            each.close()


async def serve(server: socket.socket, name: bytes, protocol: str) -> None:
    loop = asyncio.get_running_loop()
    if protocol == "udp":
        while True:
            _, sender = await loop.sock_recvfrom(server, 100)
            await loop.sock_sendto(server, name, sender)
    while True:
        connection, _ = await loop.sock_accept(server)
        with connection:
            await loop.sock_recv(connection, 100)
            await loop.sock_sendall(connection, name)


BOTH = {"10.244.0.2", "10.244.0.3"}


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
async def test_a_service_reaches_all_its_backends(namespace, protocol):
    load(namespace, None, a_port(protocol, sorted(BOTH)))
    assert await answers(namespace, protocol, ("10.96.0.9", 80), 30) == BOTH


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
async def test_a_change_of_backends_is_applied(namespace, protocol):
    table = load(namespace, None, a_port(protocol, sorted(BOTH)))
    table = load(namespace, table, a_port(protocol, ["10.244.0.3"]))
    assert await answers(namespace, protocol, ("10.96.0.9", 80), 5) == {"10.244.0.3"}
    load(namespace, table, a_port(protocol, sorted(BOTH)))
    assert await answers(namespace, protocol, ("10.96.0.9", 80), 30) == BOTH


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
async def test_session_affinity_keeps_a_client_with_its_backend(namespace, protocol):
    load(namespace, None, a_port(protocol, sorted(BOTH), affinity_seconds=60))
    first = await answers(namespace, protocol, ("10.96.0.9", 80), 8)
    assert len(first) == 1
    assert await answers(namespace, protocol, ("10.96.0.9", 80), 8) == first


async def test_a_service_without_backends_refuses_at_once(namespace):
    load(namespace, None, a_port("tcp", []))
    with pytest.raises(ConnectionRefusedError):
        await answers(namespace, "tcp", ("10.96.0.9", 80), 1)


async def test_a_port_that_no_service_has_refuses_at_once(namespace):
    load(namespace, None, a_port("tcp", sorted(BOTH)))
    with pytest.raises(ConnectionRefusedError):
        await answers(namespace, "tcp", ("10.96.0.9", 81), 1)


async def test_a_node_port_answers_on_the_nodes_own_addresses(namespace):
    load(namespace, None, a_port("tcp", sorted(BOTH), node_port=30080))
    assert await answers(namespace, "tcp", ("10.244.0.4", 30080), 30) == BOTH


async def test_an_endpoint_reaches_itself_through_its_service(namespace):
    load(namespace, None, a_port("tcp", ["10.244.0.2"]))
    assert await answers(namespace, "tcp", ("10.96.0.9", 80), 1, source="10.244.0.2") == {"10.244.0.2"}


async def test_removal_leaves_nothing(namespace):
    load(namespace, None, a_port("tcp", sorted(BOTH)))
    sh("ip", "netns", "exec", namespace, "nft", "-f", "-", text=nft.remove("ip"))
    assert sh("ip", "netns", "exec", namespace, "nft", "list", "ruleset") == ""

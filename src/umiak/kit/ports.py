"""Ports for programs that must be told one before they listen on it (etcd, kube-apiserver, ...).

A port that the kernel hands out (`bind` to 0) may go to anybody's next connection before the program listens. These
lie outside of the kernel's own (`ip_local_port_range`) and below the node ports of Services, so only a program that
was told the same number can take one.
"""

import random
import socket
from contextlib import ExitStack
from pathlib import Path

LOWEST, HIGHEST = 10_000, 29_999
LEAST = 1000
"""Ports that have to be left outside of the kernel's; else all are as good as any."""
TRIES = 100
KERNELS = "/proc/sys/net/ipv4/ip_local_port_range"

_given: set[int] = set()
"""No port is given twice by one process: who got it may not listen yet."""


def free_ports(count: int = 1, address: str = "127.0.0.1") -> list[int]:
    """So many ports in a row, none of them in use (etcd's second is for its peers). Raises OSError without any."""
    among, chance = outside(_kernels()), random.SystemRandom()
    for _ in range(TRIES):
        first = chance.choice(among)
        ports = list(range(first, first + count))
        if not _given.intersection(ports) and ports[-1] in among and _all_free(ports, address):
            _given.update(ports)
            return ports
    raise OSError(f"no {count} free ports in a row between {among[0]} and {among[-1]} on {address}")


def free_port(address: str = "127.0.0.1") -> int:
    return free_ports(1, address)[0]


def outside(kernels: range) -> range:
    """Of our ports those below or above the kernel's; all of them where it has taken nearly all for itself."""
    sides = range(LOWEST, min(HIGHEST + 1, kernels.start)), range(max(LOWEST, kernels.stop), HIGHEST + 1)
    side = max(sides, key=len)
    return side if len(side) >= LEAST else range(LOWEST, HIGHEST + 1)


def _kernels() -> range:
    try:
        first, last = map(int, Path(KERNELS).read_text().split())
    except (OSError, ValueError):
        return range(49152, 65536)  # of RFC 6335
    return range(first, last + 1)


def _all_free(ports: list[int], address: str) -> bool:
    with ExitStack() as held:
        for port in ports:
            probe = held.enter_context(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET))
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True

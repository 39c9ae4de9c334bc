"""Ports for programs that must be told one before they listen on it (etcd, kube-apiserver, ...).

A port that the kernel hands out (`bind` to 0) may go to anybody's next connection before the program listens. These
lie below the kernel's own (`ip_local_port_range`) and below the node ports of Services, so only a program that was
told the same number can take one.
"""

import random
import socket
from contextlib import ExitStack

LOWEST, HIGHEST = 10_000, 29_000
TRIES = 100


def free_ports(count: int = 1, address: str = "127.0.0.1") -> list[int]:
    """So many ports in a row, none of them in use (etcd's second is for its peers). Raises OSError without any."""
    for _ in range(TRIES):
        first = random.randrange(LOWEST, HIGHEST - count + 1)
        ports = list(range(first, first + count))
        if _all_free(ports, address):
            return ports
    raise OSError(f"no {count} free ports in a row between {LOWEST} and {HIGHEST} on {address}")


def free_port(address: str = "127.0.0.1") -> int:
    return free_ports(1, address)[0]


def _all_free(ports: list[int], address: str) -> bool:
    with ExitStack() as held:
        for port in ports:
            probe = held.enter_context(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET))
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True

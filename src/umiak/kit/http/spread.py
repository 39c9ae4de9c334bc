"""Accepts connections and gives each to the process that has fewest: the kernel's own choice is by chance, and one
process with most of the connections is as slow as if it were alone."""

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

log = logging.getLogger(__name__)
_AT_ONCE = 64
"""Connections accepted in one turn of the loop."""
_PAUSE = 0.1
"""Seconds until the next try when the process has no file numbers left."""


class Taker(Protocol):
    """Somebody who serves connections."""

    @property
    def open(self) -> int:
        """How many it has."""
        ...

    def take(self, sock: socket.socket) -> bool:
        """Takes a connection over; False when it can not at the moment."""
        ...


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=1024)
    listener.setblocking(False)
    return listener


class Spread:
    """Asks for each connection who there is to take it."""

    def __init__(self, listener: socket.socket, takers: Callable[[], Sequence[Taker]]) -> None:
        self._takers = takers
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._resume()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _resume(self) -> None:
        if self._open:
            self._loop.add_reader(self._listener.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("cannot accept connections, again in %.1f s: %s", _PAUSE, error)
                self._loop.remove_reader(self._listener.fileno())
                self._loop.call_later(_PAUSE, self._resume)
                return
            self._give(sock)

    def _give(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        for taker in sorted(self._takers(), key=lambda taker: taker.open):
            if taker.take(sock):
                return
        sock.close()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()

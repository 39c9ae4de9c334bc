"""An HTTP/1.1 server: one protocol object per connection, handlers that may answer without a task."""

import asyncio
import socket
import ssl as tls
from collections.abc import Callable, Coroutine
from itertools import islice
from math import inf
from typing import Any

import msgspec

from umiak.kit.clock import Clock, RealClock
from umiak.kit.http.connection import Connection
from umiak.kit.http.duplex import Duplex, break_off
from umiak.kit.http.exchange import Exchange, Handler, Headers, HttpRequest, Shortcut, Stream

__all__ = [
    "Duplex",
    "Exchange",
    "Handler",
    "Headers",
    "HttpRequest",
    "Limits",
    "Server",
    "Shortcut",
    "Stream",
    "plain_error",
    "serve",
]

OnError = Callable[[int, str], tuple[Headers, bytes]]
"""Makes headers and body of an answer the server gives by itself, from status and message."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds."""

    max_body: int = 3 * 1024 * 1024
    max_header_bytes: int = 1024 * 1024
    header_timeout: float = 32
    body_timeout: float = 60
    idle_timeout: float = 120
    linger: float = 0.5
    """How long to read on after refusing a request, so that the client gets to see the answer."""
    max_connections: int = 10_000
    max_pipelined: int = 32


DEFAULT_LIMITS = Limits()


def _nothing() -> None:
    """Nobody counts."""


def plain_error(status: int, message: str) -> tuple[Headers, bytes]:
    """The default for `on_error`."""
    return [("Content-Type", "text/plain; charset=utf-8")], message.encode() + b"\n"


class Server:
    """A listening server. `closing` makes every answer the last of its connection."""

    def __init__(
        self, handler: Handler, limits: Limits, on_error: OnError, clock: Clock, shortcut: Shortcut | None = None
    ) -> None:
        self.handler = handler
        self.shortcut = shortcut
        self.limits = limits
        self.on_error = on_error
        self.loop = asyncio.get_running_loop()
        self.closing = False
        self._clock = clock
        self._date = ""
        self._date_until = -inf
        self._open: set[Connection] = set()
        self._duplexes: set[Duplex] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self.on_end: Callable[[], None] = _nothing
        """Called whenever a connection has ended, or did not come about."""

    @property
    def port(self) -> int:
        """The TCP port, or 0 on a Unix socket or when closed."""
        sockets = self._listener.sockets if self._listener else ()
        name = sockets[0].getsockname() if sockets else ""
        return name[1] if isinstance(name, tuple) else 0

    @property
    def connections(self) -> int:
        """How many clients are connected, upgraded ones included."""
        return len(self._open) + len(self._duplexes)

    def date(self) -> str:
        """The Date header's line, made anew once a second."""
        now = self.loop.time()
        if now >= self._date_until:
            self._date_until = now + 1
            self._date = f"Date: {_http_date(self._clock)}\r\n"
        return self._date

    def listening(self, listener: asyncio.Server) -> None:
        self._listener = listener

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts a task and holds on to it: the loop itself keeps weak references only."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def admit(self, connection: Connection) -> bool:
        self._open.add(connection)
        if self._sweep is None:
            self._sweep = self.loop.call_later(self._tick, self._check_all)
        return self.connections <= self.limits.max_connections

    def handed_over(self, connection: Connection, duplex: Duplex) -> None:
        self._duplexes.add(duplex)
        self._open.discard(connection)
        duplex.on_close.append(lambda: self._duplex_gone(duplex))

    def _duplex_gone(self, duplex: Duplex) -> None:
        self._duplexes.discard(duplex)
        self._ended()

    def forget(self, connection: Connection) -> None:
        if connection in self._open:  # else it is a duplex now
            self._open.discard(connection)
            self._ended()

    def shed(self, count: int) -> None:
        """Makes the next answer of `count` connections their last, so that their clients connect anew."""
        for connection in islice([c for c in self._open if not c.leaving], count):
            connection.leaving = True

    def _ended(self) -> None:
        self._note_empty()
        self.on_end()

    def adopt(self, sock: socket.socket, context: tls.SSLContext | None) -> None:
        """Serves a connection that somebody else accepted."""
        self.run(self._adopt(sock, context))

    async def _adopt(self, sock: socket.socket, context: tls.SSLContext | None) -> None:
        timeout = self.limits.header_timeout if context is not None else None
        try:
            await self.loop.connect_accepted_socket(
                lambda: Connection(self), sock, ssl=context, ssl_handshake_timeout=timeout
            )
        except OSError:  # TLS errors too: the client went away, or does not speak TLS
            sock.close()
            self.on_end()

    def _note_empty(self) -> None:
        if not self.connections:
            self._empty.set()

    @property
    def _tick(self) -> float:
        shortest = min(self.limits.header_timeout, self.limits.body_timeout, self.limits.idle_timeout)
        return min(5.0, shortest / 4)

    def _check_all(self) -> None:
        """Runs every few seconds while there are connections, which is cheaper than a timer for each request."""
        now = self.loop.time()
        for connection in list(self._open):
            connection.check(now)
        self._sweep = self.loop.call_later(self._tick, self._check_all) if self._open else None

    async def close(self, grace: float = 5) -> None:
        """Stops listening, closes idle connections, waits up to `grace` seconds for the others, then breaks them."""
        self.closing = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._open):
            connection.shut_down()
        if self.connections:
            self._empty.clear()
            try:
                await asyncio.wait_for(self._empty.wait(), grace)
            except TimeoutError:
                self._break_all()
        if self._sweep is not None:
            self._sweep.cancel()

    def _break_all(self) -> None:
        for connection in list(self._open):
            break_off(connection.transport)
        for duplex in list(self._duplexes):
            duplex.abort()


async def serve(
    handler: Handler,
    host: str = "",
    port: int = 0,
    *,
    ssl: tls.SSLContext | None = None,
    limits: Limits = DEFAULT_LIMITS,
    on_error: OnError = plain_error,
    unix_socket: str = "",
    clock: Clock | None = None,
) -> Server:
    """Listens on `host` (empty: every address) and `port` (0: a free one), or on a Unix socket."""
    server = Server(handler, limits, on_error, clock or RealClock())
    await listen(server, host, port, ssl=ssl, unix_socket=unix_socket)
    return server


async def listen(
    server: Server, host: str, port: int, *, ssl: tls.SSLContext | None = None, unix_socket: str = ""
) -> None:
    """As `serve`, for a server that is there. Raises OSError."""
    settings: dict[str, Any] = {"ssl": ssl, "backlog": 1024}
    if ssl is not None:
        settings["ssl_handshake_timeout"] = server.limits.header_timeout
    if unix_socket:
        listener = await server.loop.create_unix_server(lambda: Connection(server), unix_socket, **settings)
    else:
        listener = await server.loop.create_server(lambda: Connection(server), host or None, port, **settings)
    server.listening(listener)


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _http_date(clock: Clock) -> str:
    """RFC 9110, section 5.6.7; strftime would follow the locale."""
    now = clock.now()
    return f"{_DAYS[now.weekday()]}, {now:%d} {_MONTHS[now.month - 1]} {now:%Y %H:%M:%S} GMT"

"""One request, and the ways to answer it."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from umiak.kit.http.duplex import Duplex, break_off

if TYPE_CHECKING:
    from umiak.kit.http.connection import Connection

Headers = Sequence[tuple[str, str]]

BODILESS = frozenset({204, 304})
SMALL = 64 * 1024
"""Up to this size head and body are copied into one buffer; above, the copy costs more than a second write."""


class HttpRequest(msgspec.Struct, eq=False):
    """A request with its whole body. Header names are lower case; a repeated header keeps its values in order."""

    method: str
    target: str
    """Path and query, as sent."""
    headers: dict[str, list[str]]
    body: bytes
    peer_certificate: bytes
    """DER of the client certificate that TLS verified, or empty."""
    peer_address: str
    """The client's IP address, without port."""
    http_version: str
    peer_anchor: bytes = b""
    """DER of the trusted certificate that TLS verified the client's one by, or empty."""
    notes: dict[str, Any] | None = None
    """Room to keep what follows from the header lines, found again in each request that comes on the same connection
    with the same ones; None when they came for the first time."""


class Pieces(msgspec.Struct, frozen=True):
    """A long body, made piece by piece while it is sent, so that it is never in memory as a whole."""

    size: int
    """Bytes of all pieces together."""
    make: Callable[[], Iterable[bytes]]

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.make())


def whole(body: bytes | Pieces) -> bytes:
    return b"".join(body) if isinstance(body, Pieces) else body


class Exchange:
    """How to answer one request: exactly one of `reply`, `start`, `upgrade`, `hijack` and `abort`."""

    __slots__ = ("_can_upgrade", "_connection", "_keep", "_method", "_old", "answered", "stream")

    def __init__(self, connection: "Connection", method: str, keep: bool, old: bool, can_upgrade: bool) -> None:
        self._connection = connection
        self._method = method
        self._keep = keep
        self._old = old
        self._can_upgrade = can_upgrade
        self.answered = False
        self.stream: Stream | None = None

    @property
    def client_gone(self) -> bool:
        return self._connection.lost

    def _answer(self) -> "Connection":
        if self.answered:
            raise RuntimeError("the request is answered already")
        self.answered = True
        return self._connection

    def reply(self, status: int, headers: Headers, body: bytes | Pieces = b"") -> None:
        """Answers in full. Sets Content-Length itself; to HEAD it sends that, and no body."""
        head = head_of(status, headers)
        connection = self._answer()
        keep = self._keep and not connection.leaving and not connection.server.closing
        length = "" if status in BODILESS else f"Content-Length: {len(body)}\r\n"
        data = f"{head}{connection.server.date()}{length}{self._persistence(keep)}\r\n".encode()
        if self._method == "HEAD" or status in BODILESS:
            connection.write(data)
        elif isinstance(body, Pieces):
            connection.write(data)
            connection.pour(iter(body), keep)
            return
        elif len(body) <= SMALL:
            connection.write(data + body)
        else:
            connection.write(data, body)
        connection.finished(keep)

    def start(self, status: int, headers: Headers) -> "Stream":
        """Answers bit by bit: in chunks, or up to the connection's end for HTTP/1.0, or plainly when the
        headers give a Content-Length, which the caller then has to keep."""
        head = head_of(status, headers)
        connection = self._answer()
        measured = any(name.lower() == "content-length" for name, _ in headers)
        chunked = not measured and not self._old
        keep = self._keep and (measured or chunked) and not connection.leaving and not connection.server.closing
        framing = "Transfer-Encoding: chunked\r\n" if chunked else ""
        connection.write(f"{head}{connection.server.date()}{framing}{self._persistence(keep)}\r\n".encode())
        self.stream = Stream(connection, chunked, keep, silent=self._method == "HEAD")
        connection.streaming = self.stream
        if connection.lost:
            self.stream.ended()
        return self.stream

    def upgrade(self, headers: Headers) -> Duplex:
        """Answers 101 and hands over the connection. RuntimeError unless the request asked for an upgrade."""
        head = head_of(101, [("Connection", "Upgrade"), *headers])
        duplex = self.hijack()
        duplex.write(f"{head}\r\n".encode())
        return duplex

    def hijack(self) -> Duplex:
        """Hands over the connection, with nothing written. RuntimeError unless the request asked for an upgrade."""
        if not self._can_upgrade:
            raise RuntimeError("the request did not ask for an upgrade")
        return self._answer().hand_over()

    def abort(self) -> None:
        """Breaks the connection instead of answering."""
        break_off(self._answer().transport)

    def _persistence(self, keep: bool) -> str:
        if not keep:
            return "Connection: close\r\n"
        return "Connection: keep-alive\r\n" if self._old else ""


class Stream:
    """An answer that is written bit by bit, from anywhere; it ends with `close` or with the client."""

    __slots__ = ("_chunked", "_connection", "_keep", "_silent", "closed", "on_close")

    def __init__(self, connection: "Connection", chunked: bool, keep: bool, silent: bool) -> None:
        self._connection = connection
        self._chunked = chunked
        self._keep = keep
        self._silent = silent
        self.closed = False
        self.on_close: list[Callable[[], None]] = []
        """Called once when the stream ends, whoever ended it."""

    @property
    def buffered(self) -> int:
        """Bytes written but not yet handed to the network."""
        return 0 if self.closed else self._connection.transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        if self.closed or self._silent or not data:
            return
        if not self._chunked:
            self._connection.write(data)
        elif len(data) <= SMALL:
            self._connection.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._connection.write(b"%x\r\n" % len(data), data, b"\r\n")

    async def drain(self) -> None:
        """Waits until the send buffer has room; returns at once when the stream is closed."""
        if not self.closed:
            await self._connection.gate.wait()

    def close(self) -> None:
        """Ends the answer properly."""
        if self.closed:
            return
        if self._chunked and not self._silent:
            self._connection.write(b"0\r\n\r\n")
        self.ended()
        self._connection.finished(self._keep)

    def abort(self) -> None:
        """Breaks the connection, so that the client sees the answer is not whole."""
        if not self.closed:
            break_off(self._connection.transport)

    def ended(self) -> None:
        """For the connection: there is no more to write."""
        if self.closed:
            return
        self.closed = True
        callbacks, self.on_close = self.on_close, []
        for callback in callbacks:
            callback()


Handler = Callable[[HttpRequest, Exchange], Awaitable[None] | None]
"""Answers a request. What it returns, if anything, runs as a task that is cancelled when the client goes away."""


Shortcut = Callable[[str, dict[str, Any]], tuple[bytes, bytes] | None]
"""Answers a GET from its target and the notes on its header lines alone: (status line and header lines, body), or None
to have the handler asked. Content-Length and Date are added."""


_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


def head_of(status: int, headers: Headers) -> str:
    """Status line and header lines; ValueError on a line break within a header."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a header contains a line break")
    return (_STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown\r\n") + lines

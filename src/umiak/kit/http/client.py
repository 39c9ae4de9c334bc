"""An HTTP/1.1 client for one server: keep-alive connections, streams and upgrades.

A request that meets a connection the server has just closed is sent again, once, when doing it twice does no harm. Most
requests find an idle connection, and most answers come in one piece: those need neither a timer nor the parser.
"""

import asyncio
import re
import ssl as tls
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from math import inf
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

from umiak.kit.http.duplex import Duplex, Gate, break_off, inbox

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
HIGH_WATER = 1024 * 1024
"""Unread bytes of a streamed answer above which the server is made to wait."""
MAX_IDLE = 50.0
"""Seconds after which an idle connection is not used again, as the server may be closing it just then."""
MAX_HEAD = 1024 * 1024
PLAIN = re.compile(rb"HTTP/1\.1 2\d\d [ -~]*(?:\r\n[!#-'*+.0-9A-Z^_`a-z|~-]+:[\t -~]*)*")
"""A head that means what it seems to."""
LENGTH = re.compile(rb"\r\ncontent-length:[\t ]*(\d{1,18})(?=[\t ]*(?:\r|\Z))", re.IGNORECASE)
UNUSUAL = re.compile(rb"\r\n(?:transfer-encoding|connection|upgrade):", re.IGNORECASE)
"""Headers that the parser has to heed."""
MAX_SENT = 16
"""So many sets of headers are remembered as they are sent."""
Sent = Mapping[str, str] | Sequence[tuple[str, str]]
"""Headers of a request; pairs where one comes more than once."""
Headers = Mapping[str, str]
"""Names in lower case; the values of a repeated header are joined by commas."""


class HttpError(Exception):
    """No whole answer came: no connection, a broken one, not HTTP, or too late. The cause is chained."""


class Stale(HttpError):
    """The connection was closed before a byte of the answer came."""


class _Connection(asyncio.BufferedProtocol):
    """One connection; answers one request at a time."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.lost = False
        self.idle_since = 0.0
        self._inbox = inbox()
        self._parser: Any = None
        self.answer: _Answer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._inbox

    def buffer_updated(self, nbytes: int) -> None:
        answer = self.answer
        if answer is None or (answer.complete and self._parser is None):  # nothing was asked
            break_off(self.transport)
            return
        data = self._inbox[:nbytes]
        if self._parser is None:
            if answer.take_whole(bytes(data)):
                return
            self._parser = answer.parser = httptools.HttpResponseParser(answer)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            answer.switched(bytes(data[upgrade.args[0] :]))
        except httptools.HttpParserError as error:
            answer.fail(HttpError(f"malformed HTTP response: {error}"))
            break_off(self.transport)

    def eof_received(self) -> None:
        """The server is done; returning None closes our side too."""

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = True
        self.gate.open()
        if self.answer is not None:
            self.answer.connection_lost(exc)

    def pause_writing(self) -> None:
        self.gate.close()

    def resume_writing(self) -> None:
        self.gate.open()

    def ask(self, method: str, data: bytes, streamed: bool) -> "_Answer":
        self.answer = answer = _Answer(self, method, streamed)
        self.transport.write(data)
        return answer

    def free(self) -> None:
        self.answer = self._parser = None


class Head(Mapping[str, str]):
    """The headers of a head that is PLAIN, read when somebody wants to know."""

    __slots__ = ("_head", "_read")

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._read: dict[str, str] | None = None

    def _headers(self) -> dict[str, str]:
        if self._read is None:
            self._read = {}
            for line in self._head.decode("ascii").split("\r\n")[1:]:
                name, _, value = line.partition(":")
                _add(self._read, name, value.lstrip(" \t"))
        return self._read

    def __getitem__(self, name: str) -> str:
        return self._headers()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers())

    def __len__(self) -> int:
        return len(self._headers())


def _add(headers: dict[str, str], name: str, value: str) -> None:
    key = name.lower()
    headers[key] = f"{headers[key]}, {value}" if key in headers else value


class _Answer:
    """What is known of an answer so far; the parser calls the `on_` methods."""

    def __init__(self, connection: _Connection, method: str, streamed: bool) -> None:
        self.connection = connection
        self.status = 0
        self._parsed: dict[str, str] = {}
        self.headers: Headers = self._parsed
        self.complete = False
        self.reusable = False
        self.unread = b""
        self.parser: Any = None
        self.deadline = inf
        """When it is late, by the event loop's clock; it is allowed `timeout` seconds."""
        self.timeout = inf
        self._method = method
        self._streamed = streamed
        self._begun = False
        self._head_done = False
        self._head_bytes = 0
        self._pieces: list[bytes] = []
        self._held = False
        self._error: HttpError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def take_whole(self, data: bytes) -> bool:
        """Takes an answer that has come in one piece and says so plainly; False when it has to be parsed."""
        head, _, body = data.partition(b"\r\n\r\n")
        if self._streamed or self._method == "HEAD" or len(head) > MAX_HEAD or not PLAIN.fullmatch(head):
            return False
        lengths = LENGTH.findall(head)
        status = int(head[9:12])
        if UNUSUAL.search(head) or len(lengths) != 1 or int(lengths[0]) != len(body) or (body and status == 204):
            return False
        self.status, self.headers, self._pieces = status, Head(head), [body]
        self._begun = self._head_done = self.complete = self.reusable = True
        self._wake()
        return True

    # Parser callbacks

    def on_message_begin(self) -> None:
        self._begun = True
        self.headers = self._parsed = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD:
            raise ValueError("too many response headers")
        if not self._head_done:  # else it is a trailer
            _add(self._parsed, name.decode("ascii"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return
        self.status = status
        self._head_done = True
        if self._method == "HEAD":  # the parser would wait for the body that the length announces
            self.complete = True
        if self._streamed or self.complete:
            self._wake()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        if self._streamed:
            self._wake()
            if not self._held and sum(map(len, self._pieces)) > HIGH_WATER:
                self._held = True
                self.connection.transport.pause_reading()

    def on_message_complete(self) -> None:
        if not self.status:  # 100 Continue and its like: the answer is still to come
            return
        self.complete = True
        self.reusable = self.parser.should_keep_alive() and self.status != 101
        self._wake()

    # Ends

    def switched(self, rest: bytes) -> None:
        self.unread = rest
        self.complete = True
        self._wake()

    def fail(self, error: HttpError) -> None:
        if self._error is None and not self.complete:
            self._error = error
            self._wake()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.complete:
            return
        unmeasured = "content-length" not in self.headers and "transfer-encoding" not in self.headers
        if self._head_done and unmeasured and exc is None:
            self.complete = True  # an answer that ends with its connection
            self._wake()
        elif self._begun:
            self.fail(HttpError("the server closed the connection in the middle of its answer"))
        else:
            self.fail(Stale(f"the server closed the connection: {exc}" if exc else "the server closed the connection"))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # For the client

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
        if self._error is not None:
            raise self._error

    async def head(self) -> None:
        while not self._head_done:
            await self._wait()

    async def body(self) -> bytes:
        while not self.complete:
            await self._wait()
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    async def piece(self) -> bytes:
        """What has come since the last call, b"" at the end."""
        while not self._pieces:
            if self.complete:
                return b""
            await self._wait()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._held:
            self._held = False
            if not self.connection.lost:
                self.connection.transport.resume_reading()
        return data


class Streamed:
    """An answer whose body is still coming. Iterate it; leave the `async with` block to close it."""

    def __init__(self, client: "HttpClient", answer: _Answer) -> None:
        self._client = client
        self._answer = answer
        self.status = answer.status
        self.headers = answer.headers

    async def __aenter__(self) -> "Streamed":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._answer.piece():
            yield data

    async def read(self) -> bytes:
        """The rest of the body."""
        return b"".join([piece async for piece in self])

    def close(self) -> None:
        self._client.release(self._answer)


def _late(timeout: float) -> HttpError:
    return HttpError(f"no answer within {timeout:g} s")


def _pairs(headers: Sent | None) -> list[tuple[str, str]]:
    return list(headers.items() if isinstance(headers, Mapping) else headers or ())


class HttpClient:
    """Speaks to the server at `base_url` (scheme, host, port and an optional path prefix), or on a Unix socket.

    Every method raises HttpError when no answer came.
    """

    def __init__(
        self,
        base_url: str,
        ssl: tls.SSLContext | None = None,
        max_connections: int = 64,
        unix_socket: str = "",
        *,
        server_name: str = "",
        connect_timeout: float = 10,
    ) -> None:
        url = urlsplit(base_url)
        self._tls = ssl if ssl is not None or url.scheme != "https" else tls.create_default_context()
        self._address = url.hostname or "localhost"
        self._port = url.port or (443 if self._tls else 80)
        self._prefix = url.path.rstrip("/")
        self._host = url.netloc.rpartition("@")[2] or "localhost"
        self._unix_socket = unix_socket
        self._server_name = server_name
        self._connect_timeout = connect_timeout
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()
        self._turns = asyncio.Semaphore(max_connections)
        self._closed = False
        self._sent: dict[tuple[tuple[str, str], ...], str] = {}
        self._next_look = inf
        self._timer: asyncio.TimerHandle | None = None

    async def request(
        self, method: str, target: str, headers: Sent | None = None, body: bytes = b"", timeout: float = 60
    ) -> tuple[int, Headers, bytes]:
        """Status, headers and the whole body."""
        data = self._head(method, target, headers, body) + body
        idle = None if self._turns.locked() else self._reuse()
        if idle is not None:
            async with self._turns:
                try:
                    return await self._request_on(idle, method, data, timeout)
                except Stale:
                    if method not in IDEMPOTENT:
                        raise
        try:
            async with asyncio.timeout(timeout), self._turns:
                return await self._request(method, data)
        except TimeoutError as error:
            raise _late(timeout) from error

    async def _request_on(
        self, connection: _Connection, method: str, data: bytes, timeout: float
    ) -> tuple[int, Headers, bytes]:
        self._busy.add(connection)
        answer = connection.ask(method, data, streamed=False)
        self._heed(answer, timeout)
        try:
            body = await answer.body()
        finally:
            self.release(answer)
        return answer.status, answer.headers, body

    def _heed(self, answer: _Answer, timeout: float) -> None:
        """One timer goes for all: it looks for late answers when the first of them would be late."""
        loop = asyncio.get_running_loop()
        answer.timeout, answer.deadline = timeout, loop.time() + timeout
        if answer.deadline < self._next_look:
            self._look_at(answer.deadline, loop)

    def _look_at(self, when: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next_look, self._timer = when, loop.call_at(when, self._look, loop) if when < inf else None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        asked = [connection.answer for connection in self._busy if connection.answer is not None]
        now = loop.time()
        for answer in asked:
            if answer.deadline <= now:
                answer.fail(_late(answer.timeout))
        self._look_at(min((answer.deadline for answer in asked if answer.deadline > now), default=inf), loop)

    async def _request(self, method: str, data: bytes) -> tuple[int, Headers, bytes]:
        answer = await self._ask(method, data, streamed=False)
        try:
            data = await answer.body()
        finally:
            self.release(answer)
        return answer.status, answer.headers, data

    async def stream(
        self, method: str, target: str, headers: Sent | None = None, body: bytes = b"", timeout: float = 60
    ) -> Streamed:
        """Returns when the head has come, within `timeout`; streams do not count for max_connections."""
        try:
            async with asyncio.timeout(timeout):
                data = self._head(method, target, headers, body) + body
                return Streamed(self, await self._ask(method, data, streamed=True))
        except TimeoutError as error:
            raise _late(timeout) from error

    async def upgrade(
        self, method: str, target: str, headers: Sent, body: bytes = b"", timeout: float = 60
    ) -> tuple[int, Headers, Duplex]:
        """Asks for another protocol, which `headers` name in `Upgrade`. On any status but 101 the duplex is closed
        already, and what can be read from it is the body of the refusal."""
        headers = [("Connection", "Upgrade"), *_pairs(headers)]
        try:
            async with asyncio.timeout(timeout):
                answer = await self._ask(method, self._head(method, target, headers, body) + body, streamed=True)
                if answer.status == 101:
                    return 101, answer.headers, self._take_over(answer)
                refusal = b"".join([piece async for piece in Streamed(self, answer)])
                self.release(answer)
                ended = Duplex(answer.connection.transport, refusal)
                ended.connection_lost(None)
                return answer.status, answer.headers, ended
        except TimeoutError as error:
            raise _late(timeout) from error

    def _take_over(self, answer: _Answer) -> Duplex:
        connection = answer.connection
        self._busy.discard(connection)
        duplex = Duplex(connection.transport, answer.unread, connection.gate)
        if connection.lost:
            duplex.connection_lost(None)
        else:
            duplex.start()
        return duplex

    async def close(self) -> None:
        """Breaks everything that is still going on."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        connections = [*self._idle, *self._busy]
        self._idle.clear()
        for connection in connections:
            break_off(connection.transport)
        await asyncio.sleep(0)

    def _head(self, method: str, target: str, headers: Sent | None, body: bytes) -> bytes:
        lines = self._lines(tuple(_pairs(headers)))
        if "\n" in target or "\r" in target or " " in target:
            raise ValueError("a line break in the target")
        length = f"Content-Length: {len(body)}\r\n" if body or method in ("POST", "PUT", "PATCH") else ""
        return f"{method} {self._prefix}{target} HTTP/1.1\r\nHost: {self._host}\r\n{length}{lines}\r\n".encode()

    def _lines(self, pairs: tuple[tuple[str, str], ...]) -> str:
        """Headers as they are sent. Most requests of one client have the same."""
        found = self._sent.get(pairs)
        if found is None:
            found = "".join([f"{name}: {value}\r\n" for name, value in pairs])
            if found.count("\n") != len(pairs):
                raise ValueError("a line break in a header")
            if len(self._sent) >= MAX_SENT:
                self._sent.clear()
            self._sent[pairs] = found
        return found

    async def _ask(self, method: str, data: bytes, streamed: bool) -> _Answer:
        """Sends on an idle connection, else on a new one; waits for the head. A stale connection earns a second try."""
        connection = self._reuse()
        if connection is not None:
            try:
                return await self._ask_on(connection, method, data, streamed)
            except Stale:
                if method not in IDEMPOTENT:
                    raise
        return await self._ask_on(await self._connect(), method, data, streamed)

    async def _ask_on(self, connection: _Connection, method: str, data: bytes, streamed: bool) -> _Answer:
        self._busy.add(connection)
        answer = connection.ask(method, data, streamed)
        try:
            await answer.head()
        except BaseException:
            self.release(answer)
            raise
        return answer

    def _reuse(self) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.lost or connection.transport.is_closing():
                continue
            if now - connection.idle_since < MAX_IDLE:
                return connection
            break_off(connection.transport)
        return None

    async def _connect(self) -> _Connection:
        if self._closed:
            raise HttpError("the client is closed")
        loop = asyncio.get_running_loop()
        name = (self._server_name or self._address) if self._tls else None
        try:
            async with asyncio.timeout(self._connect_timeout):
                if self._unix_socket:
                    made = await loop.create_unix_connection(
                        _Connection, self._unix_socket, ssl=self._tls, server_hostname=name
                    )
                else:
                    made = await loop.create_connection(
                        _Connection, self._address, self._port, ssl=self._tls, server_hostname=name
                    )
        except TimeoutError as error:
            raise HttpError(f"no connection to {self._host} within {self._connect_timeout:g} s") from error
        except (OSError, tls.SSLError) as error:
            raise HttpError(f"no connection to {self._host}: {error}") from error
        return made[1]

    def release(self, answer: _Answer) -> None:
        """Keeps the connection for the next request when the answer was read to its end, else closes it."""
        connection = answer.connection
        if connection not in self._busy:
            return
        self._busy.discard(connection)
        if answer.complete and answer.reusable and not connection.lost and not self._closed:
            connection.free()
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            break_off(connection.transport)

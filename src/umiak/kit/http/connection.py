"""One client's connection: parses requests, hands them to the handler in order, keeps the limits.

llhttp (httptools) refuses what request smuggling needs: several or malformed lengths, a length together with a
transfer encoding, folded lines, stray control characters, bare line feeds. This module adds the limits and the rest.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Iterator
from math import inf
from typing import TYPE_CHECKING, Any, cast

import httptools

from umiak.kit.http.duplex import GONE, Duplex, Gate, anchor_of, break_off, certificate_of, inbox, peer_of
from umiak.kit.http.exchange import SMALL, Exchange, HttpRequest, Stream
from umiak.kit.http.repeats import KEY, Usual, usual

if TYPE_CHECKING:
    from umiak.kit.http.server import Server

log = logging.getLogger(__name__)


class Connection(asyncio.BufferedProtocol):
    """Parses requests, hands them to the handler one after the other, keeps the limits."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.gate = Gate()
        self._inbox = inbox()
        self.lost = False
        self.leaving = False
        """Whether the next answer is the last."""
        self.streaming: Stream | None = None
        self.deadline = inf
        self._unsent = 0
        self._parser: Any = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[HttpRequest, bool, bool]] = deque()
        self._current: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._advancing = False
        self._refusal: tuple[int, str] | None = None
        self._refused = False
        self._owes_continue = False
        self._reading = False
        self._held_back: bytearray | None = None
        self._paused_reading = False
        self._pouring: tuple[Iterator[bytes], bool] | None = None
        self._usual: dict[bytes, Usual] = {}
        self._plain: HttpRequest | None = None

    # Transport callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._address = peer_of(transport)
        self._certificate = certificate_of(transport)
        self._anchor = anchor_of(transport) if self._certificate else b""
        self.deadline = self.server.loop.time() + self.server.limits.header_timeout
        if not self.server.admit(self):
            self._parser = None
            self._refusal = (503, "too many connections")
            self._advance()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._inbox

    def buffer_updated(self, nbytes: int) -> None:
        self._take(self._inbox[:nbytes])

    def _take(self, data: memoryview) -> None:
        if self._held_back is not None:
            self._hold_back(data)
            return
        parser = self._parser
        if parser is None:  # nothing more is wanted; what still comes is thrown away
            return
        if self._usual and not self._reading and self._is_usual(bytes(data)):
            return
        self._plain, is_first = None, not self._reading
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade_asked(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._malformed(error)
        if self._reading and not self._head_done:
            self._bound_unfinished_head(len(data))
        if self._plain is not None and is_first and not self._reading:
            self._learn(bytes(data), self._plain)
        self._advance()

    def _learn(self, data: bytes, request: HttpRequest) -> None:
        found = usual(data, request.headers)
        if found is not None:
            self._usual[data[:KEY]] = found

    def _is_usual(self, data: bytes) -> bool:
        """Takes a request that needs no parsing."""
        usual = self._usual.get(data[:KEY])
        if usual is None:
            return False
        headers, body = usual.headers, b""
        if usual.rest:
            if (found := usual.with_body(data)) is None or len(found[1]) > self.server.limits.max_body:
                return False
            target, body = found
            headers = {**headers, "content-length": [str(len(body))]}
        elif not (target := usual.target(data)):
            return False
        elif usual.method == b"GET" and usual.notes and self._cut_short(target, usual.notes):
            return True
        who = self._certificate, self._address, "1.1", self._anchor
        request = HttpRequest(usual.method.decode(), target, headers, body, *who, usual.notes)
        self._waiting.append((request, True, False))
        self._advance()
        return True

    def _cut_short(self, target: str, notes: dict[str, Any]) -> bool:
        """Answers without asking the handler, where that is known to be the same, the answer can go out now, and
        another request may follow it."""
        server = self.server
        if self._current is not None or self._waiting or self.gate.paused or self.leaving or server.closing:
            return False
        if server.shortcut is None or (found := server.shortcut(target, notes)) is None:
            return False
        head, body = found
        framing = server.date().encode(), len(body)
        self.transport.write(b"%b%bContent-Length: %d\r\n\r\n%b" % (head, *framing, body))
        self.deadline = server.loop.time() + server.limits.idle_timeout
        return True

    def eof_received(self) -> None:
        """A client that closes its side is taken as gone, as net/http does; returning None closes ours."""

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = True
        self.transport = GONE
        self.server.forget(self)
        self.gate.open()
        self._waiting.clear()
        self._parser = self._pouring = None
        if self._task is not None:
            self._task.cancel()
        if self.streaming is not None:
            self.streaming.ended()

    def pause_writing(self) -> None:
        self.gate.close()

    def resume_writing(self) -> None:
        self.gate.open()
        self._pour()
        self._advance()

    # Parser callbacks

    def on_message_begin(self) -> None:
        self._reading = True
        self._target = b""
        self._headers: dict[str, list[str]] = {}
        self._head_bytes = self._head_received = 0
        self._pieces: list[bytes] = []
        self._body_bytes = 0
        self._head_done = False
        self._bodied_upgrade = False
        self.deadline = self.server.loop.time() + self.server.limits.header_timeout

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + 4)
        if self._head_done:  # a trailer: counted, and dropped, so that it can not pose as a header
            return
        key = _NAMES.get(name) or _lower(name)
        found = self._headers.get(key)
        if found is None:
            self._headers[key] = [_text(value)]
        else:
            found.append(_text(value))

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.server.limits.max_header_bytes:
            self._refuse(431, "request header fields too large")

    def _bound_unfinished_head(self, size: int) -> None:
        """The parser keeps an unfinished line to itself, so what came in since the request began is counted too."""
        self._head_received += size
        if self._head_received > 2 * self.server.limits.max_header_bytes and self._parser is not None:
            self._parser = None
            self._refusal = (431, "request header fields too large")

    def on_headers_complete(self) -> None:
        self._head_done = True
        headers = self._headers
        self._version = version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._refuse(505, "HTTP version not supported")
        hosts = headers.get("host")
        if (hosts is None and version == "1.1") or (hosts is not None and len(hosts) > 1):
            self._refuse(400, "missing required Host header" if hosts is None else "too many Host headers")
        if "content-length" in headers or "transfer-encoding" in headers:
            self._body_announced(headers)
        if "expect" in headers:
            self._expected(headers["expect"])

    def _body_announced(self, headers: dict[str, list[str]]) -> None:
        if "transfer-encoding" in headers:
            if self._version == "1.0":
                self._refuse(400, "transfer encoding in an HTTP/1.0 request")
            if [v.lower() for v in headers["transfer-encoding"]] != ["chunked"]:
                self._refuse(501, "unsupported transfer encoding")
        elif int(headers["content-length"][0]) > self.server.limits.max_body:
            self._too_large()
        elif int(headers["content-length"][0]) == 0:
            return
        self._bodied_upgrade = self._parser.should_upgrade()
        self.deadline = self.server.loop.time() + self.server.limits.body_timeout

    def _expected(self, expect: list[str]) -> None:
        if [v.lower() for v in expect] != ["100-continue"]:
            self._refuse(417, "unknown expectation")
        self._owes_continue = self._version == "1.1"
        if self._current is None and not self._waiting:
            self._say_continue()

    def _say_continue(self) -> None:
        if self._owes_continue:
            self._owes_continue = False
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._body_bytes += len(body)
        if self._body_bytes > self.server.limits.max_body:
            self._too_large()

    def on_message_complete(self) -> None:
        if self._bodied_upgrade:  # llhttp stops before the body of an upgrade request; see _upgrade_asked
            return
        parser = self._parser
        method = _METHODS.get(parser.get_method()) or parser.get_method().decode("ascii")
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        request = HttpRequest(
            method,
            self._path(method),
            self._headers,
            body,
            self._certificate,
            self._address,
            self._version,
            self._anchor,
        )
        keep, upgrade = parser.should_keep_alive(), parser.should_upgrade()
        if not keep and not upgrade:
            self._parser = None
        self._waiting.append((request, keep, upgrade))
        if keep and not upgrade and self._version == "1.1" and not self._headers.keys() & _UNUSUAL:
            self._plain = request
        self._reading = self._owes_continue = False

    def _path(self, method: str) -> str:
        """The target in origin form; an absolute one loses scheme and host (RFC 9112, section 3.2.2)."""
        target = _text(self._target)
        if target.startswith("/") or target == "*":
            return target
        scheme, found, rest = target.partition("://")
        if method == "CONNECT" or not found or scheme.lower() not in ("http", "https"):
            self._refuse(400, "invalid request target")
        host, slash, path = rest.partition("/")
        if not slash and "?" in host:
            return "/?" + host.partition("?")[2]
        return "/" + path

    # Refusals

    def _refuse(self, status: int, message: str) -> None:
        """Stops the parser; the answer goes out when the earlier requests are answered."""
        self._refusal = (status, message)
        raise ValueError(message)

    def _too_large(self) -> None:
        self._refuse(413, f"Request entity too large: limit is {self.server.limits.max_body}")

    def _malformed(self, error: Exception) -> None:
        if self._parser is None:  # bytes after a request that said "Connection: close"
            return
        self._parser = None
        if self._refusal is None:
            self._refusal = (400, f"malformed HTTP request: {error}")

    def _send_refusal(self, status: int, message: str) -> None:
        self._refused = True
        headers, body = self.server.on_error(status, message)
        self._current = exchange = Exchange(self, "GET", False, False, False)
        exchange.reply(status, headers, body)

    # Upgrades

    def _upgrade_asked(self, rest: memoryview) -> None:
        """Keeps back what follows, which may be another protocol's. A request that also has a body is no upgrade:
        its body is parsed by a second parser that saw the framing headers only, else it could pose as a request."""
        if not self._bodied_upgrade:
            self._held_back = bytearray()
            self._hold_back(rest)
            return
        method, target, headers, size = self._parser.get_method(), self._target, self._headers, self._head_bytes
        framing = {n: headers[n] for n in ("content-length", "transfer-encoding") if n in headers}
        lines = "".join(f"{name}: {values[0]}\r\n" for name, values in framing.items())
        self._parser = httptools.HttpRequestParser(self)
        try:
            self._parser.feed_data(
                b"%b / HTTP/%b\r\nhost: \r\n%b\r\n" % (method, self._version.encode(), lines.encode())
            )
            self._target, self._headers, self._head_bytes = target, headers, size
            self._parser.feed_data(rest)
        except httptools.HttpParserError as error:
            self._malformed(error)

    def _hold_back(self, data: memoryview) -> None:
        assert self._held_back is not None
        self._held_back += data
        if len(self._held_back) > SMALL:
            self._pause_reading()

    def _upgrade_declined(self) -> None:
        """The handler answered in HTTP: what was kept back is HTTP too."""
        rest, self._held_back = self._held_back, None
        self._parser = httptools.HttpRequestParser(self)
        if rest:
            self._take(memoryview(rest))

    def hand_over(self) -> Duplex:
        duplex = Duplex(self.transport, bytes(self._held_back or b""), self.gate)
        self._held_back = self._parser = None
        self._current = None
        self.deadline = inf
        if self.lost:
            duplex.connection_lost(None)
        else:
            self.server.handed_over(self, duplex)
            duplex.start()
        return duplex

    # Answers

    def _advance(self) -> None:
        """Handles waiting requests while answers come at once; stops at the first that takes time."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._current is None and not self.gate.paused and self._waiting:
                self._handle(*self._waiting.popleft())
        finally:
            self._advancing = False
        if self._current is None and not self._waiting and self._refusal and not self._refused and not self.lost:
            self._send_refusal(*self._refusal)
        if len(self._waiting) >= self.server.limits.max_pipelined:
            self._pause_reading()
        elif self._paused_reading and self._held_back is None:
            self._paused_reading = False
            if not self.lost:
                self.transport.resume_reading()

    def _pause_reading(self) -> None:
        if not self._paused_reading and not self.lost:
            self._paused_reading = True
            self.transport.pause_reading()

    def _handle(self, request: HttpRequest, keep: bool, can_upgrade: bool) -> None:
        self._current = exchange = Exchange(self, request.method, keep, request.http_version == "1.0", can_upgrade)
        if not self._reading:
            self.deadline = inf
        try:
            answer = self.server.handler(request, exchange)
        except Exception as error:
            self._failed(exchange, request, error)
            return
        if answer is not None:
            self._task = self.server.run(self._run(answer, exchange, request))
        elif not exchange.answered:
            self._failed(exchange, request, None)

    async def _run(self, answer: Awaitable[None], exchange: Exchange, request: HttpRequest) -> None:
        try:
            await answer
        except asyncio.CancelledError:
            if not self.lost and not exchange.answered:
                break_off(self.transport)
            raise
        except Exception as error:
            self._failed(exchange, request, error)
        else:
            if not exchange.answered:
                self._failed(exchange, request, None)

    def _failed(self, exchange: Exchange, request: HttpRequest, error: Exception | None) -> None:
        """The handler raised `error`, or returned without an answer."""
        if self.lost:
            return
        why = "failed" if error else "gave no answer"
        log.error("handler %s: %s %s", why, request.method, request.target, exc_info=error)
        if not exchange.answered:
            headers, body = self.server.on_error(500, "Internal Server Error")
            exchange.reply(500, headers, body)
        elif exchange.stream is not None:
            exchange.stream.abort()

    def write(self, *pieces: bytes) -> None:
        if self.lost:
            return
        if len(pieces) == 1:
            self.transport.write(pieces[0])
        else:
            self.transport.writelines(pieces)

    def pour(self, pieces: Iterator[bytes], keep: bool) -> None:
        """Writes `pieces` as the client takes them, which ends the current request."""
        self._pouring = pieces, keep
        self._pour()

    def _pour(self) -> None:
        while self._pouring is not None and not self.gate.paused and not self.lost:
            pieces, keep = self._pouring
            piece = next(pieces, None)
            if piece is None:
                self._pouring = None
                self.finished(keep)
            else:
                self.transport.write(piece)
        if self._pouring is not None:
            self.deadline = self.server.loop.time() + self.server.limits.idle_timeout

    def finished(self, keep: bool) -> None:
        """The current request is answered."""
        self._current = self.streaming = self._task = None
        if self.lost:
            return
        if not keep:
            self._end()
            return
        if self._held_back is not None:
            self._upgrade_declined()
        if not self._reading:
            self.deadline = self.server.loop.time() + self.server.limits.idle_timeout
        if self._waiting or self._refusal:
            self._advance()
        elif self._reading:
            self._say_continue()

    def _end(self) -> None:
        self._parser = None
        self._held_back = None
        self._waiting.clear()
        if self._refused:  # closing with bytes unread would reset the connection under the answer
            self.deadline = self.server.loop.time() + self.server.limits.idle_timeout
            self.server.loop.call_later(self.server.limits.linger, self.transport.close)
        else:
            self.transport.close()

    # The server's say

    @property
    def idle(self) -> bool:
        return self._current is None and not self._waiting and not self._reading

    def check(self, now: float) -> None:
        """Closes the connection when its deadline is over, unless an answer is still flowing out."""
        if now < self.deadline:
            return
        unsent = self.transport.get_write_buffer_size()
        if 0 < unsent != self._unsent:
            self._unsent = unsent
            self.deadline = now + self.server.limits.idle_timeout
        else:
            break_off(self.transport)

    def shut_down(self) -> None:
        if self.idle:
            self.transport.close()


_UNUSUAL = frozenset({"transfer-encoding", "expect", "upgrade"})
"""Headers that say how to read a request in another way than most. What `connection` says the parser tells."""
_METHODS = {m.encode(): m for m in ("GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS")}
_NAMES: dict[bytes, str] = {}
_MAX_NAMES = 1024


def _lower(name: bytes) -> str:
    """A header name in lower case; the names seen first are remembered, as clients send the same ones for ever."""
    key = name.decode("ascii").lower()
    if len(_NAMES) < _MAX_NAMES:
        _NAMES[bytes(name)] = key
    return key


def _text(value: bytes) -> str:
    """Header values are UTF-8 when they can be, as Go takes them, else Latin-1, as RFC 9110 allows."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")

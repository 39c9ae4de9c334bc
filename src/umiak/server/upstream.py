"""Hands requests on to nodes, pods and services, and brings back what they answer (apimachinery's `util/proxy`)."""

import asyncio
import contextlib
import ssl
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode, urlsplit

import msgspec

from umiak.objects.errors import StatusError, bad_request, unavailable
from umiak.server.call import Call, Stream

if TYPE_CHECKING:
    from umiak.kit.http.client import HttpClient, Streamed
    from umiak.kit.http.duplex import Duplex
    from umiak.server.contract import Request

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
NOT_FORWARDED = HOP_BY_HOP | {"authorization", "host", "content-length", "accept-encoding", "expect"}
"""Accept-Encoding is ours to negotiate; who sent the request is nobody's business behind this server."""
MOST_CLIENTS = 256
"""Servers whose connections are kept."""


class Wire(Protocol):
    """Bytes both ways: a connection, or a tunnel through a WebSocket."""

    async def read(self, n: int = 65536) -> bytes: ...

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    def close(self) -> None: ...


class Place(msgspec.Struct, frozen=True):
    """A server behind this one. `tls` None means plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    """Whom the server's certificate must name, if not its host."""

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


class Upstreams:
    """HTTP clients by place; the least recently used go when there are too many."""

    def __init__(self) -> None:
        self._clients: OrderedDict[Place, HttpClient] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    def client(self, place: Place) -> "HttpClient":
        from umiak.kit.http.client import HttpClient

        found = self._clients.pop(place, None) or HttpClient(place.url, place.tls, server_name=place.server_name)
        self._clients[place] = found
        if len(self._clients) > MOST_CLIENTS:
            _, oldest = self._clients.popitem(last=False)
            task = asyncio.get_running_loop().create_task(oldest.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return found

    async def close(self) -> None:
        clients, self._clients = list(self._clients.values()), OrderedDict()
        for client in clients:
            await client.close()


def forwarded_headers(request: "Request") -> dict[str, str]:
    """What goes on to the next server, in lower case; repeated headers are joined."""
    kept = {
        name: ", ".join(values)
        for name, values in request.headers.items()
        if name not in NOT_FORWARDED and not name.startswith(("impersonate-", "x-remote-"))
    }
    if request.peer_address:
        before = request.header("x-forwarded-for")
        kept["x-forwarded-for"] = f"{before}, {request.peer_address}" if before else request.peer_address
    return kept


def is_upgrade(request: "Request") -> bool:
    return any("upgrade" in value.lower() for value in request.headers.get("connection") or ())


def query_of(request: "Request") -> str:
    """The query string as it was, or as good."""
    return urlencode([(name, value) for name, values in request.query.items() for value in values])


def unreachable(error: Exception) -> StatusError:
    return unavailable(f"error trying to reach service: {error}")


async def upgraded(call: Call, place: Place, target: str, *, method: str = "") -> None:
    """Passes an upgraded connection through as it is, SPDY or WebSocket."""
    from umiak.kit.http.client import HttpError

    headers = {**forwarded_headers(call.request), "Upgrade": call.request.header("upgrade")}
    try:
        status, answer, upstream = await call.app.upstreams.client(place).upgrade(
            method or call.request.method, target, headers, call.request.body
        )
    except HttpError as error:
        raise unreachable(error) from None
    if status != 101:
        await _refused(call, status, answer, upstream)
        return
    kept = [(k.title(), v) for k, v in answer.items() if k not in ("connection", "date", "content-length")]
    await joined(call.exchange.upgrade(kept), upstream)


async def _refused(call: Call, status: int, headers: Mapping[str, str], body: "Duplex") -> None:
    """The node said no before anything was upgraded."""
    text = b""
    while piece := await body.read():
        text += piece
    shown = [(k.title(), v) for k, v in headers.items() if k in ("content-type", "warning")]
    call.exchange.reply(status, [*call.app.common_headers(call), *shown], text)


async def joined(one: Wire, other: Wire) -> None:
    """Carries bytes both ways until either side is gone."""

    async def carry(source: Wire, sink: Wire) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read():
                sink.write(data)
                await sink.drain()

    ways = [asyncio.ensure_future(carry(one, other)), asyncio.ensure_future(carry(other, one))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wire in (one, other):
            wire.close()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def forward(call: Call, place: Place, path: str, base: str) -> None:
    """Passes a plain request through. `base` is the path in front of `path` on this server, for links in answers."""
    from umiak.kit.http.client import HttpError

    request = call.request
    if is_upgrade(request):
        await upgraded(call, place, _target(path or "/", request))
        return
    if not path and request.method in ("GET", "HEAD"):
        query = query_of(request)
        location = f"{request.path}/" + (f"?{query}" if query else "")
        call.exchange.reply(301, [*call.app.common_headers(call), ("Location", location)])
        return
    headers = {**forwarded_headers(request), "x-forwarded-uri": request.path}
    client = call.app.upstreams.client(place)
    try:
        answer = await client.stream(request.method, _target(path or "/", request), headers, request.body)
    except HttpError as error:
        raise unreachable(error) from None
    async with answer:
        await _pass_on(call, place, answer, base)


def _target(path: str, request: "Request") -> str:
    query = query_of(request)
    return f"{path}?{query}" if query else path


async def _pass_on(call: Call, place: Place, answer: "Streamed", base: str) -> None:
    from umiak.server import links

    headers = [(k.title(), v) for k, v in answer.headers.items() if k not in HOP_BY_HOP]
    if location := answer.headers.get("location"):
        headers = [(k, v) for k, v in headers if k != "Location"]
        headers.append(("Location", links.rewritten(location, base, urlsplit(place.url).netloc)))
    if links.is_html(answer.headers):
        body = links.rewritten_page(await answer.read(), base)
        call.exchange.reply(answer.status, [(k, v) for k, v in headers if k != "Content-Length"], body)
        return
    await copy(answer, call.exchange.start(answer.status, headers))


async def copy(answer: "Streamed", stream: Stream) -> None:
    """Passes the body on as it comes, no faster than it is read; what breaks off there breaks off here."""
    from umiak.kit.http.client import HttpError

    try:
        async for piece in answer:
            stream.write(piece)
            await stream.drain()
            if stream.closed:
                return
    except HttpError:
        stream.abort()
        return
    stream.close()


def split_name(name: str) -> tuple[str, str, str]:
    """(scheme, name, port) of `name`, `name:port` or `scheme:name:port`. Raises ValueError."""
    parts = name.split(":")
    if len(parts) > 3:
        raise ValueError(name)
    scheme = parts[0] if len(parts) == 3 else ""
    found = parts[1] if len(parts) == 3 else parts[0]
    port = parts[-1] if len(parts) > 1 else ""
    if not found or scheme not in ("", "http", "https"):
        raise ValueError(name)
    return scheme, found, port


def parsed_name(call: Call, what: str) -> tuple[str, str, str]:
    """(scheme, name, port) of the name in the path. Raises 400."""
    try:
        return split_name(call.name)
    except ValueError:
        import msgspec

        raise bad_request(f"invalid {what} request {msgspec.json.encode(call.name).decode()}") from None


def trusting() -> ssl.SSLContext:
    """For pods and services that speak TLS: nobody here knows their authorities."""
    from umiak.kit.tls import client_context

    return client_context(insecure=True)

"""Hands requests on to a server behind this one, with the name of who sent them (kube-aggregator's proxy handler)."""

import asyncio
import logging
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from umiak.server.aggregation.extension import Extension, dialled
from umiak.server.aggregation.identity import headers_of
from umiak.server.aggregation.places import Nowhere
from umiak.server.answer import Answer, plain
from umiak.server.call import Exchange, Stream
from umiak.server.contract import Request
from umiak.server.upstream import HOP_BY_HOP, Place, forwarded_headers, is_upgrade, joined, query_of
from umiak.server.webhooks.sender import reason

if TYPE_CHECKING:
    from umiak.kit.http.client import Streamed
    from umiak.server.app import ApiServer

log = logging.getLogger(__name__)
DISCOVERY, OTHERWISE = 5, 60
"""Seconds until an answer begins. What a server has should be known at once."""
REDIRECTED = "the backend attempted to redirect this request, which is not permitted"


def unavailable() -> Answer:
    """What is said where nobody serves; no `Status`."""
    return plain("service unavailable\n", 503)


class Passage:
    """An answer of unknown length that has begun."""

    def __init__(self, answer: "Streamed", stream: Stream) -> None:
        self._answer = answer
        self._stream = stream
        stream.on_close.append(answer.close)

    async def pass_on(self) -> None:
        """Piece by piece, as a watch wants it; ends the one when the other is gone."""
        from umiak.kit.http.client import HttpError

        stream = self._stream
        async with self._answer as answer:
            try:
                async for piece in answer:
                    stream.write(piece)
                    await stream.drain()
                    if stream.closed:
                        return
            except (HttpError, ConnectionError):
                stream.abort()
                return
        stream.close()


async def hand_on(
    app: "ApiServer", request: Request, exchange: Exchange, extension: Extension
) -> Answer | Passage | None:
    """What to answer, or how to pass on what the server answers; None when there is nothing left to do."""
    if not extension.is_available:
        return unavailable()
    await asyncio.sleep(0)  # what follows has timeouts, which need a task
    try:
        place = (await extension.places(app.objects))[0]
    except Nowhere as error:
        log.error("resolving %s: %s", "/".join(extension.group_version), error)
        return unavailable()
    except ssl.SSLError:
        return plain("unable to load root certificates: unable to parse bytes as PEM block\n", 500)
    query = query_of(request)
    target = f"{request.path}?{query}" if query else request.path
    headers = [*_forwarded_headers(app, request), *headers_of(request.user)]
    return await (_upgraded if is_upgrade(request) else _forwarded)(app, request, exchange, place, target, headers)


def _forwarded_headers(app: "ApiServer", request: Request) -> Iterator[tuple[str, str]]:
    """The body comes back as it is: so the client may say how it wants it compressed."""
    yield from ((name, value) for name, value in forwarded_headers(request).items() if name != "audit-id")
    if accepted := request.header("accept-encoding"):
        yield "accept-encoding", accepted
    yield "audit-id", app.identity(request)
    yield "x-forwarded-uri", request.path


async def _unreachable(error: Exception, place: Place) -> Answer:
    return plain(f"error trying to reach service: {reason(error, await dialled(place))}\n", 503)


async def _forwarded(
    app: "ApiServer", request: Request, exchange: Exchange, place: Place, target: str, headers: list[tuple[str, str]]
) -> Answer | Passage | None:
    from umiak.kit.http.client import HttpError

    client = app.upstreams.client(place)
    try:
        patience = DISCOVERY if request.path.strip("/").count("/") == 2 else OTHERWISE
        answer = await client.stream(request.method, target, headers, request.body, timeout=patience)
    except HttpError as error:
        return await _unreachable(error, place)
    if 300 <= answer.status < 400 and answer.headers.get("location"):
        answer.close()
        return Answer(502, REDIRECTED.encode(), "")
    kept = [(name, value) for name, value in _kept(answer.headers) if name != "Content-Length"]
    if "content-length" not in answer.headers and answer.status not in (204, 304):
        return Passage(answer, exchange.start(answer.status, kept))
    async with answer:
        try:
            exchange.reply(answer.status, kept, await answer.read())
        except HttpError as error:
            return await _unreachable(error, place)
    return None


def _kept(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name.title(), value) for name, value in headers.items() if name not in HOP_BY_HOP]


async def _upgraded(
    app: "ApiServer", request: Request, exchange: Exchange, place: Place, target: str, headers: list[tuple[str, str]]
) -> Answer | None:
    """Passes an upgraded connection through as it is, SPDY or WebSocket."""
    from umiak.kit.http.client import HttpError

    asked = [*headers, ("Upgrade", request.header("upgrade"))]
    try:
        status, found, wire = await app.upstreams.client(place).upgrade(request.method, target, asked, request.body)
    except HttpError as error:
        return await _unreachable(error, place)
    if status != 101:
        text = b""
        while piece := await wire.read():
            text += piece
        exchange.reply(status, [h for h in _kept(found) if h[0] != "Content-Length"], text)
        return None
    left = ("connection", "date", "content-length")
    await joined(exchange.upgrade([(name.title(), value) for name, value in found.items() if name not in left]), wire)
    return None

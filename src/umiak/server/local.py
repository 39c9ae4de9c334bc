"""An API server without HTTP: a client's transport straight into a server in the same process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgspec

from umiak.client.contract import Response, Unreachable
from umiak.kit.http.exchange import Pieces, whole
from umiak.server.app import ApiServer, parameters
from umiak.server.contract import Request, User


class LocalStream:
    """An endless answer; what the server writes waits here until it is read."""

    def __init__(self) -> None:
        self.closed = False
        self.on_close: list[Callable[[], None]] = []
        self.buffered = 0
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    def write(self, data: bytes) -> None:
        if not self.closed and data:
            self.buffered += len(data)
            self._pieces.put_nowait(data)

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._pieces.put_nowait(None)
        callbacks, self.on_close = self.on_close, []
        for callback in callbacks:
            callback()

    def abort(self) -> None:
        self.close()

    async def pieces(self) -> AsyncIterator[bytes]:
        while (piece := await self._pieces.get()) is not None:
            self.buffered -= len(piece)
            yield piece


class LocalExchange(msgspec.Struct):
    """Takes one answer, whole or in pieces."""

    response: "asyncio.Future[Response]"
    stream: LocalStream | None = None
    headers: list[tuple[str, str]] = msgspec.field(default_factory=list)

    @property
    def answered(self) -> bool:
        return self.response.done()

    def reply(self, status: int, headers: Any, body: bytes | Pieces = b"") -> None:
        self.headers = list(headers)
        if not self.response.done():
            self.response.set_result(Response(status, {k.lower(): v for k, v in headers}, whole(body)))

    def start(self, status: int, headers: Any) -> LocalStream:
        self.stream = LocalStream()
        self.reply(status, headers)
        return self.stream

    def upgrade(self, headers: Any) -> Any:
        raise RuntimeError("there is no connection to upgrade")

    def hijack(self) -> Any:
        raise RuntimeError("there is no connection to hand over")


class LocalTransport:
    """Implements `client.contract.Transport`; every request is taken for `user`'s."""

    def __init__(self, server: ApiServer, user: User) -> None:
        self._server = server
        self._user = user

    async def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", timeout: float = 60
    ) -> Response:
        exchange = await self._exchange(method, target, headers, body)
        if exchange.stream is None:
            return await exchange.response
        first = await exchange.response
        pieces = [piece async for piece in exchange.stream.pieces()]
        return Response(first.status, first.headers, b"".join(pieces))

    async def stream(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> AsyncIterator[bytes]:
        exchange = await self._exchange(method, target, headers, body)
        response = await exchange.response
        if response.status >= 300:
            from umiak.client.refusals import error_of  # not every refusal is a Status

            raise error_of(response, method, target)
        if exchange.stream is None:
            yield response.body
            return
        try:
            async for piece in exchange.stream.pieces():
                yield piece
        finally:
            exchange.stream.close()

    async def _exchange(
        self, method: str, target: str, headers: Mapping[str, str] | None, body: bytes
    ) -> LocalExchange:
        if self._server.is_closing:
            raise Unreachable("the server is closed")
        path, _, query = target.partition("?")
        lower = {name.lower(): [value] for name, value in (headers or {}).items()}
        exchange = LocalExchange(asyncio.get_running_loop().create_future())
        request = Request(method, path, parameters(query), lower, body, target=target)
        await self._server.serve_as(self._user, request, exchange)
        return exchange

    async def close(self) -> None:
        """Nothing to let go of: the server is the caller's."""

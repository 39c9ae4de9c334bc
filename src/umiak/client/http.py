"""Carries requests to a server over HTTP, with the credentials of a kubeconfig."""

import base64
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from umiak import __version__
from umiak.client.contract import Response, Unreachable
from umiak.client.kubeconfig import Config
from umiak.client.refusals import error_of
from umiak.kit import tls
from umiak.kit.clock import Clock, RealClock
from umiak.kit.http.client import HttpClient, HttpError
from umiak.kit.http.duplex import Duplex

TOKEN_AGE = 60.0
"""Seconds between two looks at a token file, as client-go has them."""


class HttpTransport:
    """A `client.contract.Transport` over HTTP/1.1.

    `part` names us in the User-Agent. Raises ssl.SSLError when the certificates of `config` can not be read.
    """

    def __init__(
        self, config: Config, part: str = "client", *, clock: Clock | None = None, max_connections: int = 64
    ) -> None:
        self._config = config
        self._clock = clock or RealClock()
        context = _context(config) if config.server.startswith("https:") else None
        self._http = HttpClient(config.server, context, max_connections, server_name=config.server_name)
        self._common = {"User-Agent": f"umiak-{part}/{__version__}", "Accept": "application/json"}
        self._common |= {"Impersonate-User": config.impersonate} if config.impersonate else {}
        self._token = config.token
        self._token_read = float("-inf")

    async def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", timeout: float = 60
    ) -> Response:
        try:
            return Response(*await self._http.request(method, target, self._headers(headers), body, timeout))
        except HttpError as error:
            raise Unreachable(str(error)) from error

    async def stream(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> AsyncIterator[bytes]:
        """The answer's body in pieces. Raises StatusError when the status is not 2xx, Unreachable when it breaks."""
        try:
            async with await self._http.stream(method, target, self._headers(headers), body) as answer:
                if not 200 <= answer.status < 300:
                    raise error_of(Response(answer.status, answer.headers, await answer.read()), method, target)
                async for piece in answer:
                    yield piece
        except HttpError as error:
            raise Unreachable(str(error)) from error

    async def upgrade(self, method: str, target: str, headers: Mapping[str, str]) -> tuple[Mapping[str, str], Duplex]:
        """Turns a request into a connection of another protocol; `headers` name it in Upgrade. Raises StatusError when
        the server does not switch."""
        try:
            status, answer_headers, duplex = await self._http.upgrade(method, target, self._headers(headers))
            if status == 101:
                return answer_headers, duplex
            body = b"".join([piece async for piece in _all_of(duplex)])
        except HttpError as error:
            raise Unreachable(str(error)) from error
        raise error_of(Response(status, answer_headers, body), method, target)

    async def close(self) -> None:
        await self._http.close()

    def _headers(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        found = {**self._common, **(headers or {})}
        if credentials := self._authorization():
            found.setdefault("Authorization", credentials)
        return found

    def _authorization(self) -> str:
        config = self._config
        if config.token_file and self._clock.monotonic() - self._token_read > TOKEN_AGE:
            self._read_token()
        if self._token:
            return f"Bearer {self._token}"
        if config.username:
            return "Basic " + base64.b64encode(f"{config.username}:{config.password}".encode()).decode()
        return ""

    def _read_token(self) -> None:
        """A file that can not be read leaves the last token in use; without any, the server is out of reach."""
        try:
            self._token = Path(self._config.token_file).read_text().strip()
            self._token_read = self._clock.monotonic()
        except OSError as error:
            if not self._token:
                raise Unreachable(f"can not read the token: {error}") from error


def _context(config: Config) -> ssl.SSLContext:
    return tls.client_context(config.ca_pem, config.certificate_pem, config.key_pem, insecure=config.insecure)


async def _all_of(duplex: Duplex) -> AsyncIterator[bytes]:
    while data := await duplex.read():
        yield data

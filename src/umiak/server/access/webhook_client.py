"""Asks a server beside the cluster about a token or an access: a review posted to the address in a kubeconfig.

Source: apiserver's `pkg/util/webhook`.
"""

import asyncio
import base64
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from umiak.api.configuration import Unacceptable, shown_span
from umiak.kit.backoff import Backoff
from umiak.kit.clock import Clock
from umiak.objects.types import Object

if TYPE_CHECKING:
    from umiak.client.kubeconfig import Config
    from umiak.kit.http.client import HttpClient

TRIES = 5
BACKOFF = Backoff(first=0.5, limit=10, factor=1.5)
JITTER = 0.2
WORTH_ANOTHER_TRY = frozenset({429, 500, 503, 504})
LARGEST = 3 * 1024 * 1024
HEADERS = {"content-type": "application/json", "accept": "application/json, */*", "user-agent": "kube-apiserver"}


class Unanswered(Exception):
    """The webhook gave no proper answer; the text says why, in the reference's words."""

    def __init__(self, text: str, retry: bool = False) -> None:
        super().__init__(text)
        self.retry = retry


class WebhookClient:
    """Keeps its connections. `seconds` is the longest that one try may take."""

    def __init__(self, kubeconfig: str, seconds: float, clock: Clock, dice: random.Random) -> None:
        """Raises Unacceptable when the file cannot be used. Nothing is connected yet."""
        from umiak.client.kubeconfig import ConfigError, in_cluster, load

        try:
            self._config: Config = load(kubeconfig) if kubeconfig else in_cluster()
        except ConfigError as error:
            raise Unacceptable(str(error)) from None
        self._seconds = seconds
        self._clock = clock
        self._dice = dice
        url = urlsplit(self._config.server)
        self._path = f"{url.path or '/'}?timeout={shown_span(seconds)}"
        self._base = f"{url.scheme}://{url.netloc}"
        self._client: HttpClient | None = None

    async def ask(self, review: Object) -> Object:
        """The review as it comes back. Tries again while that may help. Raises Unanswered."""
        return await asyncio.ensure_future(self._persistently(review))  # who asks may not be in a task yet

    async def _persistently(self, review: Object) -> Object:
        body = msgspec.json.encode(review)
        for attempt in range(1, TRIES):
            try:
                return await self._ask(body, review)
            except Unanswered as error:
                if not error.retry:
                    raise
            await self._clock.sleep(BACKOFF.wait(attempt) * (1 + JITTER * self._dice.random()))
        return await self._ask(body, review)

    async def _ask(self, body: bytes, review: Object) -> Object:
        return _read(await self.post(body), review)

    async def post(self, body: bytes) -> bytes:
        """What is answered to one try. Raises Unanswered."""
        from umiak.kit.http.client import HttpError
        from umiak.server.webhooks.sender import reason

        try:
            async with asyncio.timeout(self._seconds):
                client = self._connected()
                status, headers, data = await client.request("POST", self._path, self._headers(), body, self._seconds)
        except (TimeoutError, HttpError) as error:
            why = reason(error, urlsplit(self._base).netloc)
            raise Unanswered(f'Post "{self._base}{self._path}": {why}', "reset" in why) from error
        if not 200 <= status < 300:
            raise Unanswered(_refusal(status, headers.get("content-type", ""), data), status in WORTH_ANOTHER_TRY)
        return data

    def _connected(self) -> "HttpClient":
        if self._client is None:
            from umiak.kit.http.client import HttpClient
            from umiak.kit.tls import client_context

            about = self._config
            tls = client_context(about.ca_pem, about.certificate_pem, about.key_pem, insecure=about.insecure)
            trust = tls if self._base.startswith("https:") else None
            self._client = HttpClient(self._base, trust, server_name=about.server_name)
        return self._client

    def _headers(self) -> dict[str, str]:
        about = self._config
        token = Path(about.token_file).read_text().strip() if about.token_file else about.token
        if token:
            return {**HEADERS, "authorization": f"Bearer {token}"}
        if about.username:
            pair = base64.b64encode(f"{about.username}:{about.password}".encode()).decode()
            return {**HEADERS, "authorization": f"Basic {pair}"}
        return HEADERS

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _refusal(status: int, content_type: str, data: bytes) -> str:
    """The message of a Status, else what client-go makes of an answer of that kind."""
    from umiak.server.webhooks.sender import refusal

    try:
        found: Any = msgspec.json.decode(data)
    except msgspec.DecodeError:
        found = None
    if isinstance(found, dict) and found.get("kind") == "Status" and found.get("message"):
        return str(found["message"])
    return refusal(status, data, content_type)


def _read(data: bytes, review: Object) -> Object:
    if len(data) > LARGEST:
        raise Unanswered("the answer is too large")
    try:
        found: Any = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise Unanswered(f"couldn't get version/kind; json parse error: {error}") from None
    if not isinstance(found, dict):
        raise Unanswered("couldn't get version/kind; json parse error: json: cannot unmarshal the answer")
    for name, text in (("Kind", found.get("kind")), ("apiVersion", found.get("apiVersion"))):
        if not text:
            raise Unanswered(f"Object '{name}' is missing in '{data.decode(errors='replace')}'")
    if found["kind"] != review["kind"]:
        raise Unanswered(f"unable to decode {found['apiVersion']}, Kind={found['kind']} into {review['kind']}")
    return found

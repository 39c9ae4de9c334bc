"""Finds an issuer's keys: its discovery document, then its key set, both fetched over HTTPS and kept.

Source: coreos/go-oidc, `oidc.go` and `jwks.go`, whose words its errors have.
"""

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from umiak.kit.clock import Clock
from umiak.objects.go_text import quoted
from umiak.objects.types import Object

WELL_KNOWN = "/.well-known/openid-configuration"
TIMEOUT = 30
LARGEST = 1024 * 1024
REDIRECTS = 5
FRESH = 30
"""Seconds before their end at which kept keys may be fetched anew."""
MOST_FETCHES, WITHIN = 10, 10
"""Of one issuer's keys, in so many seconds: bad tokens must not make us a nuisance."""


class Unreachable(Exception):
    """The issuer gave no proper answer."""


class Fetched(msgspec.Struct, frozen=True):
    headers: Mapping[str, str]
    body: bytes


async def fetch(url: str, trust: ssl.SSLContext, token: str = "") -> Fetched:
    """A page over HTTPS. Raises Unreachable."""
    return await asyncio.ensure_future(_through_redirects(url, trust, token))  # who asks may not be in a task yet


async def _through_redirects(url: str, trust: ssl.SSLContext, token: str) -> Fetched:
    for _ in range(REDIRECTS):
        found, onwards = await _fetch(url, trust, token)
        if not onwards:
            return found
        url = urljoin(url, onwards)
    raise Unreachable(f"Get {quoted(url)}: stopped after {REDIRECTS} redirects")


async def _fetch(url: str, trust: ssl.SSLContext, token: str) -> tuple[Fetched, str]:
    from umiak.kit.http.client import HttpClient, HttpError
    from umiak.server.webhooks.sender import reason

    parts = urlsplit(url)
    if parts.scheme != "https":
        raise Unreachable(f'Get {quoted(url)}: unsupported protocol scheme "{parts.scheme}"')
    client = HttpClient(f"https://{parts.netloc}", trust)
    headers = {"accept": "*/*", "user-agent": "kube-apiserver"}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        async with asyncio.timeout(TIMEOUT), await client.stream("GET", target, headers, timeout=TIMEOUT) as answer:
            body = await _limited(answer)
    except (TimeoutError, HttpError) as error:
        raise Unreachable(f"Get {quoted(url)}: {reason(error, parts.netloc)}") from error
    finally:
        await client.close()
    if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("location"):
        return Fetched(answer.headers, body), answer.headers["location"]
    if answer.status != 200:
        raise Unreachable(f"{answer.status}: {body.decode(errors='replace')}")
    return Fetched(answer.headers, body), ""


async def _limited(answer: Any) -> bytes:
    pieces: list[bytes] = []
    async for piece in answer:
        pieces.append(piece)
        if sum(map(len, pieces)) > LARGEST:
            raise Unreachable("the answer is too large")
    return b"".join(pieces)


def decoded(fetched: Fetched, what: str) -> Object:
    """Raises Unreachable."""
    try:
        found = msgspec.json.decode(fetched.body)
    except msgspec.DecodeError as error:
        type_ = fetched.headers.get("content-type", "").partition(";")[0].strip()
        told = (
            "got Content-Type = application/json, but could not unmarshal as JSON"
            if type_ == "application/json"
            else f"expected Content-Type = application/json, got {quoted(type_)}"
        )
        raise Unreachable(f"oidc: failed to decode {what}: {told}: {error}") from None
    if not isinstance(found, dict):
        raise Unreachable(f"oidc: failed to decode {what}: not an object")
    return found


async def discover(issuer: str, discovery_url: str, trust: ssl.SSLContext) -> str:
    """Where the issuer's keys are. Raises Unreachable."""
    found = decoded(
        await fetch(discovery_url or issuer.removesuffix("/") + WELL_KNOWN, trust), "provider discovery object"
    )
    told = found.get("issuer") or ""
    if told != issuer:
        why = "issuer did not match the issuer returned by provider"
        raise Unreachable(f"oidc: {why}, expected {quoted(issuer)} got {quoted(str(told))}")
    if not found.get("jwks_uri"):
        raise Unreachable("provider did not return JWKS URL")
    return str(found["jwks_uri"])


class KeySet:
    """An issuer's keys. They are fetched when a token comes that those known do not fit, once for all who wait."""

    def __init__(self, url: str, trust: ssl.SSLContext, clock: Clock) -> None:
        self._url = url
        self._trust = trust
        self._clock = clock
        self._keys: list[Any] = []
        self._until = 0.0
        self._times: deque[float] = deque(maxlen=MOST_FETCHES)
        self._fetching: asyncio.Task[None] | None = None

    async def verify(self, token: str, algorithm: str, key_id: str) -> Object:
        """The claims of a token that one of the keys signed. Raises Unreachable, or ValueError."""
        claims = self._verified(token, algorithm, key_id)
        if claims is None and self._clock.monotonic() + FRESH > self._until:
            await self._refresh()
            claims = self._verified(token, algorithm, key_id)
        if claims is None:
            raise ValueError("failed to verify id token signature")
        return claims

    def _verified(self, token: str, algorithm: str, key_id: str) -> Object | None:
        from joserfc import jws
        from joserfc.errors import JoseError

        for key in self._keys:
            if key_id and key.kid != key_id:
                continue
            try:
                payload = jws.deserialize_compact(token, key, algorithms=[algorithm]).payload
                claims = msgspec.json.decode(payload or b"")
            except (JoseError, ValueError, msgspec.DecodeError):
                continue
            if isinstance(claims, dict):
                return claims
        return None

    async def _refresh(self) -> None:
        if self._fetching is None:
            now = self._clock.monotonic()
            if len(self._times) == MOST_FETCHES and now - self._times[0] < WITHIN:
                return
            self._times.append(now)
            self._fetching = asyncio.ensure_future(self._fetch())
            self._fetching.add_done_callback(self._done)
        await asyncio.shield(self._fetching)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # whoever waits has it

    async def _fetch(self) -> None:
        try:
            fetched = await fetch(self._url, self._trust)
        except Unreachable as error:
            raise Unreachable(f"fetching keys oidc: get keys failed {error}") from None
        try:
            found = decoded(fetched, "keys")
        except Unreachable as error:
            raise Unreachable(f"fetching keys {error}") from None
        self._keys = list(filter(None, map(_key, found.get("keys") or ())))
        self._until = self._clock.monotonic() + lifetime(fetched.headers.get("cache-control", ""))


def _key(about: Any) -> Any:
    """None for a key of a kind that is not understood, or not for signing."""
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    try:
        key = import_key(about)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return None if key.key_type == "oct" else key


def lifetime(cache_control: str) -> float:
    """Seconds that an answer may be kept; 0 when it does not say."""
    words = [word.strip().lower() for word in cache_control.split(",")]
    if "no-store" in words or "no-cache" in words:
        return 0
    found = next((m for word in words if (m := re.fullmatch(r'max-age="?(\d{1,9})"?', word))), None)
    return float(found[1]) if found else 0

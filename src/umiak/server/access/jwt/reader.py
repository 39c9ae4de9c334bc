"""Reads tokens of the configured issuers, and follows the configuration.

Source: apiserver's `plugin/pkg/authenticator/token/oidc/oidc.go`, kubeapiserver's `authenticator/config.go`.
"""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from umiak.api.configuration import Unacceptable
from umiak.kit.clock import Clock
from umiak.kit.expiring import Expiring
from umiak.kit.tls import client_context
from umiak.objects.errors import together
from umiak.objects.go_text import quoted
from umiak.objects.types import Object
from umiak.server.access.credentials import Unverified, Verified
from umiak.server.access.jwt.config import Configuration, checked, load
from umiak.server.access.jwt.distributed import Distributed
from umiak.server.access.jwt.mapping import Mapping
from umiak.server.access.jwt.provider import KeySet, Unreachable, discover
from umiak.server.bodies import go_kind
from umiak.server.contract import User
from umiak.server.keys import decoded

log = logging.getLogger(__name__)

TRY_AGAIN = 10
"""Seconds between two looks for an issuer that does not answer."""
PATIENCE = 60
"""Seconds that the issuers of a changed file may take to answer before the change is dropped."""
REMEMBERED, REMEMBERED_FOR = 4096, 10
LEEWAY = 60
"""Seconds, for the time from which a token is good."""
GOOGLE = "accounts.google.com"


def unverified_claims(token: str) -> Object | None:
    """What a token says, true or not; None when it is no token of this form."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = msgspec.json.decode(decoded(parts[1]))
    except (ValueError, msgspec.DecodeError):
        return None
    return claims if isinstance(claims, dict) else None


def issuer_of(token: str) -> str:
    """Who the token says it is from; empty when it does not."""
    found = (unverified_claims(token) or {}).get("iss")
    if found == GOOGLE:
        return f"https://{GOOGLE}"
    return found if isinstance(found, str) else ""


def header_of(token: str) -> tuple[str, str]:
    """(algorithm, key's name). Raises ValueError."""
    try:
        header = msgspec.json.decode(decoded(token.partition(".")[0]))
    except (ValueError, msgspec.DecodeError) as error:
        raise ValueError(f"oidc: malformed jwt: {error}") from None
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        raise ValueError("oidc: malformed jwt: the header has no algorithm")
    key_id = header.get("kid")
    return header["alg"], key_id if isinstance(key_id, str) else ""


def check_claims(claims: Object, audiences: Sequence[str], now: datetime) -> None:
    """Raises ValueError when the token is for others, or not of this time."""
    for name in ("iss", "sub", "nonce", "at_hash"):
        if not isinstance(claims.get(name), str | None):
            why = f"cannot unmarshal {go_kind(claims[name])} into Go struct field idToken.{name} of type string"
            raise ValueError(f"oidc: failed to unmarshal claims: json: {why}")
    told = claims.get("aud") or []
    own = [told] if isinstance(told, str) else [a for a in told if isinstance(a, str)]
    is_for_us = any(audience in own for audience in audiences)
    shown = f"[{' '.join(map(quoted, own))}]"
    if not is_for_us and len(audiences) == 1:
        raise ValueError(f"oidc: expected audience {quoted(audiences[0])} got {shown}")
    _check_times(claims, now.timestamp())
    if not is_for_us:
        raise ValueError(f"oidc: expected audience in [{' '.join(map(quoted, sorted(audiences)))}] got {shown}")


def _check_times(claims: Object, now: float) -> None:
    expiry, starts = _moment(claims.get("exp")), claims.get("nbf")
    if expiry < now:
        raise ValueError(f"oidc: token is expired (Token Expiry: {_shown(expiry)})")
    if starts is not None and now + LEEWAY < _moment(starts):
        why = f"before the nbf (not before) time: {_shown(_moment(starts))}"
        raise ValueError(f"oidc: current time {_shown(now)} {why}")


def _moment(value: Any) -> float:
    if value is None:
        return -62135596800
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("oidc: failed to unmarshal claims: json: invalid number literal")
    return int(value)


def _shown(moment: float) -> str:
    """As Go prints a local time, which is UTC on a server."""
    try:
        return f"{datetime.fromtimestamp(moment, UTC).isoformat(' ', 'seconds')[:19]} +0000 UTC"
    except (ValueError, OverflowError):
        return str(moment)


class Issuer:
    """One authenticator of the configuration. `run` looks for its keys until they are found."""

    def __init__(self, about: Object, algorithms: Sequence[str], clock: Clock) -> None:
        issuer = about["issuer"]
        self.url: str = issuer["url"]
        self.fault = f'oidc: authenticator for issuer "{self.url}" is not initialized'
        self._discovery_url: str = issuer.get("discoveryURL") or ""
        self._audiences: tuple[str, ...] = tuple(issuer["audiences"])
        self._algorithms = tuple(algorithms)
        self._mapping = Mapping(about)
        self._clock = clock
        self._trust: ssl.SSLContext = client_context(issuer.get("certificateAuthority") or "")
        self._keys: KeySet | None = None
        claim = self._mapping.groups_claim
        self._distributed = Distributed(claim, self._trust, self.verify_with, clock) if claim else None

    async def run(self) -> None:
        while self._keys is None:
            try:
                self._keys = await self.keys_of(self.url, self._discovery_url)
            except Unreachable as error:
                self.fault = f'oidc: authenticator for issuer "{self.url}" is not healthy: {error}'
                log.error("oidc authenticator: initializing plugin: %s", error)
                await self._clock.sleep(TRY_AGAIN)
        self.fault = ""

    async def keys_of(self, url: str, discovery_url: str = "") -> KeySet:
        return KeySet(await discover(url, discovery_url, self._trust), self._trust, self._clock)

    async def verify_with(self, keys: KeySet, issuer: str, token: str) -> Object:
        """The claims of a token from `issuer`. Raises ValueError, Unreachable."""
        algorithm, key_id = header_of(token)
        if algorithm not in self._algorithms:
            wanted = " ".join(map(quoted, self._algorithms))
            why = f"expected [{wanted}] got {quoted(algorithm)}"
            raise ValueError(f"oidc: id token signed with unsupported algorithm, {why}")
        try:
            claims = await keys.verify(token, algorithm, key_id)
        except (ValueError, Unreachable) as error:
            raise ValueError(f"failed to verify signature: {error}") from None
        if issuer_of(token) != issuer:
            why = f"expected {quoted(issuer)} got {quoted(issuer_of(token))}"
            raise ValueError(f"oidc: id token issued by a different provider, {why}")
        check_claims(claims, self._audiences, self._clock.now())
        return claims

    async def read(self, token: str) -> User:
        """Raises Unverified."""
        if self._keys is None:
            raise Unverified("oidc: authenticator not initialized")
        try:
            claims = await self.verify_with(self._keys, self.url, token)
        except ValueError as error:
            raise Unverified(f"oidc: verify token: {error}") from None
        if self._distributed is not None:
            try:
                await self._distributed.expand(claims)
            except (ValueError, Unreachable) as error:
                raise Unverified(f"oidc: could not expand distributed claims: {error}") from None
        return self._mapping.user(claims)


class Generation:
    """The issuers of one configuration, looked for in the background until it is stopped."""

    def __init__(self, configuration: Configuration, clock: Clock) -> None:
        self.issuers = {
            one["issuer"]["url"]: Issuer(one, configuration.algorithms, clock) for one in configuration.issuers
        }
        self._tasks = [asyncio.create_task(issuer.run()) for issuer in self.issuers.values()]
        self.users: Expiring[User] = Expiring(clock, REMEMBERED)

    @property
    def faults(self) -> list[str]:
        return [issuer.fault for issuer in self.issuers.values() if issuer.fault]

    async def settled(self) -> None:
        """Returns when all issuers have answered."""
        await asyncio.gather(*self._tasks)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


class JwtReader:
    """Satisfies `credentials.TokenReader`."""

    def __init__(
        self, configuration: Configuration, audiences: Sequence[str], own_issuers: Iterable[str], clock: Clock
    ) -> None:
        self._audiences = tuple(audiences)
        self._own_issuers = tuple(own_issuers)
        self._clock = clock
        self._first = configuration
        self._now: Generation | None = None

    def start(self) -> None:
        self._now = Generation(self._first, self._clock)

    async def stop(self) -> None:
        if self._now is not None:
            self._now.stop()

    async def read(self, token: str, audiences: Sequence[str]) -> Verified | None:
        now = self._now
        shared = tuple(audience for audience in self._audiences if audience in audiences)
        if now is None or not now.issuers or not shared:
            return None
        key = hashlib.sha256(token.encode()).digest()
        user = now.users.get(key)
        if user is None:
            issuer = now.issuers.get(issuer_of(token))
            if issuer is None:
                return None
            user = await issuer.read(token)
            now.users.put(key, user, REMEMBERED_FOR)
        return Verified(user, shared)

    async def follow(self, path: Path, known: bytes) -> None:
        """Takes over what the file says anew. Runs until cancelled."""
        from umiak.kit.following import follow

        await follow(path, known, self.changed)

    async def changed(self, data: bytes) -> None:
        """A file that is wrong, or whose issuers do not answer, changes nothing."""
        try:
            found = checked(load(data), self._own_issuers, self._first)
        except Unacceptable as error:
            log.error("failed to load authentication config: %s", error)
            return
        made = Generation(found, self._clock)
        try:
            async with asyncio.timeout(PATIENCE):
                await made.settled()
        except TimeoutError:
            log.error("failed to update authentication config: %s", together(made.faults))
            made.stop()
            return
        before, self._now = self._now, made
        if before is not None:
            before.stop()
        log.info("reloaded authentication config")

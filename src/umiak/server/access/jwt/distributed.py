"""Claims that a token does not have in it but says where to fetch: another token, from somewhere else (OpenID Connect
Core, 5.6.2).

Source: `claimResolver` in apiserver's `oidc.go`.
"""

import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from umiak.kit.clock import Clock
from umiak.objects.go_text import quoted
from umiak.objects.types import Object
from umiak.server.access.jwt.provider import KeySet, Unreachable, discover, fetch

MOST_ISSUERS = 16
Verify = Callable[[KeySet, str, str], Awaitable[Object]]
"""(keys, issuer, token) to the claims; raises ValueError."""


class Distributed:
    """Resolves one claim."""

    def __init__(self, claim: str, trust: ssl.SSLContext, verify: Verify, clock: Clock) -> None:
        self._claim = claim
        self._trust = trust
        self._verify = verify
        self._clock = clock
        self._keys: dict[str, KeySet] = {}

    async def expand(self, claims: Object) -> None:
        """Puts the claim into `claims` when they say where it is. Raises ValueError, Unreachable."""
        names = claims.get("_claim_names")
        if self._claim in claims or names is None:
            return
        sources = claims.get("_claim_sources")
        if sources is None:
            raise ValueError("oidc: no claim sources")
        if not isinstance(names, dict) or not isinstance(sources, dict):
            raise ValueError("oidc: could not parse claim sources")
        source = names.get(self._claim)
        if source is None:
            return
        if not isinstance(place := sources.get(source), dict):
            raise ValueError(f"id token _claim_names contained a source {source} missing in _claims_sources")
        if place.get("endpoint"):
            claims[self._claim] = await self._resolved(place["endpoint"], place.get("access_token") or "")

    async def _resolved(self, url: str, access_token: str) -> Any:
        from umiak.server.access.jwt.reader import issuer_of

        try:
            token = (await fetch(url, self._trust, access_token)).body.decode()
        except (Unreachable, UnicodeDecodeError) as error:
            raise ValueError(f"while getting distributed claim {quoted(self._claim)}: {error}") from None
        issuer = issuer_of(token)
        try:
            claims = await self._verify(await self._keys_of(issuer), issuer, token)
        except ValueError as error:
            raise ValueError(f"verify distributed claim token: {error}") from None
        if self._claim not in claims:
            why = f"did not contain claim: {self._claim}"
            raise ValueError(f"jwt returned by distributed claim endpoint {quoted(url)} {why}")
        return claims[self._claim]

    async def _keys_of(self, issuer: str) -> KeySet:
        found = self._keys.get(issuer)
        if found is None:
            if len(self._keys) >= MOST_ISSUERS:
                del self._keys[next(iter(self._keys))]
            url = await discover(issuer, "", self._trust)
            found = self._keys[issuer] = KeySet(url, self._trust, self._clock)
        return found

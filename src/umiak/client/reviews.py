"""Who a caller is and what it may do, as the API server says (TokenReview, SubjectAccessReview; KEP-2862).

For parts that serve something themselves and leave the judgement to the server. Answers are remembered for a while.
"""

import hashlib
from typing import Any

import msgspec

from umiak.client.contract import Client
from umiak.kit.clock import Clock
from umiak.objects.types import Object

MASTERS = "system:masters"
ALLOWED_FOR, REFUSED_FOR, TOKEN_FOR = 300.0, 30.0, 120.0  # seconds
MAX_REMEMBERED = 1024
TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class Caller(msgspec.Struct, frozen=True):
    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


class Reviews:
    """Every question raises StatusError or Unreachable when the server gives no answer."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._callers: dict[str, tuple[float, Caller | None]] = {}
        self._verdicts: dict[tuple[Any, ...], tuple[float, bool]] = {}

    async def bearer(self, authorization: str) -> Caller | None:
        """Whose token an Authorization header bears; None when it bears none that counts."""
        scheme, _, token = authorization.partition(" ")
        return await self._by_token(token) if scheme.lower() == "bearer" and token else None

    async def _by_token(self, token: str) -> Caller | None:
        key = hashlib.sha256(token.encode()).hexdigest()
        known = self._callers.get(key)
        now = self._clock.monotonic()
        if known is not None and now < known[0]:
            return known[1]
        answer = await self._ask(TOKEN_REVIEWS, "authentication.k8s.io/v1", "TokenReview", {"token": token})
        user = answer.get("user") or {}
        found = None
        if answer.get("authenticated"):
            found = Caller(user.get("username", ""), tuple(user.get("groups") or ()), user.get("uid", ""))
        _remember(self._callers, key, (now + TOKEN_FOR, found))
        return found

    async def allowed(self, caller: Caller, **attributes: dict[str, str]) -> bool:
        """`attributes` is resourceAttributes or nonResourceAttributes of a SubjectAccessReview."""
        if MASTERS in caller.groups:
            return True
        key, now = (caller, *sorted((k, *sorted(v.items())) for k, v in attributes.items())), self._clock.monotonic()
        known = self._verdicts.get(key)
        if known is not None and now < known[0]:
            return known[1]
        wanted = {"user": caller.name, "groups": list(caller.groups), "uid": caller.uid, **attributes}
        answer = await self._ask(ACCESS_REVIEWS, "authorization.k8s.io/v1", "SubjectAccessReview", wanted)
        verdict = bool(answer.get("allowed"))
        _remember(self._verdicts, key, (now + (ALLOWED_FOR if verdict else REFUSED_FOR), verdict))
        return verdict

    async def _ask(self, path: str, version: str, kind: str, spec: Object) -> Object:
        body = {"apiVersion": version, "kind": kind, "spec": spec}
        answer = await self._client.raw("POST", path, body)
        found: Object = msgspec.json.decode(answer.body)
        return found.get("status") or {}


def _remember(kept: dict, key: object, value: object) -> None:
    kept[key] = value
    if len(kept) > MAX_REMEMBERED:
        del kept[next(iter(kept))]

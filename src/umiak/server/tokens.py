"""Tokens of service accounts: issued on request, bound to a pod, secret or node, checked when they come back.

A signature is verified once and remembered; whether the account and the bound object still exist is looked up every
time, so that deleting one takes its tokens away at once. KEP-1205, KEP-4193.
"""

import base64
import hmac
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from math import inf
from typing import Any

import msgspec

from umiak.kit.clock import Clock
from umiak.objects.meta import parse_time
from umiak.objects.types import Object
from umiak.server.access.certificates import CREDENTIAL
from umiak.server.access.credentials import Unverified, Verified
from umiak.server.access.rbac import service_account_user
from umiak.server.contract import User
from umiak.server.keys import BadSignature, Keys, decoded
from umiak.store.contract import Entry, Store

LEEWAY = timedelta(minutes=1)
LEGACY_ISSUER = "kubernetes/serviceaccount"
LEGACY = "kubernetes.io/serviceaccount/"
KEPT = 4096
WARN_AFTER = 3607
"""Seconds asked for by injected volumes; such tokens last a year and only warn after this (KEP-1205)."""
EXTENDED = 365 * 24 * 3600
EXTRA, AUDIT = "authentication.kubernetes.io/", "authentication.k8s.io/"
LAST_USED, INVALID_SINCE = "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since"
GENERATED = (
    "Use tokens from the TokenRequest API or manually created secret-based tokens instead of auto-generated "
    "secret-based tokens."
)
NoteUse = Callable[[str, str, str], Awaitable[None]]
"""(namespace, name of the secret, today)."""


class Bound(msgspec.Struct, frozen=True):
    """An object that a token mentions."""

    name: str
    uid: str = ""

    def claim(self) -> Object:
        return {"name": self.name, **({"uid": self.uid} if self.uid else {})}


class Issuer:
    """Makes tokens in the name of the cluster."""

    def __init__(
        self,
        keys: Keys,
        url: str,
        audiences: Sequence[str],
        clock: Clock,
        *,
        extends: bool = True,
        longest: int = 0,
        jwks_uri: str = "",
    ) -> None:
        """`url` is the issuer; `audiences` are those of the API server itself. `extends` says whether tokens of
        injected volumes outlive what was asked for; `longest` is the most seconds that others last, 0 for no bound;
        `jwks_uri` is told in place of this server's own address."""
        self.keys = keys
        self.url = url
        self.audiences = tuple(audiences)
        self.clock = clock
        self.longest = longest
        self.jwks_uri = jwks_uri
        self._extends = extends

    def issue(
        self,
        namespace: str,
        account: Bound,
        audiences: Sequence[str],
        seconds: int,
        bound: Mapping[str, Bound],
    ) -> str:
        """A token good for `seconds`. `bound` maps pod, node or secret to the object."""
        now = int(self.clock.now().timestamp())
        about: Object = {"namespace": namespace, "serviceaccount": account.claim()}
        about.update({kind: ref.claim() for kind, ref in bound.items()})
        if self._extends and "pod" in bound and seconds == WARN_AFTER and set(audiences) <= set(self.audiences):
            about["warnafter"] = now + seconds
            seconds = EXTENDED
        times = {"iat": now, "nbf": now, "exp": now + seconds}
        named = {"iss": self.url, "sub": service_account_user(namespace, account.name), "jti": str(uuid.uuid4())}
        return self.keys.sign({**named, **times, "aud": list(audiences), "kubernetes.io": about})


class _Meta(msgspec.Struct, rename="camel"):
    uid: str
    deletion_timestamp: str | None = None
    labels: dict[str, str] | None = None


class _Found(msgspec.Struct):
    metadata: _Meta
    data: dict[str, Any] | None = None
    secrets: list[dict[str, Any]] | None = None


_FOUND = msgspec.json.Decoder(_Found)


class ServiceAccountTokens:
    """Reads the tokens that `Issuer` makes, and the everlasting ones kept in secrets of older days."""

    def __init__(
        self,
        keys: Keys,
        issuers: Sequence[str],
        audiences: Sequence[str],
        store: Store,
        clock: Clock,
        *,
        note_use: NoteUse | None = None,
        lookup: bool = True,
    ) -> None:
        """`note_use` is told of each use of an everlasting token, which `lookup` says must still be in its secret."""
        self._note_use = note_use
        self._lookup = lookup
        self._keys = keys
        self._issuers = frozenset((*issuers, LEGACY_ISSUER))
        self._audiences = tuple(audiences)
        self._store = store
        self._clock = clock
        self._signed: dict[str, Object] = {}

    async def read(self, token: str, audiences: Sequence[str]) -> Verified | None:
        claims = self._signed.get(token) or self._claims(token)
        if claims is None:
            return None
        if claims["iss"] == LEGACY_ISSUER:
            return await self._legacy(token, claims, audiences)
        own = claims.get("aud") or self._audiences
        own = (own,) if isinstance(own, str) else own
        shared = tuple(a for a in own if a in audiences)
        if not shared:
            raise Unverified(f"token audiences {_quoted(own)} is invalid for the target audiences {_quoted(audiences)}")
        self._check_times(claims)
        seen: list[Entry] = []
        user = await self._user(claims, seen)
        told = self._told_of(claims)
        return Verified(user, shared, (), told, None if told else self._lasting(claims, seen))

    def _lasting(self, claims: Object, seen: Sequence[Entry]) -> Callable[[], bool] | None:
        """As long as nothing of what the token speaks of is written or removed, up to its end or the time from which
        the audit log wants to hear of it."""
        if any(_FOUND.decode(entry.value).metadata.deletion_timestamp for entry in seen):
            return None
        about, clock, peek = claims.get("kubernetes.io") or {}, self._clock, self._store.peek
        until = min(claims.get("exp", inf), about.get("warnafter") or inf)

        def lasts() -> bool:
            return clock.now().timestamp() < until and all(peek(entry.key) is entry for entry in seen)

        return lasts

    def _told_of(self, claims: Object) -> dict[str, str] | None:
        """What the audit log should know: tokens that should have been renewed, and such as fit anywhere."""
        if not claims.get("aud"):
            return {f"{AUDIT}legacy-token": claims.get("sub") or ""}
        warn_after = (claims.get("kubernetes.io") or {}).get("warnafter")
        if not warn_after or (late := self._clock.now().timestamp() - warn_after) <= 0:
            return None
        told = f"subject: {claims.get('sub')}, seconds after warning threshold: {int(late)}"
        return {f"{AUDIT}stale-token": told}

    def _claims(self, token: str) -> Object | None:
        """The claims of a token with a good signature; None when it is not one of ours at all."""
        parts = token.split(".")
        try:
            claims = msgspec.json.decode(decoded(parts[1])) if len(parts) == 3 else None
        except (ValueError, msgspec.DecodeError):
            return None
        if not isinstance(claims, dict) or claims.get("iss") not in self._issuers:
            return None
        try:
            self._keys.verify(token)
        except BadSignature as error:
            raise Unverified(str(error)) from None
        if len(self._signed) >= KEPT:
            del self._signed[next(iter(self._signed))]
        self._signed[token] = claims
        return claims

    def _check_times(self, claims: Object) -> None:
        now = self._clock.now().timestamp()
        leeway = LEEWAY.total_seconds()
        if now + leeway < claims.get("nbf", 0):
            raise Unverified("service account token is not valid yet")
        if "exp" in claims and now - leeway > claims["exp"]:
            raise Unverified("service account token has expired")
        if now + leeway < claims.get("iat", 0):
            raise Unverified("service account token is issued in the future")

    async def _user(self, claims: Object, seen: list[Entry]) -> User:
        """Checks that all the token speaks of still lives; tells what of it was `seen`."""
        about = claims.get("kubernetes.io") or {}
        namespace, account = about.get("namespace", ""), about.get("serviceaccount") or {}
        await self._account(namespace, account.get("name", ""), account.get("uid", ""), seen)
        for kind in ("secret", "pod"):
            if bound := about.get(kind):
                await self._still_there(kind, namespace, bound, seen)
        if about.get("node") and not about.get("pod"):
            await self._still_there("node", "", about["node"], seen)
        extra = {f"{EXTRA}{kind}-{part}": (bound[part],) for kind, bound, part in _bound_parts(about)}
        if jti := claims.get("jti"):
            extra[CREDENTIAL] = (f"JTI={jti}",)
        return _account_user(namespace, account["name"], account.get("uid", ""), extra)

    async def _account(self, namespace: str, name: str, uid: str, seen: list[Entry]) -> None:
        if not name:
            raise Unverified("resource name may not be empty")
        found = await self._find("serviceaccounts", namespace, name, seen)
        if found is None:
            raise Unverified(f'serviceaccounts "{name}" not found')
        if found.metadata.uid != uid:
            raise Unverified(f"service account UID ({found.metadata.uid}) does not match claim ({uid})")
        if self._gone(found):
            raise Unverified(f"service account {namespace}/{name} has been deleted")

    async def _still_there(self, kind: str, namespace: str, bound: Object, seen: list[Entry]) -> None:
        found = await self._find(f"{kind}s", namespace, bound["name"], seen)
        if found is None:
            raise Unverified("service account token has been invalidated")
        if found.metadata.uid != bound.get("uid"):
            uids = found.metadata.uid, bound.get("uid")
            raise Unverified("{0} UID ({1}) does not match service account {0} ref claim ({2})".format(kind, *uids))
        if self._gone(found):
            raise Unverified("service account token has been invalidated")

    def _gone(self, found: _Found) -> bool:
        """Whether it was to be deleted by now; its grace period is part of its life."""
        deleted = found.metadata.deletion_timestamp
        return deleted is not None and parse_time(deleted) < self._clock.now() - LEEWAY

    async def _find(self, resource: str, namespace: str, name: str, seen: list[Entry]) -> _Found | None:
        where = f"{namespace}/{name}" if namespace else name
        entry = await self._store.get(f"/core/{resource}/{where}")
        if entry is None:
            return None
        seen.append(entry)
        return _FOUND.decode(entry.value)

    async def _legacy(self, token: str, claims: Object, audiences: Sequence[str]) -> Verified:
        """A token kept in a secret of its account; good as long as both are there."""
        shared = tuple(a for a in self._audiences if a in audiences)
        if not shared:
            told = f"token audiences {_quoted(self._audiences)} is invalid for the target audiences"
            raise Unverified(f"{told} {_quoted(audiences)}")
        kept = Legacy.read(claims)
        user = _account_user(kept.namespace, kept.account, kept.uid, {})
        if not self._lookup:
            return Verified(user, shared)
        secret = await self._find("secrets", kept.namespace, kept.secret, [])
        if secret is None or secret.metadata.deletion_timestamp is not None:
            raise Unverified("Token has been invalidated")
        if not hmac.compare_digest(_plain(secret).get("token", "").encode(), token.encode()):
            raise Unverified("Token does not match server's copy")
        is_generated = await self._legacy_account(kept)
        today = self._clock.now().strftime("%Y-%m-%d")
        labels = secret.metadata.labels or {}
        if self._note_use is not None and labels.get(LAST_USED) != today:
            await self._note_use(kept.namespace, kept.secret, today)
        if labels.get(INVALID_SINCE):
            raise Unverified(kept.told_invalid())
        word = "autogenerated" if is_generated else "manual"
        noted = {f"{AUDIT}legacy-token": claims["sub"], f"{AUDIT}legacy-token-{word}-secret": kept.secret}
        return Verified(user, shared, (GENERATED,) if is_generated else (), noted)

    async def _legacy_account(self, kept: "Legacy") -> bool:
        """Whether the account names the token's secret, so that it was once made for it. Raises Unverified."""
        account = await self._find("serviceaccounts", kept.namespace, kept.account, [])
        if account is None:
            raise Unverified(f'serviceaccounts "{kept.account}" not found')
        if account.metadata.deletion_timestamp is not None:
            raise Unverified(f"ServiceAccount {kept.namespace}/{kept.account} has been deleted")
        if account.metadata.uid != kept.uid:
            raise Unverified(f"ServiceAccount UID ({account.metadata.uid}) does not match claim ({kept.uid})")
        return any(ref.get("name") == kept.secret for ref in account.secrets or ())


class Legacy(msgspec.Struct, frozen=True):
    """What an everlasting token says (`pkg/serviceaccount/legacy.go`)."""

    namespace: str
    secret: str
    account: str
    uid: str

    @classmethod
    def read(cls, claims: Object) -> "Legacy":
        """Raises Unverified."""
        if not claims.get("sub"):
            raise Unverified("sub claim is missing")
        names = ("namespace", "secret.name", "service-account.name", "service-account.uid")
        told = ("namespace", "secretName", "serviceAccountName", "serviceAccountUID")
        found = [claims.get(LEGACY + name) or "" for name in names]
        for value, name in zip(found, told, strict=True):
            if not value:
                raise Unverified(f"{name} claim is missing")
        kept = cls(*found)
        if claims["sub"] != service_account_user(kept.namespace, kept.account):
            raise Unverified("sub claim is invalid")
        return kept

    def told_invalid(self) -> str:
        return (
            f"the token in secret {self.namespace}/{self.secret} for service account {self.namespace}/{self.account} "
            "has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or "
            f"remove the '{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
        )


def _plain(secret: _Found) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in (secret.data or {}).items() if key == "token"}


def _bound_parts(about: Object) -> list[tuple[str, Object, str]]:
    return [
        (kind, about[kind], part)
        for kind in ("pod", "node")
        if about.get(kind)
        for part in ("name", "uid")
        if about[kind].get(part)
    ]


def _account_user(namespace: str, name: str, uid: str, extra: Mapping[str, tuple[str, ...]]) -> User:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(service_account_user(namespace, name), uid, groups, extra)


def _quoted(words: Sequence[str]) -> str:
    return "[" + " ".join(f'"{word}"' for word in words) + "]"

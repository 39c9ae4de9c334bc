"""Tokens with which new nodes introduce themselves: secrets in kube-system, as kubeadm makes them.

The form is that of https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/.
"""

import base64
import hmac
import re
from collections.abc import Sequence

import msgspec

from umiak.kit.clock import Clock
from umiak.objects.meta import parse_time
from umiak.server.access.credentials import Verified, agnostic
from umiak.server.contract import User
from umiak.store.contract import Store

TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")
TYPE = "bootstrap.kubernetes.io/token"


class _Meta(msgspec.Struct, rename="camel"):
    deletion_timestamp: str | None = None


class _Secret(msgspec.Struct):
    metadata: _Meta
    type: str = ""
    data: dict[str, str] | None = None


def groups_of(text: str) -> tuple[str, ...] | None:
    """The groups of a token's bearer; None when the secret asks for one it may not."""
    extra = [group.strip() for group in text.split(",") if group.strip()]
    if not all(EXTRA_GROUP.fullmatch(group) for group in extra):
        return None
    return tuple(sorted({"system:bootstrappers", *extra}))


class BootstrapTokens:
    """Reads the token's secret anew each time: such tokens are rare and short-lived."""

    def __init__(self, store: Store, clock: Clock, audiences: Sequence[str]) -> None:
        self._store = store
        self._clock = clock
        self._audiences = tuple(audiences)

    async def read(self, token: str, audiences: Sequence[str]) -> Verified | None:
        match = TOKEN.fullmatch(token)
        entry = match and await self._store.get(f"/core/secrets/kube-system/bootstrap-token-{match[1]}")
        if not match or not entry:
            return None
        secret = msgspec.json.decode(entry.value, type=_Secret)
        data = {key: base64.b64decode(value).decode() for key, value in (secret.data or {}).items()}
        if not self._good(secret, data, match[1], match[2]):
            return None
        groups = groups_of(data.get("auth-extra-groups", ""))
        if groups is None:
            return None
        return agnostic(User(f"system:bootstrap:{match[1]}", groups=groups), self._audiences, audiences)

    def _good(self, secret: _Secret, data: dict[str, str], public: str, private: str) -> bool:
        return (
            secret.type == TYPE
            and secret.metadata.deletion_timestamp is None
            and data.get("token-id") == public
            and hmac.compare_digest(data.get("token-secret", ""), private)
            and not self._expired(data.get("expiration", ""))
            and data.get("usage-bootstrap-authentication") == "true"
        )

    def _expired(self, text: str) -> bool:
        if not text:
            return False
        try:
            return parse_time(text) <= self._clock.now()
        except ValueError:
            return True

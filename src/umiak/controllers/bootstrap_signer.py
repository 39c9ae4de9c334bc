"""Signs the public kubeconfig (ConfigMap kube-public/cluster-info) with every bootstrap token meant for that.

A machine that knows a token and nothing else can then tell whether the certificate authority it is shown is the right
one. The signature is a JWS without its content (RFC 7515, appendix F), by HMAC-SHA-256.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from umiak.api.core import configmap as configs
from umiak.api.core import secret as secrets
from umiak.controllers import _bootstrap_tokens as tokens
from umiak.controllers._act import is_code
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome

PLACE = Key("kube-public", "cluster-info")
SIGNED, PREFIX = "kubeconfig", "jws-kubeconfig-"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signature(content: str, token_id: str, token_secret: str) -> str:
    header = _encoded(msgspec.json.encode({"alg": "HS256", "kid": token_id}))
    body = f"{header}.{_encoded(content.encode())}".encode()
    return f"{header}..{_encoded(hmac.digest(token_secret.encode(), body, hashlib.sha256))}"


def signing_tokens(found: Sequence[Object], now: datetime) -> dict[str, str]:
    """Secrets by id, of tokens that may sign now."""
    chosen: dict[str, str] = {}
    for secret in found:
        name, private = tokens.value(secret, "token-id"), tokens.value(secret, "token-secret")
        may = tokens.value(secret, "usage-bootstrap-signing") == "true" and not tokens.has_expired(secret, now)
        if tokens.is_token(secret) and may and name and private and meta.name(secret) == tokens.PREFIX + name:
            chosen.setdefault(name, private)
    return chosen


def signed(data: dict[str, str], chosen: dict[str, str]) -> dict[str, str]:
    """The ConfigMap's data with signatures of just these tokens."""
    kept = {k: v for k, v in data.items() if not k.startswith(PREFIX)}
    return kept | {PREFIX + name: signature(data[SIGNED], name, private) for name, private in chosen.items()}


async def reconcile(ctx: Context, key: Key) -> Outcome:
    config = ctx.cache.get(configs.KIND, PLACE) if key == PLACE else None
    data = (config or {}).get("data") or {}
    if config is None or SIGNED not in data:
        return DONE
    wanted = signed(data, signing_tokens(ctx.cache.list(secrets.KIND, tokens.NAMESPACE), ctx.clock.now()))
    if wanted == data:
        return DONE
    try:
        await ctx.client.update(configs.KIND, {**config, "data": wanted})
    except StatusError as error:
        if not is_code(error, 404):
            raise
    return DONE


def is_place(old: Object | None, new: Object | None) -> bool:
    return new is not None and meta.key(new) == PLACE


def place_of(secret: Object, cache: Cache) -> Iterable[Key]:
    if tokens.is_token(secret):
        yield PLACE


CONTROLLER = Controller(
    name="bootstrap-signer-controller",
    watches=configs.KIND,
    also=(Also(secrets.KIND, place_of),),
    reconcile=reconcile,
    should_wake=is_place,
    workers=1,
)

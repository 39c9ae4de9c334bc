"""Fills secrets of type service-account-token, the old lasting kind, and deletes them with their account."""

import base64
import hashlib
from collections.abc import Iterable

from umiak.api.core.secret import KIND as SECRET
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.controllers._act import delete_if_there, is_code
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Options, Outcome

TYPE = "kubernetes.io/service-account-token"
NAME = "kubernetes.io/service-account.name"
UID = "kubernetes.io/service-account.uid"
CLAIM = "kubernetes.io/serviceaccount"


def is_token(secret: Object | None) -> bool:
    return (secret or {}).get("type") == TYPE and bool(meta.annotations(secret or {}).get(NAME))


def claims(secret: Object, account: Object) -> Object:
    """What the token says; it has no end."""
    namespace, name = meta.namespace(account), meta.name(account)
    return {
        "iss": CLAIM,
        f"{CLAIM}/namespace": namespace,
        f"{CLAIM}/secret.name": meta.name(secret),
        f"{CLAIM}/service-account.name": name,
        f"{CLAIM}/service-account.uid": meta.uid(account),
        "sub": f"system:serviceaccount:{namespace}:{name}",
    }


def signed(payload: Object, key_pem: str) -> str:
    """A compact JWS, by RS256 or ES256 as the key is; the key's id is the hash of its public half."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
    from joserfc import jwk, jwt

    private = load_pem_private_key(key_pem.encode(), password=None)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key_id = base64.urlsafe_b64encode(hashlib.sha256(public).digest()).rstrip(b"=").decode()
    key = jwk.import_key(key_pem, "RSA" if hasattr(private, "private_numbers") and _is_rsa(private) else "EC")
    algorithm = "RS256" if key.key_type == "RSA" else "ES256"
    return jwt.encode({"alg": algorithm, "kid": key_id}, payload, key)


def _is_rsa(private: object) -> bool:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    return isinstance(private, RSAPrivateKey)


def missing(secret: Object, options: Options) -> set[str]:
    """Which of the secret's entries are absent or out of date."""
    data = secret.get("data") or {}
    wants = {"token"} if not data.get("token") and options.service_account_key else set()
    if not data.get("namespace"):
        wants.add("namespace")
    if options.root_ca and data.get("ca.crt") != _encoded(options.root_ca):
        wants.add("ca.crt")
    return wants


def filled(secret: Object, account: Object, options: Options) -> Object | None:
    """The secret with all it should hold; None when it holds it."""
    wants = missing(secret, options)
    if not wants:
        return None
    data = dict(secret.get("data") or {})
    if "ca.crt" in wants:
        data["ca.crt"] = _encoded(options.root_ca)
    if "namespace" in wants:
        data["namespace"] = _encoded(meta.namespace(secret))
    if "token" in wants:
        data["token"] = _encoded(signed(claims(secret, account), options.service_account_key))
    annotations = {**meta.annotations(secret), NAME: meta.name(account), UID: meta.uid(account)}
    return {**secret, "data": data, "metadata": {**secret["metadata"], "annotations": annotations}}


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def reconcile(ctx: Context, key: Key) -> Outcome:
    secret = ctx.cache.get(SECRET, key)
    if secret is None or not is_token(secret) or meta.is_being_deleted(secret):
        return DONE
    account = await _account(ctx, secret)
    if account is None:
        await delete_if_there(ctx, SECRET, secret)
        return DONE
    better = filled(secret, account, ctx.options)
    if better is not None:
        await _write(ctx, better)
    return DONE


async def _account(ctx: Context, secret: Object) -> Object | None:
    """The account that the token is for, by uid when the secret names one; None when that one is gone."""
    wanted = meta.annotations(secret)
    name, namespace = wanted[NAME], meta.namespace(secret)
    cached = ctx.cache.get(SERVICE_ACCOUNT, Key(namespace, name))
    if cached is not None and wanted.get(UID) in (None, "", meta.uid(cached)):
        return cached
    try:
        live = await ctx.client.get(SERVICE_ACCOUNT, name, namespace)
    except StatusError as error:
        if error.code != 404:
            raise
        return None
    return live if wanted.get(UID) in (None, "", meta.uid(live)) else None


async def _write(ctx: Context, secret: Object) -> None:
    try:
        await ctx.client.update(SECRET, secret)
    except StatusError as error:
        if not is_code(error, 404) and not is_code(error, 409):
            raise


def tokens_of(account: Object, cache: Cache) -> Iterable[Key]:
    name = meta.name(account)
    secrets = cache.list(SECRET, meta.namespace(account))
    return [meta.key(s) for s in secrets if is_token(s) and meta.annotations(s)[NAME] == name]


def came_or_went(old: Object | None, new: Object | None) -> bool:
    return old is None or new is None


def concerns_token(old: Object | None, new: Object | None) -> bool:
    return new is not None and is_token(new)


CONTROLLER = Controller(
    name="serviceaccount-token",
    watches=SECRET,
    reconcile=reconcile,
    also=[Also(SERVICE_ACCOUNT, tokens_of, should_wake=came_or_went)],
    should_wake=concerns_token,
)

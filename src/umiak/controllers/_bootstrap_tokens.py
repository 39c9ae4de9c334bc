"""What a bootstrap token's secret says: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/."""

import base64
import binascii
from datetime import datetime

from umiak.objects import meta
from umiak.objects.types import Object

NAMESPACE, TYPE, PREFIX = "kube-system", "bootstrap.kubernetes.io/token", "bootstrap-token-"


def is_token(secret: Object) -> bool:
    return secret.get("type") == TYPE and meta.namespace(secret) == NAMESPACE


def value(secret: Object, key: str) -> str:
    """Empty when it is absent or no text."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(key) or "").decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def expires(secret: Object) -> datetime | None:
    """None for never; a time that can not be read has long passed."""
    text = value(secret, "expiration")
    if not text:
        return None
    try:
        return meta.parse_time(text)
    except ValueError:
        return meta.parse_time("1970-01-01T00:00:00Z")


def has_expired(secret: Object, now: datetime) -> bool:
    end = expires(secret)
    return end is not None and end <= now

"""Kinds whose storing does more than store: services take addresses, namespaces end in steps.

One value per such kind; everything else in the server treats all kinds alike.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

import msgspec

from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.server.contract import User


class Reserved(Protocol):
    """What was taken for a write that is about to happen."""

    async def commit(self) -> None: ...

    async def revert(self) -> None: ...


class Special(msgspec.Struct, frozen=True, kw_only=True):
    """`reserve` gets (new, old or None, dry run) before validation and may fill in `new`; `released` gets an object
    that is gone. `end` gets (object, now) on deletion and says whether the deletion is then done for this time;
    `may_vanish` whether an object without finalizers may really go."""

    sign: Callable[[Object, User], None] | None = None
    """Notes in a new object who made it."""
    reserve: Callable[[Object, Object | None, bool], Awaitable[Reserved]] | None = None
    released: Callable[[Object], Awaitable[None]] | None = None
    end: Callable[[Object, datetime], bool] | None = None
    may_vanish: Callable[[Object], bool] = lambda obj: True


ORDINARY = Special()


def _end_namespace(obj: Object, now: datetime) -> bool:
    """First it says that it is going; it goes when its own finalizers, those in its spec, are gone."""
    about = obj["metadata"]
    if not about.get("deletionTimestamp"):
        about["deletionTimestamp"] = format_time(now)
        obj.setdefault("status", {})["phase"] = "Terminating"
    return bool((obj.get("spec") or {}).get("finalizers"))


def _end_definition(obj: Object, now: datetime) -> bool:
    """The objects of a kind go before its definition; whoever serves them sees to it."""
    from umiak.server.custom.conditions import begin_end

    return begin_end(obj, now)


DEFINITIONS = Special(end=_end_definition)
"""Of custom resources."""


def _sign_request(obj: Object, user: User) -> None:
    """Whoever signs the certificate relies on this: what the client wrote there does not count."""
    spec = obj.setdefault("spec", {})
    who = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
    }
    for field, value in who.items():
        if value:
            spec[field] = value
        else:
            spec.pop(field, None)


CERTIFICATE_REQUESTS = Special(sign=_sign_request)
"""As in `pkg/registry/certificates/certificates/strategy.go`."""

NAMESPACES = Special(
    end=_end_namespace,
    may_vanish=lambda obj: not (obj.get("spec") or {}).get("finalizers"),
)
"""As in `pkg/registry/core/namespace/storage`."""

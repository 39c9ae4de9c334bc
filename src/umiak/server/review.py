"""What a review is: a kind that is created only to be answered."""

from collections.abc import Awaitable, Callable

import msgspec

from umiak.kit.clock import Clock
from umiak.objects.types import Object
from umiak.server.access.authorization import Authorization
from umiak.server.access.credentials import Authentication
from umiak.server.contract import User


class Judges(msgspec.Struct, frozen=True):
    """Whom reviews ask."""

    authentication: Authentication
    authorization: Authorization
    clock: Clock


class Asked(msgspec.Struct, frozen=True):
    """One review: who asks, in which namespace (empty for cluster-scoped kinds), and the object as it was sent."""

    user: User
    namespace: str
    obj: Object


class Review(msgspec.Struct, frozen=True):
    """`run` returns the object with its status; raises StatusError when the question makes no sense."""

    group: str
    resource: str
    run: Callable[[Judges, Asked], Awaitable[Object]]


def user_info(user: User) -> Object:
    """A user as `UserInfo`."""
    fields = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
    }
    return {name: value for name, value in fields.items() if value}

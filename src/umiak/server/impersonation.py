"""Acting as somebody else: the Impersonate headers, each of which needs leave of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from urllib.parse import unquote

import msgspec

from umiak.objects.errors import bad_request
from umiak.server.access.authorization import refusal
from umiak.server.contract import Attributes, Authorizer, Request, User

USER, GROUP, UID, EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
ACCOUNT = "system:serviceaccount:"
AUTHENTICATED, UNAUTHENTICATED, ANONYMOUS = "system:authenticated", "system:unauthenticated", "system:anonymous"


def is_asked(headers: Mapping[str, Sequence[str]]) -> bool:
    for name in headers:  # noqa: SIM110 - every request comes by here, and any() takes three times as long
        if name.startswith("impersonate-"):
            return True
    return False


async def impersonated(request: Request, authorizer: Authorizer) -> User:
    """Whom the request is to be taken for. Raises 400 and 403."""
    wanted = _wanted(request.headers)
    if not wanted.name:
        if not (wanted.uid or wanted.groups or wanted.extra):
            return request.user
        raise bad_request(f"requested {_go(wanted)} without impersonating a user name")
    for asked in _leaves(request.user, wanted):
        decision = await authorizer.authorize(asked)
        if not decision.allowed:
            raise refusal(asked, decision.reason)
    return replace(wanted, groups=_groups(wanted))


def _wanted(headers: Mapping[str, Sequence[str]]) -> User:
    extra = {unquote(name[len(EXTRA) :]): tuple(values) for name, values in headers.items() if name.startswith(EXTRA)}
    return User(
        (headers.get(USER) or ("",))[0],
        (headers.get(UID) or ("",))[0],
        tuple(headers.get(GROUP) or ()),
        extra,
    )


def account_of(name: str) -> tuple[str, str] | None:
    """(namespace, name) of a service account's user name."""
    namespace, colon, account = name.removeprefix(ACCOUNT).partition(":")
    return (namespace, account) if name.startswith(ACCOUNT) and colon and namespace and account else None


def _leaves(user: User, wanted: User) -> Iterator[Attributes]:
    """All that `user` needs leave for."""
    if account := account_of(wanted.name):
        yield Attributes(user, "impersonate", "", "v1", "serviceaccounts", namespace=account[0], name=account[1])
    else:
        yield Attributes(user, "impersonate", "", "", "users", name=wanted.name)
    for group in wanted.groups:
        yield Attributes(user, "impersonate", "", "", "groups", name=group)
    for key, values in wanted.extra.items():
        for value in values:
            yield Attributes(user, "impersonate", "authentication.k8s.io", "v1", "userextras", key, name=value)
    if wanted.uid:
        yield Attributes(user, "impersonate", "authentication.k8s.io", "v1", "uids", name=wanted.uid)


def _groups(wanted: User) -> tuple[str, ...]:
    groups = wanted.groups
    if (account := account_of(wanted.name)) and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    if wanted.name == ANONYMOUS:
        return groups if UNAUTHENTICATED in groups else (*groups, UNAUTHENTICATED)
    return groups if AUTHENTICATED in groups or UNAUTHENTICATED in groups else (*groups, AUTHENTICATED)


def _go(user: User) -> str:
    """As Go prints the value, which reaches clients."""

    def quoted(text: str) -> str:
        return msgspec.json.encode(text).decode()

    def strings(values: Sequence[str]) -> str:
        return "[]string{" + ", ".join(map(quoted, values)) + "}" if values else "[]string(nil)"

    extra = ", ".join(f"{quoted(k)}:{strings(v)}" for k, v in sorted(user.extra.items()))
    shown = f"map[string][]string{{{extra}}}" if extra else "map[string][]string(nil)"
    return (
        f"&user.DefaultInfo{{Name:{quoted(user.name)}, UID:{quoted(user.uid)}, Groups:{strings(user.groups)}, "
        f"Extra:{shown}}}"
    )

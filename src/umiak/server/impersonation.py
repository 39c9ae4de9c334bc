"""Acting as somebody else: the Impersonate headers, each of which needs leave of its own.

There are several ways to get it, tried in turn. The constrained ones (KEP-5284) need leave to be somebody and leave to
do the very thing as somebody else; the one of old needs leave to be somebody, for whatever it may be.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import unquote

import msgspec
from msgspec.structs import replace

from umiak.api.common.checks import domain_prefixed_path
from umiak.objects.errors import FieldError, StatusError, bad_request, together
from umiak.objects.go_text import quoted
from umiak.objects.names import dns_subdomain
from umiak.server.access.authorization import refusal
from umiak.server.contract import MASTERS, Attributes, Authorizer, Request, User

USER, GROUP, UID, EXTRA = "impersonate-user", "impersonate-group", "impersonate-uid", "impersonate-extra-"
ACCOUNT, NODE = "system:serviceaccount:", "system:node:"
AUTHENTICATED, UNAUTHENTICATED, ANONYMOUS = "system:authenticated", "system:unauthenticated", "system:anonymous"
NODES = "system:nodes"
ASKED_FOR = "authentication.k8s.io"
ASSOCIATED = "authentication.kubernetes.io/associated-node-keys"
NODE_NAME = "authentication.kubernetes.io/node-name"
MANY = 4
"""From so many checks on, one for all is tried first."""
REMEMBERED = 10_000


class Impersonation:
    """Remembers which way worked for whom, since its refusal is the one to be told."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._worked: OrderedDict[str, int] = OrderedDict()

    async def user(self, request: Request, asked: Attributes) -> tuple[User, str]:
        """(whom the request is to be taken for, the verb of constrained impersonation that lets it); `asked` is what it
        wants to do. Raises 400 and 403."""
        wanted = _wanted(request.headers)
        if not wanted.name:
            if not (wanted.uid or wanted.groups or wanted.extra):
                return request.user, ""
            raise bad_request(f"requested {_go(wanted)} without impersonating a user name")
        first: StatusError | None = None
        for number in self._order(asked.user.name):
            try:
                found = await self._by(WAYS[number], wanted, asked)
            except StatusError as error:
                first = first or error
                continue
            if found is not None:
                self._remember(asked.user.name, number)
                if request.audit is not None:
                    request.audit.impersonates(found, f"impersonate:{WAYS[number].name}" if WAYS[number].name else "")
                return found, WAYS[number].verb if WAYS[number].name else ""
        assert first is not None  # the way of old always has its say
        raise first

    def _order(self, name: str) -> list[int]:
        best = self._worked.get(name)
        numbers = list(range(len(WAYS)))
        return numbers if best is None else [best, *(number for number in numbers if number != best)]

    def _remember(self, name: str, number: int) -> None:
        self._worked[name] = number
        self._worked.move_to_end(name)
        if len(self._worked) > REMEMBERED:
            self._worked.popitem(last=False)

    async def _by(self, way: "Way", wanted: User, asked: Attributes) -> User | None:
        """None when the way is not meant for this. Raises 403."""
        if not way.fits(wanted, asked.user):
            return None
        actor = _as_associated(asked.user) if way.is_associated else asked.user
        if way.name:
            verb = f"impersonate-on:{way.name}:{asked.verb}"
            await self._check(msgspec.structs.replace(asked, user=actor, verb=verb))
        asking = way.asking(actor)
        await self._check_name(way, asking, wanted)
        if wanted.uid:
            await self._check(replace_name(asking, ASKED_FOR, "uids", wanted.uid))
        await self._check_groups(way, asking, wanted.groups)
        await self._check_extra(way, asking, wanted.extra)
        return replace(wanted, groups=_groups(wanted, is_constrained=bool(way.name)))

    async def _check(self, leave: Attributes) -> None:
        decision = await self._authorizer.authorize(leave)
        if not decision.allowed:
            raise refusal(leave, ": ".join(filter(None, (decision.error, decision.reason))))

    async def _may(self, leave: Attributes) -> bool:
        return (await self._authorizer.authorize(leave)).allowed

    async def _check_name(self, way: "Way", asking: Attributes, wanted: User) -> None:
        leave = replace_name(asking, way.group, "users", wanted.name)
        if way.name and (node := node_of(wanted.name)):
            leave = replace_name(asking, way.group, "nodes", "*" if way.is_associated else node)
        elif account := account_of(wanted.name):
            leave = replace_name(asking, way.group, "serviceaccounts", account[1])
            leave = msgspec.structs.replace(leave, namespace=account[0])
        await self._check(leave)

    async def _check_groups(self, way: "Way", asking: Attributes, groups: Sequence[str]) -> None:
        leave = replace_name(asking, way.group, "groups", "")
        if way.name and groups:
            if "" in groups:
                raise refusal(leave, "impersonating the empty string group is not allowed")
            if MASTERS in groups:
                leave = replace_name(asking, way.group, "groups", MASTERS)
                raise refusal(leave, "impersonating the system:masters group is not allowed")
            if len(groups) >= MANY and await self._may(replace_name(asking, way.group, "groups", "*")):
                return
        for group in groups:
            await self._check(replace_name(asking, way.group, "groups", group))

    async def _check_extra(self, way: "Way", asking: Attributes, extra: Mapping[str, Sequence[str]]) -> None:
        def leave(key: str, value: str) -> Attributes:
            return msgspec.structs.replace(replace_name(asking, ASKED_FOR, "userextras", value), subresource=key)

        if way.name and extra:
            if why := extra_fault(extra):
                raise refusal(leave("", ""), why)
            if sum(map(len, extra.values())) >= MANY and await self._may(leave("*", "*")):
                return
        for key, values in extra.items():
            for value in values:
                await self._check(leave(key, value))


def replace_name(asking: Attributes, group: str, resource: str, name: str) -> Attributes:
    return msgspec.structs.replace(asking, group=group, resource=resource, name=name)


class Way(msgspec.Struct, frozen=True):
    """`name` is that of a constrained way, empty for the one of old. `fits` gets (whom, who asks)."""

    name: str
    fits: Callable[[User, User], bool] = lambda wanted, actor: True

    @property
    def is_associated(self) -> bool:
        return self.name == "associated-node"

    @property
    def group(self) -> str:
        """The API group of users and groups."""
        return ASKED_FOR if self.name else ""

    @property
    def verb(self) -> str:
        return f"impersonate:{self.name}" if self.name else "impersonate"

    def asking(self, actor: User) -> Attributes:
        return Attributes(actor, self.verb, "", "v1")


def _only_a_name(wanted: User) -> bool:
    return not (wanted.uid or wanted.groups or wanted.extra)


def _is_own_node(wanted: User, actor: User) -> bool:
    """Whether a service account asks to be the node that its pod runs on."""
    node = node_of(wanted.name)
    own = actor.extra.get(NODE_NAME) or ()
    return bool(node) and account_of(actor.name) is not None and tuple(own) == (node,)


WAYS = (
    Way("associated-node", lambda wanted, actor: _only_a_name(wanted) and _is_own_node(wanted, actor)),
    Way("arbitrary-node", lambda wanted, actor: _only_a_name(wanted) and bool(node_of(wanted.name))),
    Way("serviceaccount", lambda wanted, actor: _only_a_name(wanted) and account_of(wanted.name) is not None),
    Way("user-info", lambda wanted, actor: not node_of(wanted.name) and account_of(wanted.name) is None),
    Way(""),
)


def _as_associated(actor: User) -> User:
    """The answer may not hang on which node it is, so only the names of what is known are shown."""
    return replace(actor, extra={ASSOCIATED: tuple(sorted(actor.extra))})


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


def node_of(name: str) -> str:
    """The node whose user name this is; empty when it is none."""
    node = name.removeprefix(NODE)
    return node if name.startswith(NODE) and not dns_subdomain(node) else ""


def extra_fault(extra: Mapping[str, Sequence[str]]) -> str:
    """Why constrained impersonation does not allow these at all; empty when it might."""
    for key, values in extra.items():
        if not key:
            return "impersonating the empty string key in extra is not allowed"
        faults: list[FieldError] = []
        domain_prefixed_path(key, "extra.key", faults)
        if faults:
            return f"impersonating an invalid key in extra is not allowed: {together(faults)}"
        if key != key.lower():
            return f"impersonating a non-lowercase key in extra is not allowed: {quoted(key)}"
        if not values:
            return "impersonating empty values in extra is not allowed"
        if "" in values:
            return "impersonating the empty string value in extra is not allowed"
    return ""


def _groups(wanted: User, *, is_constrained: bool) -> tuple[str, ...]:
    groups = wanted.groups
    if is_constrained and node_of(wanted.name):
        groups = (NODES,)
    if (account := account_of(wanted.name)) and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    if wanted.name == ANONYMOUS:
        return groups if UNAUTHENTICATED in groups else (*groups, UNAUTHENTICATED)
    return groups if AUTHENTICATED in groups or UNAUTHENTICATED in groups else (*groups, AUTHENTICATED)


def _go(user: User) -> str:
    """As Go prints the value, which reaches clients."""

    def strings(values: Sequence[str]) -> str:
        return "[]string{" + ", ".join(map(quoted, values)) + "}" if values else "[]string(nil)"

    def entries() -> Iterator[str]:
        for key, values in sorted(user.extra.items()):
            yield f"{quoted(key)}:{strings(values)}"

    shown = f"map[string][]string{{{', '.join(entries())}}}" if user.extra else "map[string][]string(nil)"
    return (
        f"&user.DefaultInfo{{Name:{quoted(user.name)}, UID:{quoted(user.uid)}, Groups:{strings(user.groups)}, "
        f"Extra:{shown}}}"
    )

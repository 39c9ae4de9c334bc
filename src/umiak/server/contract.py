"""What the parts of the API server hand each other: a request, who sent it, what it asks for, and admission."""

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from umiak.api.kind import Kind
from umiak.kit.clock import Clock
from umiak.objects.types import Object

if TYPE_CHECKING:
    from umiak.server.audit.record import Record
    from umiak.server.policies.book import PolicyBook
    from umiak.server.reinvocation import Reinvocation


class User(msgspec.Struct, frozen=True):
    """Who sent a request, as `authentication.k8s.io/v1 UserInfo`."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)


ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))
MASTERS = "system:masters"


def always() -> bool:
    """What holds for good."""
    return True


class Request(msgspec.Struct):
    """One HTTP request, body read. Header names are lower case; a repeated header's values are kept in order."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, Sequence[str]]
    body: bytes = b""
    peer_certificate: bytes = b""
    """DER of the client certificate that TLS verified, or empty."""
    peer_address: str = ""
    peer_anchor: bytes = b""
    """DER of the trusted certificate that verified the client's one, or empty."""
    user: User = ANONYMOUS
    target: str = ""
    """Path and query as they were sent."""
    answer_headers: Sequence[tuple[str, str]] = ()
    """What its answer carries, whatever it is."""
    notes: dict[str, Any] | None = None
    """As `kit.http.exchange.HttpRequest.notes`."""
    identity: str = ""
    """What its answer and its audit events are known by."""
    lasts: "Callable[[], bool] | None" = None
    """Whether the same credentials still stand for `user`; None when they have to be read anew to know."""
    audit: "Record | None" = None
    """Where it is written down what happens to it; None when nobody wants to know."""
    annotations: Mapping[str, str] | None = None
    """For the audit log, of how its sender was found out."""

    @property
    def impersonates(self) -> bool:
        """Whether it wants to be taken for somebody else's."""
        for name in self.headers:  # noqa: SIM110 - every request comes by here, and any() takes three times as long
            if name.startswith("impersonate-"):
                return True
        return False

    def header(self, name: str) -> str:
        return (self.headers.get(name) or ("",))[0]

    def option(self, name: str) -> str:
        """The first value of a query parameter, or empty."""
        return (self.query.get(name) or ("",))[0]


class Sender(msgspec.Struct, frozen=True):
    """Whom credentials stand for, as long as they last."""

    user: User
    lasts: Callable[[], bool]


class Attributes(msgspec.Struct, frozen=True):
    """What a request wants to do, in the words of authorization.

    `verb` is get, list, watch, create, update, patch, delete, deletecollection, proxy ... or the lower-case HTTP
    method for paths that are no resource (then `group` to `name` are empty and `path` counts).
    """

    user: User
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    is_resource: bool = True
    fields: str = ""
    """The field selector as it was sent; a node may list only its own pods."""
    labels: str = ""
    """The label selector as it was sent."""


class Decision(msgspec.Struct, frozen=True):
    """`allowed`, or why not in the reference's words. `denied` stops later authorizers from having a say; `error` says
    that an authorizer could not do its work."""

    allowed: bool
    reason: str = ""
    denied: bool = False
    error: str = ""


class Authenticator(Protocol):
    async def authenticate(self, request: Request) -> User | None:
        """The user, None when the request carries nothing this one reads; raises StatusError 401 on bad credentials."""
        ...


class Authorizer(Protocol):
    async def authorize(self, attributes: Attributes) -> Decision: ...


class RuleBook(Protocol):
    """RBAC rules as plain `PolicyRule` objects."""

    def rules_of(self, user: User, namespace: str, resource: str) -> tuple[list[Object], str]:
        """(the rules that apply to `user` in `namespace`, which bound roles are missing or empty). The text takes them
        for objects of `resource`, that of the request, as the reference does."""
        ...

    def rules_of_role(self, ref: Object, namespace: str) -> list[Object] | None:
        """The rules of the role that a binding's `roleRef` names; None when there is none."""
        ...


class Objects(Protocol):
    """Reads and writes stored objects from inside the server, without HTTP, authorization or admission.

    Objects come decoded, with apiVersion and kind, and belong to the caller. `find` answers None where `get` raises
    not-found.
    """

    async def get(self, kind: Kind, namespace: str, name: str) -> Object: ...

    async def in_version(self, obj: Object, kind: Kind, other: Kind) -> Object:
        """An object of `kind` in another version of it; raises 500 when it can not be converted."""
        ...

    async def find(self, kind: Kind, namespace: str, name: str) -> Object | None: ...

    async def look(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """As `find`, for who changes nothing in what it gets: others get the same."""
        ...

    async def list(self, kind: Kind, namespace: str = "", *, containing: bytes = b"") -> list[Object]:
        """Those whose stored bytes have `containing` in them: spares the decoding of all others."""
        ...

    async def look_all(self, kind: Kind, namespace: str = "", *, containing: bytes = b"") -> Sequence[Object]:
        """As `list`, for who changes nothing in what it gets: others get the same. For kinds of which there are few."""
        ...

    async def create(self, kind: Kind, obj: Object) -> Object:
        """Stores a new object with uid and times filled in; raises already-exists."""
        ...

    async def modify(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Callable[[Object], Object | None],
        through: str | None = None,
    ) -> Object:
        """Reads the latest, applies `change` (which may edit in place; returns the object, or None to leave it), writes
        with compare-and-swap, again from the start when someone was faster. The managed fields show it as the server's
        own update through this subresource (empty for the object itself), or not at all."""
        ...

    async def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Deletes at once, without finalizers' say; silent when it is gone."""
        ...


class Phase(IntEnum):
    """When an admission plugin runs; within a phase in the order of the reference's list, given by `order`."""

    MUTATE = 1
    VALIDATE = 2


class Admitted(msgspec.Struct):
    """A write on its way to the store. MUTATE plugins change `new` in place.

    `operation` is CREATE, UPDATE, DELETE or CONNECT. `new` is None on DELETE, `old` on CREATE.
    """

    attributes: Attributes
    kind: Kind
    operation: str
    new: Object | None
    old: Object | None
    options: Object
    dry_run: bool = False
    warnings: list[str] = msgspec.field(default_factory=list)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    """For the audit log."""
    reinvocation: "Reinvocation | None" = None
    """Kept by webhooks and policies that change objects; None as long as none was asked."""
    undo: list[Callable[[], Awaitable[None]]] = msgspec.field(default_factory=list)
    """Called when the write fails after all, e.g. to release an allocated address."""
    alike: bool = True
    """Whether all that plugins did holds for another write of the same object under another name, too."""


class Surroundings(msgspec.Struct, frozen=True):
    """What admission plugins may use."""

    objects: Objects
    clock: Clock
    authorizer: Authorizer
    chance: random.Random = msgspec.field(default_factory=random.Random)
    rules: "RuleBook | None" = None
    """Who may do what, for checks that look at more than one request; None where RBAC is not in force."""
    policies: "PolicyBook | None" = None
    """The admission policies; None where none are enforced."""
    kinds: Callable[[], Iterable[Kind]] = tuple
    """All that are served."""


class Means(msgspec.Struct, frozen=True):
    """What admission plugins are configured with, besides their configuration."""

    clock: Clock
    chance: random.Random


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """One admission plugin. `run` raises StatusError (403 Forbidden unless the reference says otherwise) to refuse."""

    name: str
    order: int
    """Position in the reference's list of plugins (kube-apiserver's AllOrderedPlugins)."""
    phases: tuple[Phase, ...]
    run: Callable[[Surroundings, Admitted, Phase], Awaitable[None]]
    concerns: Callable[[Admitted], bool] = lambda request: True
    """A cheap first look that spares most requests the call."""
    configure: "Callable[[bytes, Means], Admission] | None" = None
    """Makes the plugin as its configuration says, which is empty when there is none. Raises ValueError."""
    resources: tuple[str, ...] | None = None
    """Names of the resources that it may concern, of whatever group; None for any. Spares all others that look, too."""
    operations: tuple[str, ...] | None = None
    """Those that it may concern; None for any."""
    looks_at: tuple[str, ...] | None = None
    """Where all lies that it looks at besides the object, its namespace and the user (`Kind.store_root`); None when it
    does more than look. As long as nothing changes there, it does the same to objects that are alike (`precedents`)."""
    dormant: Callable[[Surroundings], bool] | None = None
    """Whether it has nothing to do now, whatever comes."""

    def may_concern(self, resource: str, operation: str) -> bool:
        """Whether it has to look at such writes."""
        of_resource = self.resources is None or resource in self.resources
        return of_resource and (self.operations is None or operation in self.operations)

"""What a controller is, and what it is given.

A controller is a value: a name, the kind it watches, and a function that makes one object right. It gets a key,
never an event; it may be called for an object that is gone; the cache it reads may lag behind the server.
"""

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import msgspec

from umiak.api.kind import Kind
from umiak.client.contract import Client
from umiak.kit.clock import Clock
from umiak.kit.metrics import Registry
from umiak.objects.meta import Key
from umiak.objects.selectors import Selector
from umiak.objects.types import Object

T = TypeVar("T")


class Done(msgspec.Struct, frozen=True):
    """Nothing to do until something changes, and then not before `rest` is over.

    Whoever looks at thousands of objects each time would else look again at each of their changes.
    """

    rest: timedelta = timedelta(0)


class RetryAfter(msgspec.Struct, frozen=True):
    """Look again after `delay`, or when something changes."""

    delay: timedelta


DONE = Done()
Outcome = Done | RetryAfter
"""A reconcile returns one of these, or raises: then it is retried with growing delays."""


class Hindered(Exception):
    """What is to be done can not be, for a reason that lies in the cluster and not in the program. As any failure it is
    retried; it is told in a line, without where in the program that was."""


class Cache(Protocol):
    """The newest state this process has seen. Objects are copies of the caller's own; change them freely."""

    def get(self, kind: Kind, key: Key) -> Object | None: ...

    def owned(self, kind: Kind, owner_uid: str, read: Callable[[bytes], Object] | None = None) -> list[Object]:
        """Objects of `kind` with an owner reference to `owner_uid`; `read` may decode less than the whole of each."""
        ...

    def on_node(self, kind: Kind, node: str) -> list[Object]:
        """Objects of `kind`, which is that of pods, whose spec names the node."""
        ...

    def keys(self, kind: Kind, namespace: str = "") -> list[Key]: ...

    def known(self, kind: Kind, owner_uid: str, read: Callable[[bytes], T]) -> list[T]:
        """What `read` makes of each object with an owner reference to `owner_uid`; remembered until the object changes,
        so it should be small. Shared: read only."""
        ...

    def selecting(self, kind: Kind, namespace: str, labels: dict[str, str]) -> list[Key]:
        """Objects whose spec.selector, a plain map, is not empty and part of `labels`."""
        ...

    def version(self, kind: Kind, key: Key) -> int:
        """The object's resourceVersion without decoding it; 0 when it is not there."""
        ...

    def position(self, kind: Kind) -> int:
        """The resourceVersion up to which all that happened to objects of `kind` is known."""
        ...

    def selectors(self, kind: Kind, namespace: str) -> "list[Object]":
        """What the specs of all in the namespace call `selector`; decoded once, hence not to be changed."""
        ...

    def list(
        self, kind: Kind, namespace: str = "", selector: Selector | None = None, *, not_of: str = ""
    ) -> list[Object]:
        """`not_of` leaves out what the owner with this uid has."""
        ...


class Inquiry(Protocol):
    """Asks the server itself, where a decision on old news could not be undone."""

    async def catch_up(self, kind: Kind, namespace: str, labels: str, known: Iterable[Key]) -> None:
        """Returns when the cache is no older than this call in all that has `labels` (a selector), and in `known`."""
        ...


class Recorder(Protocol):
    """Writes events about objects; repeats are counted, not written anew. Never fails its caller.

    `about` is an object, or an ObjectReference (no metadata; it may have a fieldPath).
    """

    def event(self, about: Object, type: str, reason: str, message: str) -> None:
        """`type` is Normal or Warning."""
        ...

    def report(
        self, about: Object, type: str, reason: str, action: str, note: str, related: Object | None = None
    ) -> None:
        """The same in the newer form, which says what was being done (`action`), and with whose part in it."""
        ...


class Context(msgspec.Struct, frozen=True):
    """All that a controller may touch.

    What `client` writes, `cache` shows as soon as the call returns; nothing needs to be expected or remembered.
    """

    client: Client
    cache: Cache
    inquiry: Inquiry
    clock: Clock
    random: random.Random
    events: Recorder
    options: "Options"
    memory: dict[Any, Any] = msgspec.field(default_factory=dict)
    """The controller's own, empty at each start: for what was first seen when, and the like."""
    metrics: Registry = msgspec.field(default_factory=Registry)
    """Of the whole process."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the whole cluster that controllers need, with the reference's defaults."""

    cluster_cidrs: tuple[str, ...] = ("10.244.0.0/16",)
    node_cidr_mask: int = 24
    service_cidrs: tuple[str, ...] = ("10.96.0.0/16",)
    root_ca: str = ""
    """PEM text that pods use to trust the API server."""
    service_account_key: str = ""
    """PEM text of the key that signs service account tokens, for legacy token secrets."""
    signing_ca: str = ""
    """PEM text of the authority that signs certificate signing requests; nothing is signed without it."""
    signing_key: str = ""
    signing_duration: timedelta = timedelta(days=365)
    """The longest that a signed certificate is valid."""
    legacy_token_clean_up: timedelta = timedelta(days=365)
    """How long a generated token must be unused before it is labelled invalid, and then before it is deleted."""
    local_path_root: str = ""
    """Folder on each node below which the local-path provisioner makes volumes."""
    node_monitor_grace: timedelta = timedelta(seconds=50)
    """How long a node may be silent before it counts as lost."""
    node_startup_grace: timedelta = timedelta(seconds=60)
    """The same for one that has not reported yet."""
    node_eviction_rate: float = 0.1
    """Lost nodes per second whose pods are driven away, in each zone."""
    secondary_node_eviction_rate: float = 0.01
    """The same in a zone of which too many nodes are lost; none at all in small ones."""
    large_cluster_threshold: int = 50
    """Zones with no more nodes than this are small."""
    unhealthy_zone_threshold: float = 0.55
    """The part of a zone's nodes, 0 to 1, that is too many."""


class Also(msgspec.Struct, frozen=True):
    """A second kind whose changes wake the controller: `keys` says for which of its main objects.

    `keys` is called with the changed object (old and new on an update; shared, read only) and the cache.
    """

    kind: Kind
    keys: Callable[[Object, Cache], Iterable[Key]]
    should_wake: Callable[[Object | None, Object | None], bool] | None = None
    """(old, new) of the changed object: whether the change matters; None means always. Both are shared: read only."""
    of: Kind | None = None
    """Given, an object that one of this kind controls wakes that one, and one that another kind controls wakes nobody;
    `keys` are asked only about those that nobody controls."""


class Measure(msgspec.Struct, frozen=True):
    """A gauge that is read off the cache when somebody asks: how many there are of what, by label values."""

    name: str
    help: str
    labels: tuple[str, ...]
    count: Callable[[Cache], Mapping[tuple[str, ...], float]]


class Controller(msgspec.Struct, frozen=True, kw_only=True):
    """One control loop over the objects of one kind."""

    name: str
    watches: Kind
    reconcile: Callable[[Context, Key], Awaitable[Outcome]]
    also: Sequence[Also] = ()
    reads: Sequence[Kind] = ()
    """Kinds to have in the cache without being woken by them."""
    workers: int = 5
    """How many different keys may be worked on at once."""
    resync: timedelta | None = None
    """Look at every object again this often, changed or not."""
    should_wake: Callable[[Object | None, Object | None], bool] | None = None
    """(old, new) of a main object: whether the change matters; None means always. Both are shared: read only."""
    component: str = ""
    """Whom its events name as their source; empty: the name with "-controller" at its end."""
    measures: Sequence[Measure] = ()


class Loop(msgspec.Struct, frozen=True, kw_only=True):
    """A controller that does not fit keys, such as the garbage collector: `run` returns only when cancelled."""

    name: str
    run: Callable[[Context], Awaitable[None]]
    reads: Sequence[Kind] = ()
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    component: str = ""
    """As for a Controller."""


def owner_keys(kind: Kind) -> Callable[[Object, Cache], Iterable[Key]]:
    """For `Also`: the object's controlling owner, when it is of `kind`."""

    def keys(obj: Object, cache: Cache) -> Iterable[Key]:
        about = obj.get("metadata") or {}
        for owner in about.get("ownerReferences") or ():
            if (
                owner.get("controller")
                and owner["kind"] == kind.kind
                and owner["apiVersion"].split("/")[0] == (kind.group or "v1")
            ):
                yield Key(about.get("namespace") or "" if kind.namespaced else "", owner["name"])

    return keys

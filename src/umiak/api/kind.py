"""What the server, the clients and the controllers know of a kind: built-in ones and custom resources alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from umiak.objects.errors import FieldError
from umiak.objects.types import Object

if TYPE_CHECKING:
    from umiak.api.schema import Schema


def nothing(*_: Object) -> None:
    """The hook of a kind that has nothing to do here."""


def no_errors(*_: Object) -> list[FieldError]:
    """The hook of a kind that accepts what its schema accepts."""
    return []


class Column(msgspec.Struct, frozen=True):
    """One column of `kubectl get`. `cell` gets the object and the current time in seconds since the epoch.

    `type` is string, integer, number, boolean or date; `priority` above 0 shows with `-o wide` only. One without a name
    is a cell that the reference sends under no heading.
    """

    name: str
    cell: Callable[[Object, float], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


class Scale(msgspec.Struct, frozen=True):
    """Where the scale subresource finds its numbers; dotted paths. `selector_is_text` for custom resources."""

    spec_replicas: str = "spec.replicas"
    status_replicas: str = "status.replicas"
    selector: str = "spec.selector"
    selector_is_text: bool = False


class Subresource(msgspec.Struct, frozen=True):
    """A part of an object with its own path, e.g. `status`; `verbs` as discovery lists them."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


class Kind(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A kind of object in one version of its group.

    The hooks change their first argument in place and are called in this order:
    create: `default`, `prepare_create`, `validate`, `validate_new`;
    update: `default`, `prepare_update`, `validate`, `validate_update`;
    status update: `prepare_status`, `validate_status`. Update hooks get (new, old).
    Metadata common to all kinds (name, uid, times, generation, managed fields) is the server's business.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    storage_version: str = ""
    """The version whose form is kept in the store, when it is not this one; `to_storage`, `from_storage` convert."""
    storage_group: str = ""
    comes_converted: bool = False
    """Whether somebody else converts: what is read and written is in this version's form whatever is stored."""
    is_custom: bool = False
    """Whether a custom resource definition brought it."""
    own_list_kind: str = ""
    """The kind of its lists, when that is not the kind with `List` behind it."""
    deprecation: str = ""
    """What every request for it is warned of."""

    load_schema: Callable[[], "Schema"]
    default: Callable[[Object], None] = nothing
    default_times: Callable[[Object, str], None] | None = None
    """The same for times that are now, which is handed in (RFC 3339), when nobody said otherwise."""
    drop: Callable[[Object], None] = nothing
    """Takes away what belongs to features that are switched off; before either `prepare`."""
    prepare_create: Callable[[Object], None] = nothing
    prepare_update: Callable[[Object, Object], None] = nothing
    prepare_status: Callable[[Object, Object], None] = nothing
    validate: Callable[[Object], list[FieldError]] = no_errors
    validate_new: Callable[[Object], list[FieldError]] = no_errors
    """What else is wrong with an object that is to be created."""
    validate_update: Callable[[Object, Object], list[FieldError]] = no_errors
    validate_status: Callable[[Object, Object], list[FieldError]] = no_errors
    warnings: Callable[[Object, Object | None], list[str]] = lambda new, old: []
    early_warnings: Callable[[Object], list[str]] = lambda new: []
    """What is odd about a new object before it is prepared; said even when it turns out not to be valid."""
    status_warnings: Callable[[Object, Object], list[str]] = lambda new, old: []
    checks_metadata: bool = False
    """Whether `validate` looks at metadata itself, if at all; the common rules then come after it."""
    judges_updates_alone: bool = False
    """Whether `validate_update` says all that is wrong with an update, without `validate`."""
    judged_by: Callable[[Object], bytes] | None = None
    """Of kinds that controllers make by the hundred from one template. The bytes of a new object that decide what
    `validate` and `warnings` say, empty when no less than the whole object does; `default` must not look at the name.
    What was found out about one object then holds for all that are like it."""
    free: tuple[str, ...] | None = None
    """Of kinds whose objects are written by the hundred in the same way: the fields, wherever they lie, of names and
    remarks from which nothing follows but that some are equal; `field.*` is a map of such texts. Where `judged_by` is
    set, this is about changes only. Uids, times, IPv4 addresses and the object's name have to be free, too, and are not
    named here (see `server.precedents`)."""
    validate_name: Callable[[str, bool], list[str]] | None = None
    """(name, is_a_prefix) to texts of what is wrong; None means a DNS subdomain."""
    to_storage: Callable[[Object], Object] | None = None
    from_storage: Callable[[Object], Object] | None = None

    columns: Sequence[Column] = ()
    marked_default: Callable[[Sequence[Object]], str] | None = None
    """The name of the object of a list that `kubectl get` marks as the default, "" for none."""
    selectable: Mapping[str, Callable[[Object], str]] = msgspec.field(default_factory=dict)
    """Field selectors beyond metadata.name and metadata.namespace, each with what it reads."""
    scale: Scale | None = None
    counts_generation: bool = False
    """Whether metadata.generation exists and grows with every change outside metadata and status."""
    creates_on_update: bool = False
    updates_unconditionally: bool = True
    """Whether an update without a resourceVersion is taken."""
    deletion_returns_object: bool = False
    default_grace: Callable[[Object, int | None], int] | None = None
    """For kinds that end gracefully: (object, asked seconds or None) to seconds; 0 removes at once."""
    default_propagation: str = "Background"

    annotated_fields: tuple[str, ...] = ()
    """Annotations that hold fields of older versions; no part of the metadata when that is shown alone."""
    store_root: str = ""
    """Where all objects of the kind are kept: `/core/pods/`. Follows from the others."""

    def __post_init__(self) -> None:
        root = f"/{self.storage_group or self.group or 'core'}/{self.plural}/"
        msgspec.structs.force_setattr(self, "store_root", root)

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        return self.own_list_kind or self.kind + "List"

    @property
    def has_status(self) -> bool:
        return any(s.name == "status" for s in self.subresources)

    @property
    def schema(self) -> "Schema":
        """What OpenAPI says of the kind's fields; loaded on first use."""
        return self.load_schema()

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of an object, or of the collection when there is no name."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        where = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        parts: Iterable[str] = (p for p in (self.plural, name, subresource) if p)
        return f"{root}{where}/" + "/".join(parts)

    def store_prefix(self, namespace: str = "") -> str:
        """Where the kind's objects are kept; all namespaces when none is given. Ends in "/"."""
        return f"{self.store_root}{namespace}/" if self.namespaced and namespace else self.store_root

    def store_key(self, namespace: str, name: str) -> str:
        return self.store_prefix(namespace) + name

    def __repr__(self) -> str:
        return f"<Kind {self.api_version} {self.kind}>"

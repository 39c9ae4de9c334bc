"""The newest state of the kinds that this process asks for, kept as the bytes that came over the wire.

One informer per kind lists, then watches, and is shared by all controllers of the process. An object costs its
own bytes (without managedFields) and a small row; it is decoded anew for each reader, which at about 20
microseconds is cheaper than the copy that sharing it would need.

Writes made through `umiak.reconcile.context`'s client are shown at once (`wrote`, `deleted`), so a controller that
has just created ten pods counts ten pods: nothing like client-go's expectations is needed. The watch's older
reports of the same objects are told apart by resourceVersion, which is a growing number (KEP-5504).
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec

from umiak.api.kind import Kind
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.selectors import Selector
from umiak.objects.types import Object

MAX_GONE = 4096
"""How many deletions, shown before the watch reported them, are remembered per kind."""


class _Owner(msgspec.Struct):
    uid: str = ""
    apiVersion: str = ""
    kind: str = ""
    name: str = ""
    controller: bool | None = None


class References(msgspec.Struct, frozen=True):
    """Whose an object is. Objects of one owner share it."""

    uids: tuple[str, ...] = ()
    controller: tuple[str, str, str] | None = None
    """apiVersion, kind and name."""


class _Meta(msgspec.Struct):
    name: str = ""
    namespace: str | None = ""
    uid: str = ""
    resourceVersion: str = ""
    ownerReferences: msgspec.Raw = msgspec.Raw()
    managedFields: msgspec.Raw = msgspec.Raw()


class _Head(msgspec.Struct):
    """What the index needs of an object; the decoder skips the rest."""

    metadata: _Meta


class _LabelsMeta(msgspec.Struct):
    labels: dict[str, str] | None = None


class _LabelsHead(msgspec.Struct):
    metadata: _LabelsMeta


class _SelectorSpec(msgspec.Struct):
    selector: Object | None = None


class _SelectorHead(msgspec.Struct):
    spec: _SelectorSpec = msgspec.field(default_factory=_SelectorSpec)


_decode_head = msgspec.json.Decoder(_Head).decode
_decode_labels = msgspec.json.Decoder(_LabelsHead).decode
_decode_selector = msgspec.json.Decoder(_SelectorHead).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_decode_owners = msgspec.json.Decoder(list[_Owner] | None).decode
NO_LABELS: dict[str, str] = {}
MANAGED = b',"managedFields":'
DELETION = b'"deletionTimestamp":'
T = TypeVar("T")
C = TypeVar("C")


class Row:
    """One object: its bytes and what is asked of it most."""

    __slots__ = ("_known", "_labels", "_selector", "body", "references", "uid", "version")

    def __init__(self, body: bytes, uid: str, version: int, references: References) -> None:
        self.body = body
        self.uid = uid
        self.version = version
        self.references = references
        self._known: tuple[Callable[[bytes], Any], Any] | None = None
        self._labels: dict[str, str] | None = None
        self._selector: Object | None = None

    @property
    def owners(self) -> tuple[str, ...]:
        return self.references.uids

    @property
    def is_ending(self) -> bool:
        """Whether it is being deleted; true as well of one that only speaks of it."""
        return DELETION in self.body

    def known(self, read: Callable[[bytes], T]) -> T:
        """What `read` makes of the object, remembered for whoever asked last."""
        if self._known is None or self._known[0] is not read:
            self._known = (read, read(self.body))
        return cast(T, self._known[1])

    @property
    def labels(self) -> dict[str, str]:
        """Shared: not to be changed."""
        if self._labels is None:
            self._labels = _decode_labels(self.body).metadata.labels or NO_LABELS
        return self._labels

    @property
    def selector(self) -> Object:
        """What the spec calls so; empty when there is none. Shared: not to be changed."""
        if self._selector is None:
            self._selector = _decode_selector(self.body).spec.selector or {}
        return self._selector


def parse_version(text: str) -> int:
    """A resourceVersion as a number; 0 when it is none."""
    return int(text) if text.isdecimal() else 0


def without_managed_fields(body: bytes, managed: bytes) -> bytes:
    """Cuts the field out without decoding; a body spaced or ordered unusually is left whole."""
    if not managed:
        return body
    start = body.find(MANAGED)
    end = start + len(MANAGED) + len(managed)
    if start >= 0 and body[start + len(MANAGED) : end] == managed:  # a search for the whole would take longer
        return body[:start] + body[end:]
    return body.replace(MANAGED + managed, b"", 1)


@lru_cache(4096)
def _references(text: bytes) -> References:
    owners = (_decode_owners(text) if text else None) or ()
    controllers = ((o.apiVersion, o.kind, o.name) for o in owners if o.controller)
    return References(tuple(dict.fromkeys(o.uid for o in owners)), next(controllers, None))


def read_row(body: bytes) -> tuple[Key, Row]:
    about = _decode_head(body).metadata
    owners = _references(bytes(about.ownerReferences))
    kept = without_managed_fields(body, bytes(about.managedFields))
    row = Row(kept, about.uid, parse_version(about.resourceVersion), owners)
    return Key(about.namespace or "", about.name), row


class Change:
    """An object's old and new row, decoded when first asked for and shared by all who listen: read only."""

    __slots__ = ("_answers", "_new", "_new_row", "_old", "_old_row", "key", "kind")

    def __init__(self, kind: Kind, key: Key, old: Row | None, new: Row | None) -> None:
        self.kind = kind
        self.key = key
        self._old_row, self._new_row = old, new
        self._old: Object | None = None
        self._new: Object | None = None
        self._answers: dict[Any, Any] = {}

    @property
    def old(self) -> Object | None:
        if self._old is None and self._old_row is not None:
            self._old = decode(self.kind, self._old_row)
        return self._old

    @property
    def new(self) -> Object | None:
        if self._new is None and self._new_row is not None:
            self._new = decode(self.kind, self._new_row)
        return self._new

    def matters(self, judge: Callable[[Object | None, Object | None], bool]) -> bool:
        """What `judge` says of the old and the new state; asked once, whoever wants to know."""
        found = self._answers.get(judge)
        if found is None:
            found = self._answers[judge] = judge(self.old, self.new)
        return bool(found)

    def keys(self, about: Callable[[Object, C], Iterable[Key]], cache: C) -> Iterable[Key]:
        """All that `about` says of the old and the new state; asked once."""
        found: tuple[Key, ...] | None = self._answers.get(about)
        if found is None:
            states = [state for state in (self.old, self.new) if state is not None]
            found = self._answers[about] = tuple([key for state in states for key in about(state, cache)])
        return found

    @property
    def old_row(self) -> Row | None:
        return self._old_row

    @property
    def new_row(self) -> Row | None:
        return self._new_row


Listener = Callable[[Change], None]
Read = Callable[[bytes], Object]


def decode(kind: Kind, row: Row, read: Read = _decode) -> Object:
    """A fresh object; items of lists lack apiVersion and kind, which are filled in."""
    obj = read(row.body)
    obj.setdefault("apiVersion", kind.api_version)
    obj.setdefault("kind", kind.kind)
    return obj


class Table:
    """All known objects of one kind, indexed by namespace and by owner. Tells listeners of each change."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._rows: dict[str, dict[str, Row]] = {}
        self._by_owner: dict[str, dict[Key, None]] = {}
        self._gone: dict[str, None] = {}
        self._listeners: list[Listener] = []
        self.position = 0
        """The version up to which list and watch have told all."""
        self.listed = asyncio.Event()
        """Set once the first list is in."""

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def listen(self, listener: Listener) -> Callable[[], None]:
        """`listener` hears of every object known now, then of every change, until the answer is called.

        It must not block or raise.
        """
        for key, row in list(self.rows()):
            listener(Change(self.kind, key, None, row))
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def row(self, key: Key) -> Row | None:
        return self._rows.get(key.namespace, {}).get(key.name)

    def rows(self, namespace: str = "") -> Iterator[tuple[Key, Row]]:
        """In no particular order; all namespaces when none is given."""
        for where in [namespace] if namespace else list(self._rows):
            for name, row in list(self._rows.get(where, {}).items()):
                yield Key(where, name), row

    def has_any(self, namespace: str) -> bool:
        return namespace in self._rows

    def owned(self, owner_uid: str) -> list[Key]:
        return list(self._by_owner.get(owner_uid, ()))

    def saw(self, body: bytes) -> None:
        """Takes in what list or watch report; an older state than is known is ignored."""
        key, row = read_row(body)
        self.position = max(self.position, row.version)
        self._put_newer(key, row)

    def wrote(self, body: bytes) -> None:
        """Takes in the answer to a write of ours, unless the watch is already past it (and may have seen its end)."""
        key, row = read_row(body)
        if row.version > self.position:
            self._put_newer(key, row)

    def saw_deleted(self, body: bytes) -> None:
        """Takes in a deletion that the watch reports; `body` is the final state."""
        key, row = read_row(body)
        self.position = max(self.position, row.version)
        self._gone.pop(row.uid, None)
        known = self.row(key)
        if known is not None and (known.uid == row.uid or known.version < row.version):
            self._drop(key, known)

    def saw_bookmark(self, body: bytes) -> None:
        """Takes in that nothing more happened up to the bookmark's version."""
        self.position = max(self.position, read_row(body)[1].version)

    def deleted(self, key: Key, uid: str) -> None:
        """Takes in a deletion that we made ourselves, before the watch reports it."""
        known = self.row(key)
        if known is None or (uid and known.uid != uid):
            return
        self._gone[known.uid] = None
        if len(self._gone) > MAX_GONE:
            del self._gone[next(iter(self._gone))]
        self._drop(key, known)

    def replace(self, bodies: list[bytes], version: int) -> None:
        """Takes in a whole list, true at `version`: what is missing in it and not newer is gone."""
        listed: set[Key] = set()
        gone, self._gone = self._gone, {}
        while bodies:
            body = bodies.pop()  # frees each as it is taken in, so that a large list is not held twice
            key, row = read_row(body)
            listed.add(key)
            if row.uid in gone:  # deleted while the list was on its way
                self._gone[row.uid] = None
            self._put_newer(key, row)
        for key, row in list(self.rows()):
            if key not in listed and row.version <= version:
                self._drop(key, row)
        self.position = version
        self.listed.set()

    def _put_newer(self, key: Key, row: Row) -> None:
        known = self.row(key)
        if row.uid in self._gone or (known is not None and known.version >= row.version > 0):
            return
        self._put(key, row)

    def _put(self, key: Key, row: Row) -> None:
        names = self._rows.setdefault(key.namespace, {})
        old = names.get(key.name)
        if old is not None and old.uid != row.uid:
            self._drop(key, old)
            old = None
            names = self._rows.setdefault(key.namespace, {})
        names[key.name] = row
        self._index(key, old.owners if old else (), row.owners)
        self._tell(Change(self.kind, key, old, row))

    def _drop(self, key: Key, row: Row) -> None:
        names = self._rows[key.namespace]
        del names[key.name]
        if not names:
            del self._rows[key.namespace]
        self._index(key, row.owners, ())
        self._tell(Change(self.kind, key, row, None))

    def _index(self, key: Key, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        if old == new:
            return
        for uid in old:
            owned = self._by_owner.get(uid, {})
            owned.pop(key, None)
            if not owned:
                self._by_owner.pop(uid, None)
        for uid in new:
            self._by_owner.setdefault(uid, {})[key] = None

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)


class _NodeSpec(msgspec.Struct):
    nodeName: str = ""


class _NodeHead(msgspec.Struct):
    spec: _NodeSpec = msgspec.field(default_factory=_NodeSpec)


_decode_node = msgspec.json.Decoder(_NodeHead).decode


class Places:
    """Which pods are on which node, from the first time that this is asked."""

    def __init__(self, table: Table) -> None:
        self._node: dict[Key, str] = {}
        self._keys: dict[str, dict[Key, None]] = {}
        table.listen(self._changed)

    def keys(self, node: str) -> list[Key]:
        return list(self._keys.get(node, ()))

    def _changed(self, change: Change) -> None:
        node = "" if change.new_row is None else _decode_node(change.new_row.body).spec.nodeName
        known = self._node.get(change.key, "")
        if node == known:
            return
        if known:
            here = self._keys[known]
            del here[change.key], self._node[change.key]
            if not here:
                del self._keys[known]
        if node:
            self._node[change.key] = node
            self._keys.setdefault(node, {})[change.key] = None


def was_its_last(answer: Object) -> bool:
    """Whether a write took the last finalizer of an object that waited for that only: then it is gone.

    The answer does not say so, and has the version from before (apiserver's `ShouldDeleteDuringUpdate`).
    """
    about = meta.metadata(answer)
    waits = about.get("finalizers") or (answer.get("spec") or {}).get("finalizers")
    return meta.is_being_deleted(answer) and about.get("deletionGracePeriodSeconds") == 0 and not waits


def identity(kind: Kind) -> tuple[str, str, str]:
    """Two `Kind` values of one resource, as discovery makes them anew, share a table."""
    return (kind.group, kind.version, kind.plural)


class Tables:
    """The cache as controllers see it (`reconcile.contract.Cache`): one table per kind that was asked for."""

    def __init__(self) -> None:
        self._tables: dict[tuple[str, str, str], Table] = {}
        self._places: dict[tuple[str, str, str], Places] = {}

    def table(self, kind: Kind) -> Table:
        """Raises LookupError for a kind that nobody declared: a fault of the controller."""
        found = self._tables.get(identity(kind))
        if found is None:
            raise LookupError(f"{kind.plural}.{kind.group} is not cached: name it in the controller's watches or reads")
        return found

    def find(self, kind: Kind) -> Table | None:
        return self._tables.get(identity(kind))

    def ensure(self, kind: Kind) -> Table:
        return self._tables.setdefault(identity(kind), Table(kind))

    def forget(self, kind: Kind) -> None:
        self._tables.pop(identity(kind), None)
        self._places.pop(identity(kind), None)

    def get(self, kind: Kind, key: Key) -> Object | None:
        row = self.table(kind).row(key)
        return None if row is None else decode(kind, row)

    def on_node(self, kind: Kind, node: str) -> list[Object]:
        places = self._places.get(identity(kind))
        if places is None:
            places = self._places[identity(kind)] = Places(self.table(kind))
        rows = (self.table(kind).row(key) for key in places.keys(node))
        return [decode(kind, row) for row in rows if row is not None]

    def owned(self, kind: Kind, owner_uid: str, read: Read | None = None) -> list[Object]:
        table = self.table(kind)
        rows = (table.row(key) for key in table.owned(owner_uid))
        return [decode(kind, row, read or _decode) for row in rows if row is not None]

    def keys(self, kind: Kind, namespace: str = "") -> list[Key]:
        return [key for key, _ in self.table(kind).rows(namespace)]

    def version(self, kind: Kind, key: Key) -> int:
        row = self.table(kind).row(key)
        return 0 if row is None else row.version

    def position(self, kind: Kind) -> int:
        return self.table(kind).position

    def wrote(self, kind: Kind, answer: Object) -> None:
        """Shows the server's answer to a write of ours, when the kind is cached."""
        table = self.find(kind)
        if table is None or answer.get("kind", kind.kind) != kind.kind:
            return
        if was_its_last(answer):
            table.deleted(meta.key(answer), meta.uid(answer))
        else:
            table.wrote(_encode(answer))

    def deleted(self, kind: Kind, key: Key, answer: Object) -> None:
        """Shows the server's answer to a deletion of ours: the object when it stays a while, else a Status."""
        table = self.find(kind)
        if table is None:
            return
        about = answer.get("metadata") or {}
        if answer.get("kind") != "Status" and (about.get("finalizers") or about.get("deletionGracePeriodSeconds")):
            table.wrote(_encode(answer))
        else:
            table.deleted(key, about.get("uid") or (answer.get("details") or {}).get("uid") or "")

    def selecting(self, kind: Kind, namespace: str, labels: dict[str, str]) -> "list[Key]":
        table = self.table(kind)
        if not table.has_any(namespace):
            return []
        found = ((key, row.selector) for key, row in table.rows(namespace))
        return [key for key, wanted in found if wanted and all(labels.get(k) == v for k, v in wanted.items())]

    def known(self, kind: Kind, owner_uid: str, read: Callable[[bytes], T]) -> "list[T]":
        table = self.table(kind)
        rows = (table.row(key) for key in table.owned(owner_uid))
        return [row.known(read) for row in rows if row is not None]

    def selectors(self, kind: Kind, namespace: str) -> "list[Object]":
        table = self.table(kind)
        return [row.selector for _, row in table.rows(namespace)] if table.has_any(namespace) else []

    def list(
        self, kind: Kind, namespace: str = "", selector: Selector | None = None, *, not_of: str = ""
    ) -> list[Object]:
        table = self.table(kind)
        if namespace and not table.has_any(namespace):  # asked of every pod by every controller of pods
            return []
        rows = (row for _, row in table.rows(namespace) if not not_of or not_of not in row.owners)
        return [decode(kind, row) for row in rows if selector is None or selector.matches(row.labels)]

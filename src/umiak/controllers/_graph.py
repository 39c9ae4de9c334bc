"""Who owns whom, as far as garbage collection needs it. Pure: it only says what has become worth a look.

Of every object only its uid is kept; of those with owners, or waiting for their dependents, a small node. Owners
that are not alive here may still exist (a kind just installed), so the collector asks the server before it acts.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple
from weakref import WeakValueDictionary

import msgspec

from umiak.api.kind import Kind

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
REMEMBERED_ABSENT = 500


class OwnerData(msgspec.Struct):
    uid: str
    apiVersion: str = ""
    kind: str = ""
    name: str = ""
    blockOwnerDeletion: bool | None = None


class About(msgspec.Struct):
    """What of an object's metadata counts here."""

    name: str = ""
    namespace: str | None = ""
    uid: str = ""
    resourceVersion: str = ""
    deletionTimestamp: str | None = None
    finalizers: list[str] | None = None
    ownerReferences: list[OwnerData] | None = None


class Head(msgspec.Struct):
    metadata: About


read_head = msgspec.json.Decoder(Head).decode


class Owner(NamedTuple):
    uid: str
    api_version: str
    kind: str
    name: str
    blocks: bool

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]


class Place:
    """Where an object lives; one value is shared by all objects of a kind in a namespace, and goes with the last."""

    __slots__ = ("__weakref__", "kind", "namespace")

    def __init__(self, kind: Kind, namespace: str) -> None:
        self.kind = kind
        self.namespace = namespace


class Node:
    """An object with owners, or one whose deletion concerns its dependents."""

    __slots__ = ("deleting", "name", "orphans", "owners", "place", "uid", "waits")

    def __init__(self, uid: str, place: Place, name: str) -> None:
        self.uid = uid
        self.place = place
        self.name = name
        self.owners: tuple[Owner, ...] = ()
        self.deleting = False
        self.waits = False
        """Being deleted, after its dependents (foreground)."""
        self.orphans = False
        """Being deleted, once its dependents have let go of it."""

    @property
    def kind(self) -> Kind:
        return self.place.kind

    @property
    def namespace(self) -> str:
        return self.place.namespace

    def blocks(self, owner_uid: str) -> bool:
        return any(o.uid == owner_uid and o.blocks for o in self.owners)


class Work(NamedTuple):
    """What a change asks for: nodes to judge, nodes to orphan the dependents of, references into another namespace."""

    judge: list[Node]
    orphan: list[Node]
    misplaced: list[tuple[Node, Owner]]

    @classmethod
    def none(cls) -> "Work":
        return cls([], [], [])


class Graph:
    def __init__(self) -> None:
        self.complete = False
        """Whether all kinds were listed; before that an owner not seen yet means nothing."""
        self._alive: dict[str, Place] = {}
        self._places: WeakValueDictionary[tuple[int, str], Place] = WeakValueDictionary()
        self._nodes: dict[str, Node] = {}
        self._dependents: dict[str, dict[Node, None]] = {}
        self._absent: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._nodes)

    def node(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def is_alive(self, uid: str) -> bool:
        return uid in self._alive

    def dependents(self, uid: str) -> list[Node]:
        return list(self._dependents.get(uid, ()))

    def uids(self, kind: Kind) -> set[str]:
        """All objects of `kind`."""
        return {uid for uid, place in self._alive.items() if place.kind is kind}

    def note_absent(self, uid: str, namespace: str) -> None:
        """Remembers that the server knows no such owner; uids are not used twice."""
        self._absent[(uid, namespace)] = None
        if len(self._absent) > REMEMBERED_ABSENT:
            self._absent.popitem(last=False)

    def is_known_absent(self, uid: str, namespace: str) -> bool:
        return (uid, namespace) in self._absent or (uid, "") in self._absent

    def completed(self) -> list[Node]:
        """Everything is listed: whose owners are not among it is to be judged."""
        self.complete = True
        return [n for n in self._nodes.values() if any(o.uid not in self._alive for o in n.owners)]

    def observe(self, kind: Kind, about: About) -> Work:
        """An object is there, new or changed."""
        place = self._place(kind, about.namespace or "")
        self._alive[about.uid] = place
        owners = _owners(about)
        finalizers = about.finalizers or ()
        deleting = about.deletionTimestamp is not None
        waits, orphans = deleting and FOREGROUND in finalizers, deleting and ORPHAN in finalizers
        if not (owners or waits or orphans):
            return self._forget(about.uid)
        node = self._nodes.get(about.uid)
        if node is None:
            node = self._nodes[about.uid] = Node(about.uid, place, about.name)
        work = self._relink(node, owners)
        node.deleting = deleting
        if orphans and not node.orphans:
            work.orphan.append(node)
        elif waits and not node.waits:
            work.judge.extend([*self.dependents(node.uid), node])
        node.waits, node.orphans = waits, orphans
        return work

    def vanish(self, uid: str) -> Work:
        """An object is gone: its dependents and those who waited for it are to be judged."""
        place = self._alive.pop(uid, None)
        dependents = self.dependents(uid)
        if dependents and place is not None:
            self.note_absent(uid, place.namespace)
        work = self._forget(uid)
        work.judge.extend(dependents)
        return work

    def _place(self, kind: Kind, namespace: str) -> Place:
        return self._places.setdefault((id(kind), namespace), Place(kind, namespace))

    def _forget(self, uid: str) -> Work:
        node = self._nodes.pop(uid, None)
        return Work.none() if node is None else self._relink(node, ())

    def _relink(self, node: Node, owners: tuple[Owner, ...]) -> Work:
        work = Work.none()
        old, new = {o.uid: o for o in node.owners}, {o.uid: o for o in owners}
        node.owners = owners
        for uid, owner in old.items():
            if uid not in new:
                self._unlink(node, uid)
            if owner.blocks and not (uid in new and new[uid].blocks):
                waiting = self._nodes.get(uid)
                work.judge.extend([waiting] if waiting is not None and waiting.waits else [])
        for uid in new.keys() - old.keys():
            self._dependents.setdefault(uid, {})[node] = None
        if self.complete and any(self._is_doubtful(node, new[u], work) for u in new.keys() - old.keys()):
            work.judge.append(node)
        return work

    def _unlink(self, node: Node, owner_uid: str) -> None:
        siblings = self._dependents.get(owner_uid, {})
        siblings.pop(node, None)
        if not siblings:
            self._dependents.pop(owner_uid, None)

    def _is_doubtful(self, node: Node, owner: Owner, work: Work) -> bool:
        """Whether the server must be asked about this reference. Notes one that points into another namespace."""
        place = self._alive.get(owner.uid)
        if place is None:
            return True
        if place.namespace and place.namespace != node.namespace:
            work.misplaced.append((node, owner))
            return True
        return (place.kind.group, place.kind.kind) != (owner.group, owner.kind)


def _owners(about: About) -> tuple[Owner, ...]:
    found: Iterable[OwnerData] = about.ownerReferences or ()
    return tuple(Owner(o.uid, o.apiVersion, o.kind, o.name, bool(o.blockOwnerDeletion)) for o in found)

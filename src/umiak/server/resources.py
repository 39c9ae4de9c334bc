"""Reads and writes stored objects from inside the server: `contract.Objects` over a store."""

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from umiak.api.kind import Kind
from umiak.kit.clock import Clock
from umiak.objects import encoding
from umiak.objects.errors import already_exists, not_found
from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.server import metadata, stored
from umiak.server.managed_fields import manager, tracking
from umiak.store.contract import Entry, Mismatch, Store

if TYPE_CHECKING:
    from umiak.server.custom.version_store import VersionStore

MANAGER = "kube-apiserver"
"""As what the server itself is known among the managers of fields."""

MOST_SEEN, LARGEST_SEEN = 256, 16 * 1024
"""Objects that are kept decoded for those who only look, and the bytes that one of them may have beside others."""


class Resources:
    """Objects of all kinds, decoded. No authorization, no admission, no validation."""

    def __init__(self, store: Store, clock: Clock, dice: random.Random) -> None:
        self.store = store
        self.views: dict[Kind, Store] = {}
        """Stores of kinds that are stored in a form which takes somebody else to convert."""
        self._seen: dict[tuple[Kind, str], tuple[Entry, Object]] = {}
        self._seen_all: dict[tuple[Kind, str, bytes], tuple[int, list[Object]]] = {}
        self._clock = clock
        self._dice = dice

    def store_of(self, kind: Kind) -> Store:
        """Where objects of the kind are in its form, or in one it converts by itself."""
        return self.views.get(kind, self.store) if kind.comes_converted else self.store

    async def is_settled(self, kind: Kind, entry: Entry, obj: Object) -> bool:
        """Whether storing an object as it was read would change nothing. It may do so after its definition chose
        another version to be stored, or other defaults."""
        if kind.comes_converted:
            return await self._view(kind).is_settled(entry.key, obj)
        if not kind.is_custom or stored.is_direct(kind):
            return True
        after = msgspec.json.decode(stored.render(kind, obj)(entry.modified))
        return manager.are_same(after, msgspec.json.decode(entry.value))

    def _view(self, kind: Kind) -> "VersionStore":
        from umiak.server.custom.version_store import VersionStore

        view = self.store_of(kind)
        assert isinstance(view, VersionStore)
        return view

    async def rehearsed(self, kind: Kind, obj: Object) -> bytes:
        """What would be read if the object were stored."""
        if kind.comes_converted:
            return await self._view(kind).rehearsed(obj)
        if kind.is_custom and not stored.is_direct(kind):
            obj = await self.in_version(obj, kind, kind)
        return stored.encode(kind, obj)

    async def in_version(self, obj: Object, kind: Kind, other: Kind) -> Object:
        if kind.comes_converted:
            return await self._view(kind).converted(obj, other.api_version)
        kept = kind.to_storage(encoding.copy(obj)) if kind.to_storage else encoding.copy(obj)
        found = other.from_storage(kept) if other.from_storage else kept
        return {**found, "kind": other.kind, "apiVersion": other.api_version}

    async def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        entry = await self.store_of(kind).get(kind.store_key(namespace, name))
        return None if entry is None else stored.read(kind, entry.value)

    async def look(self, kind: Kind, namespace: str, name: str) -> Object | None:
        key = kind.store_key(namespace, name)
        entry = await self.store_of(kind).get(key)
        if entry is None:
            return None
        seen = self._seen.get((kind, key))
        if seen is None or seen[0] is not entry:
            if len(self._seen) >= MOST_SEEN or len(entry.value) > LARGEST_SEEN:
                self._seen.clear()
            seen = self._seen[kind, key] = entry, stored.read(kind, entry.value)
        return seen[1]

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        found = await self.find(kind, namespace, name)
        if found is None:
            raise not_found(kind.group, kind.plural, name)
        return found

    async def list(self, kind: Kind, namespace: str = "", *, containing: bytes = b"") -> list[Object]:
        page = await self.store_of(kind).range(kind.store_prefix(namespace))
        return [stored.read(kind, entry.value) for entry in page.entries if containing in entry.value]

    async def look_all(self, kind: Kind, namespace: str = "", *, containing: bytes = b"") -> Sequence[Object]:
        key, changes = (kind, namespace, containing), self.store.changes(kind.store_root)
        seen = self._seen_all.get(key)
        if seen is None or seen[0] != changes:
            if len(self._seen_all) >= MOST_SEEN:
                self._seen_all.clear()
            seen = self._seen_all[key] = changes, await self.list(kind, namespace, containing=containing)
        return seen[1]

    async def create(self, kind: Kind, obj: Object) -> Object:
        about = metadata.of(obj)
        metadata.fill(about, self._clock.now(), self._dice)
        if kind.counts_generation:
            about["generation"] = 1
        manager.created(tracking.own_scope(kind, ""), obj, MANAGER, about["creationTimestamp"])
        await self.insert(kind, obj)
        return obj

    async def insert(self, kind: Kind, obj: Object) -> Entry:
        """Stores a new object as it is; raises already-exists."""
        about = metadata.of(obj)
        key = kind.store_key(about.get("namespace") or "", about["name"])
        try:
            return await self.store_of(kind).put(key, stored.render(kind, obj), expect=0)
        except Mismatch:
            raise already_exists(kind.group, kind.plural, about["name"]) from None

    async def modify(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Callable[[Object], Object | None],
        through: str | None = None,
    ) -> Object:
        key = kind.store_key(namespace, name)
        while True:
            entry = await self.store_of(kind).latest(key)
            if entry is None:
                raise not_found(kind.group, kind.plural, name)
            before = stored.read(kind, entry.value)
            after = change(stored.read(kind, entry.value))
            if after is None or after == before:
                return before
            if through is not None:
                now = format_time(self._clock.now())
                manager.updated(tracking.own_scope(kind, through), before, after, MANAGER, now)
            try:
                await self.store_of(kind).put(key, stored.render(kind, after), expect=entry.modified)
            except Mismatch:
                continue
            return after

    async def remove(self, kind: Kind, namespace: str, name: str) -> None:
        key = kind.store_key(namespace, name)
        store = self.store_of(kind)
        while (entry := await store.latest(key)) is not None:
            try:
                await store.delete(key, expect=entry.modified, render=stored.restamp(entry))
            except Mismatch:
                continue
            return

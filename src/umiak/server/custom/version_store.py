"""A store as one version of a custom kind sees it, where a webhook converts between versions.

Every value it hands out is in that version's form, every value it takes is stored in the storage version; so the rest
of the server need not wait for a webhook in the middle of its work.
"""

from collections.abc import Sequence
from itertools import islice

import msgspec
from msgspec.structs import replace

from umiak.objects.errors import StatusError, internal, too_many_requests
from umiak.objects.types import Object
from umiak.server import metadata
from umiak.server.answer import unknown_failure
from umiak.server.custom.conversion import NotConverted
from umiak.server.custom.converter import Converter
from umiak.server.managed_fields import manager
from umiak.server.stored import restamp
from umiak.store.contract import Cancel, Entry, Event, Range, Render, Sink, Store

ROOM = 16 * 1024 * 1024
"""Bytes of converted objects that are kept for each version."""
MOST_COUNTED = 100
"""Objects that could not be read, of which a list tells how many there are."""


class VersionStore:
    """Implements `store.contract.Store`, except that `watch` tells events as they are stored: who watches converts them
    with `events`.

    Lists, watches and changes convert each state of an object once. A single object is converted for everyone who asks
    for it. So does the reference, whose lists and changes begin at its cache.
    """

    def __init__(self, store: Store, converter: Converter, resource: str, version: str, storage: str) -> None:
        """`resource` is the plural with its group; `version` and `storage` are apiVersions."""
        self._store = store
        self._converter = converter
        self._resource = resource
        self._version = version
        self._storage = storage
        self._known: dict[bytes, bytes] = {}
        self._room = ROOM

    @property
    def revision(self) -> int:
        return self._store.revision

    @property
    def oldest(self) -> int:
        return self._store.oldest

    @property
    def behind(self) -> bool:
        return self._store.behind

    async def caught_up(self) -> None:
        await self._store.caught_up()

    async def get(self, key: str) -> Entry | None:
        """Raises StatusError 500."""
        entry = await self._store.get(key)
        return None if entry is None else await self._fresh(entry)

    def peek(self, key: str) -> Entry | None:
        """Somebody may have to be asked what it is in this version."""
        return None

    async def latest(self, key: str) -> Entry | None:
        """Raises StatusError 500."""
        entry = await self._store.latest(key)
        if entry is None or entry.value not in self._known:
            return None if entry is None else await self._fresh(entry)
        return replace(entry, value=self._known[entry.value])

    async def _fresh(self, entry: Entry) -> Entry:
        try:
            (found,) = await self._converted([entry.value])
        except NotConverted as error:
            raise internal(_corrupt(entry, "", error)) from None
        self._keep(entry.value, found)
        return replace(entry, value=found)

    async def range(self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0) -> Range:
        """Raises StatusError 429, with the words of a cache that can not be filled."""
        found = await self._store.range(prefix, start=start, limit=limit, revision=revision)
        try:
            return Range(await self._shown(found.entries), found.revision, found.remaining)
        except NotConverted as error:
            raise self._unreadable(found.entries, error) from None

    def _unreadable(self, entries: Sequence[Entry], error: NotConverted) -> StatusError:
        others = [entry for entry in entries if entry.value not in self._known]
        more = len(list(islice(others, MOST_COUNTED))) - 1
        return too_many_requests(
            "storage is (re)initializing: failed to list <unspecified>: failed to read one or more "
            f"{self._resource} from the storage: {_corrupt(others[0], '/registry', error)}"
            + (f" (and {more} more)" if more else ""),
            1,
        )

    def is_stale(self, key: str) -> bool:
        return self._store.is_stale(key)

    async def is_settled(self, key: str, obj: Object) -> bool:
        """Whether putting `obj` would change nothing of what is stored but its version. Raises StatusError 500."""
        entry = await self._store.latest(key)
        if entry is None:
            return False
        before: Object = msgspec.json.decode(entry.value)
        after = await self._as_stored({**obj, "metadata": dict(obj["metadata"])})
        after["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"]
        return manager.are_same(after, before)

    async def rehearsed(self, obj: Object) -> bytes:
        """What `put` would answer. Raises StatusError 500."""
        kept = await self._as_stored({**obj, "metadata": dict(obj["metadata"])})
        return _encoded(await self._as_shown(kept))

    async def _as_shown(self, obj: Object) -> Object:
        try:
            (found,) = await self._converter.convert([self._converter.forms.loaded(obj)], self._version)
            return found if found is obj else self._converter.forms.fitted(found)
        except NotConverted as error:
            raise unknown_failure(str(error)) from None

    def count(self, prefix: str) -> int:
        return self._store.count(prefix)

    def changes(self, root: str) -> int:
        return self._store.changes(root)

    async def put(self, key: str, render: Render, *, expect: int | None = None) -> Entry:
        """What is answered has been to the storage version and back. Raises StatusError 500."""
        draft: Object = msgspec.json.decode(render(0))
        del draft["metadata"]["resourceVersion"]
        kept = await self._as_stored(draft)

        def rendered(revision: int) -> bytes:
            kept["metadata"]["resourceVersion"] = str(revision)
            return _encoded(kept)

        entry = await self._store.put(key, rendered, expect=expect)
        render(entry.modified)  # tells whoever holds the object its version
        return await self._fresh(entry)

    async def _as_stored(self, obj: Object) -> Object:
        try:
            (found,) = await self._converter.convert([obj], self._storage)
            return found if found is obj else self._converter.forms.fitted(found)
        except NotConverted as error:
            raise unknown_failure(str(error)) from None

    async def delete(
        self, key: str, *, expect: int | None = None, render: Render | None = None, parting: bool = False
    ) -> Entry:
        """The final state is always rendered anew. What can not be converted is not deleted: StatusError 500."""
        if parting and render is not None:  # two commits: between them somebody else converts
            expect = (await self.put(key, render, expect=expect)).modified
        entry = await self._store.latest(key)
        if entry is None:
            return await self._store.delete(key, expect=expect)
        shown = await self._fresh(entry)
        gone = await self._store.delete(key, expect=expect, render=restamp(entry))
        return replace(gone, value=restamp(shown)(gone.modified))

    def watch(self, prefix: str, after: int, sink: Sink) -> Cancel:
        return self._store.watch(prefix, after, sink)

    async def events(self, events: Sequence[Event]) -> list[Event]:
        """The same changes of the objects in this version. Raises NotConverted."""
        entries = [entry for event in events for entry in (event.entry, event.previous) if entry is not None]
        shown = iter(await self._shown(entries))
        return [
            Event(next(shown), None if event.previous is None else next(shown), event.deleted, memo=event.memo)
            for event in events
        ]

    async def converted(self, obj: Object, version: str) -> Object:
        """Any object of the kind in any of its versions, as the webhook answers it. Raises StatusError 500."""
        try:
            return (await self._converter.convert([obj], version))[0]
        except NotConverted as error:
            raise unknown_failure(str(error)) from None

    async def compact(self, revision: int) -> None:
        await self._store.compact(revision)

    async def close(self) -> None:
        """The store is somebody else's."""

    # What is converted

    async def _shown(self, entries: Sequence[Entry]) -> list[Entry]:
        known = {entry.value: self._known.get(entry.value, b"") for entry in entries}
        new = [value for value, found in known.items() if not found]
        if new:
            for value, found in zip(new, await self._converted(new), strict=True):
                known[value] = found
                self._keep(value, found)
        return [replace(entry, value=known[entry.value]) for entry in entries]

    async def _converted(self, values: Sequence[bytes]) -> list[bytes]:
        """Webhooks are not told the version of an object, which is not stored in the reference."""
        forms = self._converter.forms
        loaded = [forms.loaded(msgspec.json.decode(value)) for value in values]
        versions = [obj["metadata"].pop("resourceVersion") for obj in loaded]
        found = await self._converter.convert(loaded, self._version)
        fitted = [obj if obj is old else forms.fitted(obj) for old, obj in zip(loaded, found, strict=True)]
        for obj, version in zip(fitted, versions, strict=True):
            obj["metadata"]["resourceVersion"] = version
        return [_encoded(obj) for obj in fitted]

    def _keep(self, value: bytes, found: bytes) -> None:
        self._forget(value)
        self._known[value] = found
        self._room -= len(found)
        while self._room < 0:
            self._forget(next(iter(self._known)))

    def _forget(self, value: bytes) -> None:
        self._room += len(self._known.pop(value, b""))


def _encoded(obj: Object) -> bytes:
    return msgspec.json.encode(metadata.arranged(obj, obj["kind"], obj["apiVersion"]))


def _corrupt(entry: Entry, root: str, error: NotConverted) -> str:
    """What the reference's storage says of objects that it can not decode."""
    return (
        f"StorageError: corrupt object, Code: 7, Key: {root}{entry.key}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"object not decodable revision={entry.modified}: {error}"
    )

"""Notes which Services changed, through themselves or their EndpointSlices, for those who must follow."""

import asyncio

from umiak.api.core import service
from umiak.api.discovery import endpointslice
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.cache import Change, Tables

SERVICE_NAME = "kubernetes.io/service-name"
KINDS = (service.KIND, endpointslice.KIND)


class ServiceTracker:
    """`changed` is set while there are Services to `take`."""

    def __init__(self, tables: Tables) -> None:
        self._services = tables.table(service.KIND)
        self._tables = tables
        self._slices: dict[Key, dict[Key, None]] = {}
        self._dirty: set[Key] = set()
        self.changed = asyncio.Event()
        self._services.listen(self._service_changed)
        tables.table(endpointslice.KIND).listen(self._slice_changed)

    def take(self) -> set[Key]:
        """The Services that changed since the last call."""
        taken, self._dirty = self._dirty, set()
        self.changed.clear()
        return taken

    def service(self, key: Key) -> Object | None:
        return self._tables.get(service.KIND, key)

    def slices(self, key: Key) -> list[Object]:
        found = (self._tables.get(endpointslice.KIND, k) for k in sorted(self._slices.get(key, ())))
        return [piece for piece in found if piece is not None]

    def _touch(self, key: Key) -> None:
        self._dirty.add(key)
        self.changed.set()

    def _service_changed(self, change: Change) -> None:
        self._touch(change.key)

    def _slice_changed(self, change: Change) -> None:
        for row in (change.old_row, change.new_row):
            if row is not None and (name := row.labels.get(SERVICE_NAME)):
                owner = Key(change.key.namespace, name)
                self._note(owner, change.key, present=row is change.new_row)
                self._touch(owner)

    def _note(self, owner: Key, piece: Key, *, present: bool) -> None:
        if present:
            self._slices.setdefault(owner, {})[piece] = None
            return
        known = self._slices.get(owner, {})
        known.pop(piece, None)
        if not known:
            self._slices.pop(owner, None)

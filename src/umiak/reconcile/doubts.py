"""Writes of which nobody knows whether they happened, because the answer never came or was an error of the server.

The cache shows our own writes at once, and controllers count on it: one that does not see the pod it has just made
makes another. So what a doubtful write was about is looked up before anybody decides on its kind again. (client-go's
expectations do not cover this: the reference then makes one pod too many, and deletes one later.)
"""

from collections.abc import Iterable

import msgspec

from umiak.api.kind import Kind
from umiak.client.contract import Client, Unreachable
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.reconcile.cache import Tables, identity, read_row

DOUBTFUL = (500, 502, 504)
"""Statuses that leave open whether the request was carried out; 503 and 429 are answered before."""


def is_doubtful(error: Exception) -> bool:
    return isinstance(error, Unreachable) or (isinstance(error, StatusError) and error.code in DOUBTFUL)


class Doubt(msgspec.Struct, frozen=True):
    """About one object, or, while its name is not known, about all with its labels (a selector)."""

    plural: tuple[str, str, str]
    key: Key
    labels: str = ""


class Doubts:
    def __init__(self, client: Client, tables: Tables) -> None:
        self._client = client
        self._tables = tables
        self._open: dict[Doubt, tuple[Kind, int]] = {}
        self._count = 0

    def note(self, kind: Kind, key: Key, labels: dict[str, str] | None = None) -> None:
        """`labels` when the server was to choose the name."""
        if self._tables.find(kind) is None:
            return
        selector = "" if key.name else ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items()))
        self._count += 1
        self._open[Doubt(identity(kind), key, selector)] = (kind, self._count)

    async def resolve(self, kinds: Iterable[Kind]) -> None:
        """Returns when the cache tells of every doubtful write to `kinds` so far. Raises StatusError, Unreachable."""
        if not self._open:
            return
        concerned = set(map(identity, kinds))
        for doubt, (kind, number) in list(self._open.items()):
            if doubt.plural not in concerned:
                continue
            if doubt.key.name:
                await self._look_up(kind, doubt.key)
            else:
                await self._look_through(kind, doubt.key.namespace, doubt.labels)
            if self._open.get(doubt, (kind, 0))[1] == number:  # else it has come up again meanwhile
                self._open.pop(doubt, None)

    async def catch_up(self, kind: Kind, namespace: str, labels: str, known: Iterable[Key]) -> None:
        """Returns when the cache is no older than this call in all that has `labels` (a selector), and in `known`."""
        listed = await self._look_through(kind, namespace, labels)
        for key in known:
            if key not in listed:
                await self._look_up(kind, key)

    async def _look_through(self, kind: Kind, namespace: str, labels: str) -> set[Key]:
        listed = await self._client.raw_list(kind, namespace, labels=labels)
        table = self._tables.ensure(kind)
        for body in listed.items:
            table.wrote(body)
        return {read_row(body)[0] for body in listed.items}

    async def _look_up(self, kind: Kind, key: Key) -> None:
        before = self._tables.table(kind).row(key)
        try:
            found = await self._client.get(kind, key.name, key.namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            if before is not None and self._tables.table(kind).row(key) is before:
                self._tables.table(kind).deleted(key, before.uid)
        else:
            self._tables.wrote(kind, found)

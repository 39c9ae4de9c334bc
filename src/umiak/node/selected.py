"""A client whose lists and watches see only some objects: for informers that are to hold no more."""

from collections.abc import AsyncIterator
from typing import Any

from umiak.api.kind import Kind
from umiak.client.contract import Client, RawEvent, RawList


class Selected:
    """Adds a field selector to `raw_list` and `raw_watch`; everything else is the client's own."""

    def __init__(self, client: Client, fields: str) -> None:
        self._client = client
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def raw_list(self, kind: Kind, namespace: str = "", **options: Any) -> RawList:
        return await self._client.raw_list(kind, namespace, **{**options, "fields": self._fields})

    def raw_watch(self, kind: Kind, namespace: str = "", **options: Any) -> AsyncIterator[RawEvent]:
        return self._client.raw_watch(kind, namespace, **{**options, "fields": self._fields})

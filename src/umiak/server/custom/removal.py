"""Removes the objects of a kind that is going: each as a plain delete would, without asking anybody's leave."""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from umiak.api.kind import Kind
from umiak.server import stored
from umiak.server.options import DeleteOptions
from umiak.server.verbs.delete import decide
from umiak.store.contract import Entry, Mismatch

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

TOGETHER = 64
"""Removals under way at once; the store commits them together."""


async def remove_all(app: "ApiServer", kind: Kind, now: datetime) -> None:
    """Those that finalizers hold are marked, and stay until somebody takes the finalizers off."""
    keys = [entry.key for entry in (await app.store.range(kind.store_prefix())).entries]
    for start in range(0, len(keys), TOGETHER):
        await asyncio.gather(*(_remove(app, kind, key, now) for key in keys[start : start + TOGETHER]))


async def _remove(app: "ApiServer", kind: Kind, key: str, now: datetime) -> None:
    while (entry := await app.objects.store_of(kind).latest(key)) is not None:
        try:
            await _remove_once(app, kind, entry, now)
        except Mismatch:
            continue
        return


async def _remove_once(app: "ApiServer", kind: Kind, entry: Entry, now: datetime) -> None:
    obj = stored.read(kind, entry.value)
    if decide(kind, obj, DeleteOptions(), now):
        await app.vanish(kind, entry, obj)
    elif obj != stored.read(kind, entry.value):
        await app.objects.store_of(kind).put(entry.key, stored.render(kind, obj), expect=entry.modified)

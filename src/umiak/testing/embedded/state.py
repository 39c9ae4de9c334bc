"""The whole state of a store, kept aside and brought back. Watchers see it coming back as ordinary changes."""

import asyncio
from collections.abc import Awaitable

from umiak.server import stored
from umiak.store.contract import Entry, Store
from umiak.testing.clock import settle

MOST_ROUNDS = 50
"""Of bringing back what controllers that had not noticed yet have changed meanwhile."""
HEARTBEATS = "/coordination.k8s.io/leases/"
"""They go on as ever, and would never be as they were."""


class Snapshot:
    """What was in the store at one moment. Stays good however often it is restored."""

    def __init__(self, entries: dict[str, Entry]) -> None:
        self.entries = entries


async def snapshot(store: Store) -> Snapshot:
    return Snapshot({e.key: e for e in (await store.range("")).entries})


async def restore(store: Store, wanted: Snapshot) -> None:
    """Makes the state equal to the snapshot's but for versions of what was changed. Raises RuntimeError when somebody
    keeps changing it."""
    for _ in range(MOST_ROUNDS):
        work = await _differences(store, wanted)
        if not work:
            return
        await asyncio.gather(*work)
        await settle()  # controllers notice, and may have been about to write
    raise RuntimeError("the state keeps changing: is a client still at work?")


async def _differences(store: Store, wanted: Snapshot) -> list[Awaitable[None]]:
    present = {e.key: e for e in (await store.range("")).entries}
    gone = [_remove(store, key) for key in present if key not in wanted.entries and not key.startswith(HEARTBEATS)]
    changed = [
        _put_back(store, wanted, key)
        for key, entry in wanted.entries.items()
        if present.get(key) is not entry and not key.startswith(HEARTBEATS)
    ]
    return [*gone, *changed]


async def _remove(store: Store, key: str) -> None:
    if await store.latest(key) is not None:
        await store.delete(key)


async def _put_back(store: Store, wanted: Snapshot, key: str) -> None:
    """The snapshot remembers the version it has now, so that it is not taken for changed the next time."""
    wanted.entries[key] = await store.put(key, stored.restamp(wanted.entries[key]))

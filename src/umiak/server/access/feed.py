"""Follows a part of the store, so that what is derived from it stays current without asking."""

from collections.abc import Callable, Sequence

from umiak.store.contract import Cancel, Event, Store

Changed = Callable[[str, bytes | None], None]
"""Called with a key below the prefix and its new value, None when it is gone. Must not raise or block."""


async def follow(store: Store, prefix: str, changed: Changed) -> Cancel:
    """Feeds `changed` everything now below `prefix`, then every change as it is committed, until cancelled."""
    page = await store.range(prefix)
    for entry in page.entries:
        changed(entry.key[len(prefix) :], entry.value)

    def sink(events: Sequence[Event]) -> None:
        for event in events:
            changed(event.entry.key[len(prefix) :], None if event.deleted else event.entry.value)

    return store.watch(prefix, page.revision, sink)

"""History is forgotten after five minutes, events after an hour."""

import asyncio
import contextlib

import pytest

from umiak.api.core import configmap, event
from umiak.server import upkeep
from umiak.server.upkeep import Upkeep
from umiak.store.memory import MemoryStore
from umiak.testing.clock import VirtualClock

MINUTES = 60
EVENT = event.KIND.store_key("default", "e")
OTHER = configmap.KIND.store_key("default", "c")


def value(revision: int) -> bytes:
    return b'{"metadata":{"name":"x","resourceVersion":"%d"}}' % revision


@pytest.fixture
async def kept():
    store, clock = MemoryStore(), VirtualClock()
    running = asyncio.ensure_future(Upkeep(store, clock).run())
    await clock.advance(0)
    yield store, clock
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await store.close()


async def test_history_lasts_five_to_ten_minutes(kept):
    store, clock = kept
    for _ in range(3):
        await store.put(OTHER, value)
    await clock.advance(6 * MINUTES)
    assert store.oldest == 1
    await store.put(OTHER, value)
    await clock.advance(4 * MINUTES)
    assert (store.oldest, store.revision) == (4, 5)


async def test_events_go_after_an_hour_without_a_write(kept):
    store, clock = kept
    seen = []
    store.watch(event.KIND.store_prefix(), store.revision, seen.extend)
    await store.put(OTHER, value)
    await store.put(EVENT, value)
    await clock.advance(50 * MINUTES)
    await store.put(EVENT, value)
    await clock.advance(50 * MINUTES)
    assert await store.get(EVENT) is not None
    await clock.advance(20 * MINUTES)
    assert await store.get(EVENT) is None
    assert await store.get(OTHER) is not None
    last = seen[-1]
    assert last.deleted and b'"resourceVersion":"%d"' % last.revision in last.entry.value


async def test_more_events_than_fit_a_page(kept, monkeypatch):
    monkeypatch.setattr(upkeep, "PAGE", 2)
    store, clock = kept
    for number in range(5):
        await store.put(f"{EVENT}-{number}", value)
    await clock.advance(70 * MINUTES)
    assert store.count(event.KIND.store_prefix()) == 0

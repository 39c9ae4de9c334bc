"""Informers survive broken watches, and list anew only when the server has forgotten their place."""

import asyncio
import random
from itertools import pairwise

import pytest

from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.client.contract import Unreachable
from umiak.objects import errors
from umiak.reconcile.cache import Table
from umiak.reconcile.informer import Informer
from umiak.testing.clock import settle


@pytest.fixture
async def informer(api, clock):
    table = Table(CONFIG_MAP)
    informer = Informer(CONFIG_MAP, table, api, clock, random.Random(1))
    task = asyncio.create_task(informer.run())
    yield informer
    task.cancel()


async def put(api, name: str) -> None:
    await api.create(CONFIG_MAP, {"metadata": {"name": name, "namespace": "default"}})
    await settle()


def names(informer) -> list[str]:
    return sorted(key.name for key, _ in informer.table.rows())


async def test_lists_then_watches(api, informer):
    await put(api, "a")
    assert informer.synced.is_set()
    await put(api, "b")
    await api.delete(CONFIG_MAP, "a", "default")
    await settle()
    assert names(informer) == ["b"]


async def test_a_broken_watch_goes_on_where_it_was(api, clock, informer):
    await put(api, "a")
    api.break_watches(Unreachable("cable"), forget=False)
    await settle()
    await put(api, "b")
    assert (names(informer), informer.failing) == (["a"], "cable")
    await clock.advance(2)
    assert (names(informer), informer.failing) == (["a", "b"], "cable")


async def test_410_lists_anew(api, informer):
    await put(api, "a")
    await put(api, "b")
    api.break_watches(errors.expired("too old resource version"))
    await api.delete(CONFIG_MAP, "a", "default")
    await settle()
    assert names(informer) == ["b"]


async def test_waits_grow_while_the_server_is_away(api, clock, informer):
    asked = []
    await settle()

    async def refuse(*args, **kwargs):
        asked.append(clock.monotonic())
        raise Unreachable("down")

    api.raw_list = refuse
    api.break_watches(errors.expired("gone"))
    await clock.advance(60)
    waits = [b - a for a, b in pairwise(asked)]
    assert all(b > a for a, b in pairwise(waits))
    assert 4 <= len(asked) <= 7

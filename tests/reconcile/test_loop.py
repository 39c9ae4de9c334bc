"""Controllers are woken, retried and stopped as the contract says."""

import asyncio
import logging
from datetime import timedelta

import pytest

from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.objects import errors, meta
from umiak.objects.meta import Key
from umiak.reconcile.contract import DONE, Also, Controller, Done, Hindered, Loop, RetryAfter
from umiak.testing.clock import VirtualClock, settle
from umiak.testing.fakeapi import FakeApi
from umiak.testing.workbench import Workbench


def config_map(name: str, **data: str):
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def controller(reconcile, **more) -> Controller:
    return Controller(name="test", watches=CONFIG_MAP, reconcile=reconcile, **more)


async def test_existing_and_new_objects_wake_it(api: FakeApi, clock: VirtualClock):
    seen = []

    async def reconcile(ctx, key):
        seen.append((key.name, ctx.cache.get(CONFIG_MAP, key) is not None))
        return DONE

    cluster = Workbench(api, clock)
    await cluster.create(CONFIG_MAP, config_map("old"))
    async with cluster.running(controller(reconcile)):
        await cluster.create(CONFIG_MAP, config_map("new"))
        await cluster.delete(CONFIG_MAP, "old", "default")
    assert seen == [("old", True), ("new", True), ("old", False)]


async def test_retry_after(api: FakeApi, clock: VirtualClock):
    times = []

    async def reconcile(ctx, key):
        times.append(ctx.clock.monotonic())
        return RetryAfter(timedelta(seconds=10)) if len(times) < 3 else DONE

    cluster = Workbench(api, clock)
    async with cluster.running(controller(reconcile)):
        await cluster.create(CONFIG_MAP, config_map("a"))
        await clock.advance(60)
    assert times == [0, 10, 20]


async def test_a_rest_gathers_what_happens_meanwhile(api: FakeApi, clock: VirtualClock):
    times = []

    async def reconcile(ctx, key):
        times.append(ctx.clock.monotonic())
        return Done(timedelta(seconds=2))

    cluster = Workbench(api, clock)
    async with cluster.running(controller(reconcile)):
        await cluster.create(CONFIG_MAP, config_map("a"))
        for number in range(3):
            await cluster.patch(CONFIG_MAP, "a", "default", {"data": {"n": str(number)}})
        await clock.advance(10)
        await cluster.patch(CONFIG_MAP, "a", "default", {"data": {"n": "last"}})
    assert times == [0, 2, 10]


async def test_failures_come_again_and_are_logged_once(api: FakeApi, clock: VirtualClock, caplog):
    tries = []

    async def reconcile(ctx, key):
        tries.append(ctx.clock.monotonic())
        if len(tries) < 4:
            raise errors.internal("no luck")
        return DONE

    cluster = Workbench(api, clock)
    with caplog.at_level(logging.ERROR):
        async with cluster.running(controller(reconcile)):
            await cluster.create(CONFIG_MAP, config_map("a"))
            await clock.advance(1)
    assert tries == [0, 0.005, 0.015, 0.035]
    assert [r.getMessage() for r in caplog.records] == ["test: default/a: Internal error occurred: no luck"]


@pytest.mark.parametrize(
    ("error", "shown"), [(Hindered("still in use"), False), (errors.internal("no luck"), False), (KeyError("x"), True)]
)
async def test_only_what_may_be_a_bug_is_logged_with_its_place(api, clock, caplog, error, shown):
    async def reconcile(ctx, key):
        raise error

    cluster = Workbench(api, clock)
    with caplog.at_level(logging.ERROR):
        async with cluster.running(controller(reconcile)):
            await cluster.create(CONFIG_MAP, config_map("a"))
    assert ["Traceback" in caplog.text] == [shown]
    assert str(error) in caplog.text


async def test_conflicts_are_quiet(api: FakeApi, clock: VirtualClock, caplog):
    async def reconcile(ctx, key):
        raise errors.conflict("", "configmaps", key.name, errors.MODIFIED)

    cluster = Workbench(api, clock)
    with caplog.at_level(logging.ERROR):
        async with cluster.running(controller(reconcile)):
            await cluster.create(CONFIG_MAP, config_map("a"))
    assert not caplog.records


async def test_a_write_shows_in_the_cache_at_once(api: FakeApi, clock: VirtualClock):
    """Ten ConfigMaps are wanted; the watch is not waited for, yet no eleventh is made."""
    runs = []

    async def reconcile(ctx, key):
        runs.append(len(ctx.cache.keys(CONFIG_MAP)))
        if len(ctx.cache.keys(CONFIG_MAP)) < 10:
            await ctx.client.create(CONFIG_MAP, config_map(f"copy-{len(runs)}"))
            return RetryAfter(timedelta(0))
        return DONE

    cluster = Workbench(api, clock)
    async with cluster.running(controller(reconcile, workers=1)):
        await cluster.create(CONFIG_MAP, config_map("a"))
        assert len(await cluster.names(CONFIG_MAP)) == 10


async def test_a_deletion_shows_in_the_cache_at_once(api: FakeApi, clock: VirtualClock):
    shown = []

    async def reconcile(ctx, key):
        if ctx.cache.get(CONFIG_MAP, key):
            await ctx.client.delete(CONFIG_MAP, key.name, key.namespace)
            shown.append(ctx.cache.get(CONFIG_MAP, key))
        return DONE

    cluster = Workbench(api, clock)
    async with cluster.running(controller(reconcile)):
        await cluster.create(CONFIG_MAP, config_map("a"))
        await cluster.create(CONFIG_MAP, config_map("a"))
        assert shown == [None, None]
        assert cluster.runtime.tables.keys(CONFIG_MAP) == []


async def test_other_kinds_wake_it(api: FakeApi, clock: VirtualClock):
    seen = []

    async def reconcile(ctx, key):
        seen.append(key)
        return DONE

    def keys(namespace, cache):
        return [Key(meta.name(namespace), "x")]

    def labelled(old, new):
        return bool(new and meta.labels(new))

    cluster = Workbench(api, clock)
    async with cluster.running(controller(reconcile, also=[Also(NAMESPACE, keys, should_wake=labelled)])):
        await cluster.create(NAMESPACE, {"metadata": {"name": "plain"}})
        await cluster.create(NAMESPACE, {"metadata": {"name": "labelled", "labels": {"a": "b"}}})
    assert seen == [Key("labelled", "x")]


async def test_should_wake_and_resync(api: FakeApi, clock: VirtualClock):
    times = []

    async def reconcile(ctx, key):
        times.append(ctx.clock.monotonic())
        return DONE

    only_new = controller(reconcile, should_wake=lambda old, new: old is None, resync=timedelta(minutes=1))
    cluster = Workbench(api, clock)
    async with cluster.running(only_new):
        await cluster.create(CONFIG_MAP, config_map("a"))
        await cluster.patch(CONFIG_MAP, "a", "default", {"data": {"b": "c"}})
        await clock.advance(61)
    assert times == [0, 60]


async def test_one_key_is_not_worked_on_twice_at_once(api: FakeApi, clock: VirtualClock):
    now, most = set(), []

    async def reconcile(ctx, key):
        assert key not in now
        now.add(key)
        most.append(len(now))
        await ctx.clock.sleep(1)
        now.remove(key)
        return DONE

    cluster = Workbench(api, clock)
    async with cluster.running(controller(reconcile, workers=2)):
        for name in "abc":
            await cluster.create(CONFIG_MAP, config_map(name))
        await cluster.patch(CONFIG_MAP, "a", "default", {"data": {"b": "c"}})
        await clock.advance(10)
    assert max(most) == 2
    assert len(most) == 4


async def test_loops_are_started_again(api: FakeApi, clock: VirtualClock):
    starts = []

    async def work(ctx):
        starts.append(ctx.clock.monotonic())
        raise errors.internal("broken")

    async with Workbench(api, clock).running(Loop(name="loop", run=work)):
        await clock.advance(4)
    assert starts == [0, 1, 3]


async def test_cancelling_leaves_nothing_behind(api: FakeApi, clock: VirtualClock):
    async def reconcile(ctx, key):
        await ctx.clock.sleep(1000)
        return DONE

    before = asyncio.all_tasks()
    cluster = Workbench(api, clock)
    async with cluster.running(controller(reconcile)):
        await cluster.create(CONFIG_MAP, config_map("a"))
    await settle()
    assert asyncio.all_tasks() == before

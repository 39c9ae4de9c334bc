"""Watches: what is told, to whom, in which form."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from msgspec.structs import replace

from umiak.testing.patience import LONG

CMS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


class Watching:
    """Reads events one by one."""

    def __init__(self, api, target, **headers):
        self._pieces: AsyncIterator[bytes] = api.transport.stream("GET", target, headers)
        self._lines: list[bytes] = []

    async def next(self):
        while not self._lines:
            self._lines = (await asyncio.wait_for(anext(self._pieces), LONG)).splitlines()
        event = msgspec.json.decode(self._lines.pop(0))
        return event["type"], event["object"]

    async def names(self, count):
        return [(kind, obj["metadata"].get("name")) for kind, obj in [await self.next() for _ in range(count)]]

    async def close(self):
        await self._pieces.aclose()


@pytest.fixture
async def watching(api):
    open_ones = []

    def start(query="", **headers):
        found = Watching(api, f"{CMS}?watch=true{query}", **headers)
        open_ones.append(found)
        return found

    yield start
    for found in open_ones:
        await found.close()


async def test_begins_with_what_there_is(api, watching):
    await api("POST", CMS, {"metadata": {"name": "a"}})
    seen = watching()
    assert await seen.names(1) == [("ADDED", "a")]
    await api("POST", CMS, {"metadata": {"name": "b"}})
    await api("PATCH", f"{CMS}/a", {"data": {"x": "1"}}, content_type=MERGE)
    await api("DELETE", f"{CMS}/b")
    assert await seen.names(3) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


async def test_goes_on_from_a_version(api, watching):
    _, a = await api("POST", CMS, {"metadata": {"name": "a"}})
    await api("POST", CMS, {"metadata": {"name": "b"}})
    seen = watching(f"&resourceVersion={a['metadata']['resourceVersion']}")
    assert await seen.names(1) == [("ADDED", "b")]


async def test_events_carry_the_version_of_their_change(api, watching, server):
    _, a = await api("POST", CMS, {"metadata": {"name": "a"}})
    seen = watching(f"&resourceVersion={a['metadata']['resourceVersion']}")
    first = asyncio.ensure_future(seen.next())
    await api("DELETE", f"{CMS}/a")
    type_, gone = await first
    assert (type_, gone["metadata"]["resourceVersion"]) == ("DELETED", str(server.store.revision))


async def test_selection_adds_and_deletes(api, watching):
    """An object that enters the selection is added, one that leaves it deleted in its last matching state."""
    await api("POST", CMS, {"metadata": {"name": "a", "labels": {"lamp": "on"}}})
    seen = watching("&labelSelector=lamp%3Don")
    assert await seen.names(1) == [("ADDED", "a")]
    for lamp in ("off", "dim", "on"):
        await api("PATCH", f"{CMS}/a", {"metadata": {"labels": {"lamp": lamp}}}, content_type=MERGE)
    type_, left = await seen.next()
    assert (type_, left["metadata"]["labels"]) == ("DELETED", {"lamp": "on"})
    assert await seen.names(1) == [("ADDED", "a")]


async def test_initial_events_end_with_a_bookmark(api, watching, server):
    await api("POST", CMS, {"metadata": {"name": "a"}})
    seen = watching("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
    assert await seen.names(1) == [("ADDED", "a")]
    type_, mark = await seen.next()
    about = {"resourceVersion": str(server.store.revision), "annotations": {"k8s.io/initial-events-end": "true"}}
    assert (type_, mark["metadata"]) == ("BOOKMARK", about)


async def test_bookmarks_come_by_themselves(api, server, watching):
    server.settings = replace(server.settings, bookmark_interval=0.01)
    seen = watching(f"&allowWatchBookmarks=true&resourceVersion={server.store.revision}")
    assert (await seen.next())[0] == "BOOKMARK"


async def test_ends_after_its_timeout(server, watching):
    server.settings = replace(server.settings, min_watch_timeout=0.01)
    assert await anext(watching("&resourceVersion=1")._pieces, None) is None


async def test_forgotten_version(api, server, watching):
    await api("POST", CMS, {"metadata": {"name": "a"}})
    await api("POST", CMS, {"metadata": {"name": "b"}})
    await server.store.compact(server.store.revision)
    type_, refused = await watching("&resourceVersion=1").next()
    assert (type_, refused["code"], refused["reason"]) == ("ERROR", 410, "Expired")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("&sendInitialEvents=true", 422),
        ("&resourceVersion=new", 500),
        ("&labelSelector=a%20in", 400),
        ("&resourceVersion=9999&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", 504),
    ],
)
async def test_refusals(api, query, status):
    assert (await api("GET", f"{CMS}?watch=true{query}"))[0] == status


async def test_forms(api, watching):
    await api("POST", CMS, {"metadata": {"name": "a"}})
    partial = watching("", accept="application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
    assert (await partial.next())[1]["kind"] == "PartialObjectMetadata"
    tables = watching("", accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    _, first = await tables.next()
    assert first["columnDefinitions"][0]["name"] == "Name"
    await api("POST", CMS, {"metadata": {"name": "b"}})
    _, second = await tables.next()
    assert (second["columnDefinitions"], second["rows"][0]["cells"][0]) == (None, "b")


async def test_watchers_share_their_lines(api, server, watching):
    """The bytes of an event are made once, however many watch."""
    first, second = watching("&resourceVersion=1"), watching("&resourceVersion=1")
    both = [asyncio.ensure_future(w.next()) for w in (first, second)]
    await asyncio.sleep(0)
    events = []
    server.store.watch("/core/configmaps/", server.store.revision, events.extend)
    await api("POST", CMS, {"metadata": {"name": "a"}})
    assert [(await w)[0] for w in both] == ["ADDED", "ADDED"]
    assert list(events[0].memo) == ["json v1"]


async def test_slow_watchers_are_dropped(api, server, watching):
    server.settings = replace(server.settings, watch_backlog=2000)
    seen = watching("&resourceVersion=1")
    first = asyncio.ensure_future(seen.next())
    await asyncio.sleep(0)
    for number in range(20):
        await api("POST", CMS, {"metadata": {"name": f"c{number}"}, "data": {"x": "y" * 200}})
    await first
    assert not server.watchers


async def test_closing_the_server_ends_watches(api, server, watching):
    seen = watching("&resourceVersion=1")
    waiting = asyncio.ensure_future(anext(seen._pieces, None))
    await asyncio.sleep(0)
    await server.close()
    assert await waiting is None

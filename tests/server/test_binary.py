"""Answers in protobuf: whatever can be had in JSON can be had so too, and says the same."""

import asyncio
from contextlib import aclosing

import msgspec
import pytest

from umiak.api import protobuf, registry
from umiak.server.binary import Messages
from umiak.testing.patience import LONG, until_so

CMS = "/api/v1/namespaces/default/configmaps"
PROTOBUF = "application/vnd.kubernetes.protobuf"
PARTIAL = "as=PartialObjectMetadata{};g=meta.k8s.io;v={}"
JAR = {"metadata": {"name": "jar", "labels": {"lid": "tight"}}, "data": {"a": "1"}}


def without_empty(value):
    """Protobuf carries what Go keeps by value even when it is empty."""
    if isinstance(value, dict):
        return {k: w for k, v in value.items() if (w := without_empty(v)) not in ({}, [], "", None, 0, False)}
    return [without_empty(v) for v in value] if isinstance(value, list) else value


async def told(api, method, target, body=None, accept=PROTOBUF):
    response = await api.raw(method, target, body, accept=accept)
    assert response.headers["content-type"] == PROTOBUF, response.body
    return response.status, without_empty(protobuf.decode(response.body))


@pytest.fixture
async def jar(api):
    _, made = await api("POST", CMS, JAR)
    return without_empty(made)


async def test_one_object(api, jar):
    assert await told(api, "GET", f"{CMS}/jar") == (200, jar)


async def test_writes(api):
    status, made = await told(api, "POST", CMS, JAR)
    assert (status, made["data"]) == (201, {"a": "1"})
    _, changed = await told(api, "PUT", f"{CMS}/jar", {**JAR, "data": {"a": "2"}})
    assert changed["data"] == {"a": "2"}
    status, gone = await told(api, "DELETE", f"{CMS}/jar")
    assert (status, gone["status"], gone["details"]["name"]) == (200, "Success", "jar")


async def test_lists_and_their_pages(api, jar):
    await api("POST", CMS, {"metadata": {"name": "pot"}})
    for query in ("", "?limit=1"):
        _, plain = await api("GET", f"{CMS}{query}")
        assert await told(api, "GET", f"{CMS}{query}") == (200, without_empty(plain))
    token = plain["metadata"]["continue"]
    _, rest = await told(api, "GET", f"{CMS}?limit=1&continue={token}")
    assert [item["metadata"]["name"] for item in rest["items"]] == ["pot"]


async def test_an_empty_list(api):
    assert (await told(api, "GET", CMS))[1]["kind"] == "ConfigMapList"


async def test_failures(api):
    status, failure = await told(api, "GET", f"{CMS}/nosuch")
    assert (status, failure["kind"], failure["code"]) == (404, "Status", 404)
    assert failure["message"] == 'configmaps "nosuch" not found'


async def test_failures_for_who_wants_metadata_alone_are_json(api):
    response = await api.raw("GET", f"{CMS}/nosuch", accept=f"{PROTOBUF};{PARTIAL.format('', 'v1')}")
    assert response.body.startswith(b'{\n  "kind": "Status"')


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_metadata_alone(api, jar, version):
    _, one = await told(api, "GET", f"{CMS}/jar", accept=f"{PROTOBUF};{PARTIAL.format('', version)}")
    about = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}"}
    assert one == {**about, "metadata": jar["metadata"]}
    _, many = await told(api, "GET", CMS, accept=f"{PROTOBUF};{PARTIAL.format('List', version)}")
    assert (many["kind"], many["items"]) == ("PartialObjectMetadataList", [{"metadata": jar["metadata"]}])


async def test_discovery(api, server):
    from umiak.server.discovery import Discovery

    async def answer(app, request):
        return Discovery(server.kinds, lambda: "").answer(request)

    server.paths.add("/apis/", answer)
    _, plain = await api("GET", "/apis/apps/v1")
    assert await told(api, "GET", "/apis/apps/v1") == (200, without_empty(plain))


async def test_version_is_json_alone(api):
    status, failure = await told(api, "GET", "/version")
    text = "406: Not Acceptable\n\nAvailable representations: application/json"
    assert (status, failure["message"]) == (406, text)


# Watches


def events(data):
    """(type, object) of every frame in `data`, which ends with a frame's end."""
    while data:
        size = int.from_bytes(data[:4])
        frame, data = data[4 : 4 + size], data[4 + size :]
        assert len(frame) == size
        yield read_event(frame)


def read_event(frame):
    found = dict(protobuf._pairs(frame))
    return found[1].decode(), without_empty(protobuf.decode(dict(protobuf._pairs(found[2]))[1]))


async def watched(api, query, count, accept=PROTOBUF, act=None):
    found = []
    async with aclosing(api.transport.stream("GET", f"{CMS}?watch=1{query}", {"accept": accept})) as pieces:
        while len(found) < count:
            piece = asyncio.ensure_future(anext(pieces))
            if act is not None:
                await asyncio.sleep(0)
                await act()
                act = None
            found += events(await asyncio.wait_for(piece, LONG))
    return found


async def test_watch_begins_with_what_there_is(api, jar):
    assert await watched(api, "", 1) == [("ADDED", jar)]


async def test_watch_tells_changes(api, jar):
    async def act():
        await api("PUT", f"{CMS}/jar", {**JAR, "data": {"a": "2"}})
        await api("DELETE", f"{CMS}/jar")

    found = await watched(api, f"&resourceVersion={jar['metadata']['resourceVersion']}", 2, act=act)
    assert [(type_, obj["data"]) for type_, obj in found] == [("MODIFIED", {"a": "2"}), ("DELETED", {"a": "2"})]


async def test_watch_of_metadata_alone(api, jar):
    ((type_, obj),) = await watched(api, "", 1, accept=f"{PROTOBUF};{PARTIAL.format('', 'v1')}")
    assert (type_, obj["kind"], obj["metadata"]) == ("ADDED", "PartialObjectMetadata", jar["metadata"])


async def test_watch_with_a_list_ends_it_with_a_bookmark(api, jar):
    query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    (first, _), (second, mark) = await watched(api, query, 2)
    assert (first, second, mark["kind"]) == ("ADDED", "BOOKMARK", "ConfigMap")
    assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_watch_from_too_long_ago(api, server, jar):
    await server.store.compact(server.store.revision)
    ((type_, status),) = await watched(api, "&resourceVersion=1", 1)
    assert (type_, status["kind"], status["code"]) == ("ERROR", "Status", 410)


async def test_a_change_is_encoded_once(api, server, jar):
    """Two watchers get the same frame."""
    watching, seen = [], []

    async def one():
        async with aclosing(api.transport.stream("GET", f"{CMS}?watch=1", {"accept": PROTOBUF})) as pieces:
            watching.append(await anext(pieces))
            seen.append(await anext(pieces))

    both = [asyncio.ensure_future(one()), asyncio.ensure_future(one())]
    await until_so(lambda: len(watching) == 2)
    await api("POST", CMS, {"metadata": {"name": "pot"}})
    await asyncio.wait_for(asyncio.gather(*both), LONG)
    assert seen[0] is seen[1]


# What is remembered


async def test_a_long_list_lets_others_have_a_turn():
    kind, turns = registry.find("v1", "ConfigMap"), []
    values = [a_config_map(str(number), 1) for number in range(401)]
    asyncio.get_running_loop().call_soon(turns.append, 1)
    body = await Messages().list_body(kind, values, {})
    assert (turns, len(protobuf.decode(body)["items"])) == ([1], 401)


def a_config_map(name, size):
    obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": {"x": "y" * size}}
    return msgspec.json.encode(obj)


def test_what_was_encoded_first_is_forgotten_first():
    kind, messages = registry.find("v1", "ConfigMap"), Messages(room=2500)
    values = [a_config_map(name, 1000) for name in "abc"]
    first = [messages.of(kind, value) for value in values]
    again = [messages.of(kind, value) for value in reversed(values)]
    assert [a is b for a, b in zip(first, reversed(again), strict=True)] == [False, True, True]


def test_what_is_too_large_is_not_kept():
    kind, messages = registry.find("v1", "ConfigMap"), Messages(room=100)
    value = a_config_map("a", 1000)
    assert messages.of(kind, value) is not messages.of(kind, value)

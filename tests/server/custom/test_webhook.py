"""Custom resources in two versions, between which a webhook on loopback converts.

The expected answers are those of kube-apiserver 1.37.1 to the same requests.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from umiak.kit import pki
from umiak.kit.http.server import serve
from umiak.kit.tls import server_context
from umiak.objects.encoding import copy
from umiak.server.local import LocalTransport
from umiak.store.memory import MemoryStore

from .conftest import ADMIN, DEFINITIONS

V1, V2 = (f"/apis/toys.example/{version}/namespaces/default/kites" for version in ("v1", "v2"))
TEXT = {"type": "string"}


def version(name: str, storage: bool = False, **fields: Any) -> dict[str, Any]:
    spec = {"type": "object", "properties": fields}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    return {"name": name, "served": True, "storage": storage, "schema": schema}


def converted(obj: dict[str, Any], wanted: str) -> dict[str, Any]:
    """The first version has host and port, the second both in one."""
    found = copy(obj)
    spec, found["apiVersion"] = found.setdefault("spec", {}), wanted
    if wanted.endswith("/v1"):
        spec["host"], _, spec["port"] = spec.pop("hostPort", ":").partition(":")
    else:
        spec["hostPort"] = f"{spec.pop('host', '')}:{spec.pop('port', '')}"
    return found


class Hook:
    """A conversion webhook; `fault` is what it says instead of converting."""

    def __init__(self) -> None:
        self.fault = ""
        self.asked: list[dict[str, Any]] = []
        self.heard = asyncio.Event()
        self.config: dict[str, Any] = {}

    async def answer(self, request: Any, exchange: Any) -> None:
        review = msgspec.json.decode(request.body)
        asked = review["request"]
        self.asked.append({"target": request.target, **asked})
        response = {"uid": asked["uid"], "result": {"status": "Success"}}
        if self.fault:
            response["result"] = {"status": "Failure", "message": self.fault}
        else:
            response["convertedObjects"] = [converted(obj, asked["desiredAPIVersion"]) for obj in asked["objects"]]
        body = msgspec.json.encode({"kind": review["kind"], "apiVersion": review["apiVersion"], "response": response})
        self.heard.set()
        exchange.reply(200, [("Content-Type", "application/json")], body)

    def calls(self) -> int:
        count = len(self.asked)
        self.asked.clear()
        return count


@pytest.fixture
async def hook(tmp_path) -> AsyncIterator[Hook]:
    now = datetime.now(UTC)
    authority = pki.new_authority("hook", 1, now)
    pair = pki.issue(authority, "hook", ips=["127.0.0.1"], server=True, days=1, now=now)
    (tmp_path / "crt").write_text(pair.certificate_pem)
    (tmp_path / "key").write_text(pair.key_pem)
    made = Hook()
    tls = server_context(str(tmp_path / "crt"), str(tmp_path / "key"))
    listener = await serve(made.answer, "127.0.0.1", 0, ssl=tls)
    bundle = base64.b64encode(authority.certificate_pem.encode()).decode()
    client = {"url": f"https://127.0.0.1:{listener.port}/convert", "caBundle": bundle}
    made.config = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}
    yield made
    await listener.close(0)


def versions(stored: str = "v1") -> list[dict[str, Any]]:
    one = version("v1", stored == "v1", host=TEXT, port=TEXT, size={"type": "integer", "default": 1})
    two = version("v2", stored == "v2", hostPort=TEXT, size={"type": "integer"}, more={**TEXT, "default": "x"})
    return [one, two]


@pytest.fixture
async def both(start, hook) -> AsyncIterator[Any]:
    """An api that serves kites in two versions, the first of which is stored."""
    store = MemoryStore()
    api, end = await start(store)
    await api.define(versions=versions(), conversion=hook.config)
    yield api
    await end()
    await store.close()


def kite(number: int, name: str = "a", **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"toys.example/v{number}", "kind": "Kite", "metadata": {"name": name}, "spec": spec}


async def test_an_object_in_both_versions(both, hook):
    await both("POST", V1, kite(1, host="h", port="1"))
    assert hook.calls() == 0
    _, found = await both("GET", f"{V2}/a")
    assert (found["apiVersion"], found["spec"]) == ("toys.example/v2", {"hostPort": "h:1", "size": 1})
    (asked,) = hook.asked
    assert (asked["target"], asked["desiredAPIVersion"]) == ("/convert?timeout=30s", "toys.example/v2")
    assert "resourceVersion" not in asked["objects"][0]["metadata"]


async def test_what_is_written_has_been_to_the_stored_version_and_back(both, hook):
    """So defaults of the stored version come, and fields it does not know are gone."""
    status, made = await both("POST", V2, kite(2, hostPort="x:2"))
    assert (status, made["spec"]) == (201, {"hostPort": "x:2", "size": 1})
    assert hook.calls() == 2
    stored = await both.server.store.get("/toys.example/kites/default/a")
    assert msgspec.json.decode(stored.value)["spec"] == {"host": "x", "port": "2"}
    _, changed = await both.patch(f"{V2}/a", {"spec": {"hostPort": "y:3"}})
    assert (changed["spec"]["hostPort"], changed["metadata"]["generation"]) == ("y:3", 2)
    assert changed["metadata"]["resourceVersion"] == str(both.server.store.revision)


async def test_lists_convert_each_state_once(both, hook):
    for name in "abc":
        await both("POST", V1, kite(1, name, host=name))
    for _ in range(2):
        _, found = await both("GET", V2)
        assert [item["spec"]["hostPort"] for item in found["items"]] == ["a:", "b:", "c:"]
        assert {item["apiVersion"] for item in found["items"]} == {"toys.example/v2"}
    assert hook.calls() == 1
    _, table = await both("GET", V2, accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    assert [row["cells"][0] for row in table["rows"]] == ["a", "b", "c"]


async def test_objects_stored_in_another_version_before(both, hook):
    """As CustomResourceConversionWebhook's "should be able to convert a non homogeneous list of CRs"."""
    await both("POST", V1, kite(1, "a", host="h", port="1"))
    _, definition = await both("GET", f"{DEFINITIONS}/kites.toys.example")
    definition["spec"]["versions"] = versions("v2")
    await both("PUT", f"{DEFINITIONS}/kites.toys.example", definition)
    await both.settled()
    await both("POST", V1, kite(1, "b", host="h", port="2"))
    for path, number in ((V1, 1), (V2, 2)):
        _, found = await both("GET", path)
        assert [item["apiVersion"] for item in found["items"]] == [f"toys.example/v{number}"] * 2
    assert (await both.status_of("kites.toys.example"))["storedVersions"] == ["v1", "v2"]


async def test_an_update_that_changes_nothing_moves_the_object_to_the_stored_version(both, hook):
    """How `StorageVersionMigration` works; once it is there, nothing is written."""
    await both("POST", V1, kite(1, "a", host="h", port="1"))
    _, definition = await both("GET", f"{DEFINITIONS}/kites.toys.example")
    definition["spec"]["versions"] = versions("v2")
    await both("PUT", f"{DEFINITIONS}/kites.toys.example", definition)
    await both.settled()
    for wrote in (True, False):
        _, before = await both("GET", f"{V1}/a")
        _, after = await both("PUT", f"{V1}/a", before)
        assert (before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"]) is wrote
    stored = await both.server.store.get("/toys.example/kites/default/a")
    assert msgspec.json.decode(stored.value)["apiVersion"] == "toys.example/v2"


async def test_a_dry_run_shows_what_would_be_stored(both, hook):
    _, made = await both("POST", f"{V2}?dryRun=All", kite(2, hostPort="x:2"))
    assert made["spec"] == {"hostPort": "x:2", "size": 1}
    assert "resourceVersion" not in made["metadata"]
    assert hook.calls() == 2


async def test_apply_in_one_version_over_another(both, hook):
    apply = {"content_type": "application/apply-patch+yaml"}
    await both("PATCH", f"{V2}/a?fieldManager=two", kite(2, hostPort="c:3"), **apply)
    _, found = await both("PATCH", f"{V1}/a?fieldManager=one&force=true", kite(1, host="d"), **apply)
    assert found["spec"] == {"host": "d", "port": "3", "size": 1}
    (held,) = found["metadata"]["managedFields"]
    assert (held["manager"], held["fieldsV1"]) == ("one", {"f:spec": {"f:host": {}}})


async def test_a_watch_tells_events_in_its_version_and_in_order(both, hook):
    await both("POST", V1, kite(1, "a", host="h"))
    lines = LocalTransport(both.server, ADMIN).stream("GET", f"{V2}?watch=1")
    seen = [msgspec.json.decode(await anext(lines))]
    await both("POST", V1, kite(1, "b", host="h"))
    await both("DELETE", f"{V1}/a")
    seen += [msgspec.json.decode(await anext(lines)) for _ in range(2)]
    told = [(event["type"], event["object"]["metadata"]["name"]) for event in seen]
    assert told == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]
    assert {event["object"]["spec"]["hostPort"] for event in seen} == {"h:"}
    await lines.aclose()


async def test_a_webhook_that_says_no(both, hook):
    """Reads tell where it went wrong; writes and lists have words of their own."""
    await both("POST", V1, kite(1, "a", host="h"))
    hook.fault = "not today"
    why = "conversion webhook for toys.example/v{}, Kind=Kite failed: not today"
    status, answer = await both("GET", f"{V2}/a")
    revision = both.server.store.revision
    place = "StorageError: corrupt object, Code: 7, Key: {}/toys.example/kites/default/a, ResourceVersion: 0, "
    place += f"AdditionalErrorMsg: object not decodable revision={revision}: "
    assert (status, answer["reason"]) == (500, "InternalError")
    assert answer["message"] == "Internal error occurred: " + place.format("") + why.format(1)
    status, answer = await both("POST", V2, kite(2, "b", hostPort="h:1"))
    assert (status, answer["message"], "reason" in answer) == (500, why.format(2), False)
    status, answer = await both("GET", V2)
    told = "storage is (re)initializing: failed to list <unspecified>: failed to read one or more kites.toys.example "
    assert (status, answer["message"]) == (429, f"{told}from the storage: {place.format('/registry')}{why.format(1)}")
    assert (await both("GET", f"{V1}/a"))[0] == 200
    assert (await both("DELETE", f"{V2}/a"))[0] == 500
    assert (await both("GET", f"{V1}/a"))[0] == 200


async def test_events_wait_for_a_webhook_that_says_no(both, hook):
    await both("POST", V1, kite(1, "a", host="h"))
    lines = LocalTransport(both.server, ADMIN).stream("GET", f"{V2}?watch=1")
    await anext(lines)
    hook.fault = "not today"
    hook.heard.clear()
    await both("POST", V1, kite(1, "b", host="h"))
    waiting = asyncio.ensure_future(anext(lines))
    await hook.heard.wait()
    hook.fault = ""
    while not waiting.done():
        await both.server.clock.advance(0.5)
    event = msgspec.json.decode(waiting.result())
    assert (event["type"], event["object"]["spec"]["hostPort"]) == ("ADDED", "h:")
    await lines.aclose()


async def test_objects_go_with_their_definition_whatever_the_webhook_says(both, hook):
    await both("POST", V1, kite(1, "a", host="h"))
    hook.fault = "not today"
    await both("DELETE", f"{DEFINITIONS}/kites.toys.example")
    await both.settled()
    assert both.server.store.count("/toys.example/kites/") == 0

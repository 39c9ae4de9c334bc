"""A server that follows definitions, and short words for making them."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from umiak.server.app import ApiServer
from umiak.server.contract import MASTERS, Attributes, Decision, User
from umiak.server.custom.follow import follow
from umiak.server.local import LocalTransport
from umiak.store.memory import MemoryStore
from umiak.testing.clock import VirtualClock

ADMIN = User("admin", groups=(MASTERS, "system:authenticated"))
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SPEC = {
    "type": "object",
    "required": ["colour"],
    "properties": {
        "colour": {"type": "string", "enum": ["red", "blue"]},
        "tails": {"type": "integer", "default": 2, "maximum": 9},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
STATUS = {"type": "object", "properties": {"tails": {"type": "integer"}, "selector": {"type": "string"}}}


VERSION = {
    "name": "v1",
    "served": True,
    "storage": True,
    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC, "status": STATUS}}},
}


def definition(plural: str, kind: str, **spec: Any) -> dict[str, Any]:
    names = {"plural": plural, "kind": kind}
    whole = {"group": "toys.example", "scope": "Namespaced", "names": names, "versions": [VERSION], **spec}
    return {"metadata": {"name": f"{plural}.toys.example"}, "spec": whole}


class Everybody:
    async def authorize(self, attributes: Attributes) -> Decision:
        return Decision(True)


class Api:
    """Requests in process; answers are (status, decoded body)."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.changes = 0

    async def raw(self, method: str, target: str, body: Any = None, **headers: str) -> Any:
        sent = body if isinstance(body, bytes) else msgspec.json.encode(body) if body is not None else b""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if sent:
            named.setdefault("content-type", "application/json")
        return await LocalTransport(self.server, ADMIN).request(method, target, named, sent)

    async def __call__(self, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        response = await self.raw(method, target, body, **headers)
        text = response.headers.get("content-type", "").startswith("text/plain")
        return response.status, response.body.decode() if text else msgspec.json.decode(response.body)

    async def lines(self, target: str) -> list[bytes]:
        """An endless answer, once it has ended."""
        return [piece async for piece in LocalTransport(self.server, ADMIN).stream("GET", target)]

    async def patch(self, target: str, body: Any, kind: str = "merge") -> tuple[int, Any]:
        return await self("PATCH", target, body, content_type=f"application/{kind}-patch+json")

    async def define(self, plural: str = "kites", kind: str = "Kite", **spec: Any) -> None:
        """Creates a definition and waits until it is judged."""
        status, answer = await self("POST", DEFINITIONS, definition(plural, kind, **spec))
        assert status == 201, answer
        await self.settled()

    async def settled(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    async def status_of(self, name: str) -> Any:
        return (await self("GET", f"{DEFINITIONS}/{name}"))[1]["status"]


def make_server(store: MemoryStore) -> ApiServer:
    return ApiServer(
        store,
        clock=VirtualClock(),
        random=random.Random(1),
        authenticators=(),
        authorizer=Everybody(),
    )


async def serve(store: MemoryStore) -> tuple[Api, Any]:
    served = make_server(store)
    await served.start()
    api = Api(served)

    def changed() -> None:
        api.changes += 1

    stop = await follow(served, changed)

    async def end() -> None:
        await stop()
        await served.close()

    return api, end


@pytest.fixture
def start() -> Any:
    """(store) to (api, how to end it): several servers over one store, or one after the other."""
    return serve


@pytest.fixture
def kite() -> Any:
    def make(name: str = "a", version: str = "v1", **spec: Any) -> dict[str, Any]:
        about = {"apiVersion": f"toys.example/{version}", "kind": "Kite", "metadata": {"name": name}}
        return {**about, "spec": {"colour": "red", **spec}}

    return make


@pytest.fixture
def plain_version() -> dict[str, Any]:
    """Of a definition; its schema is the fixtures' own."""
    return VERSION


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    store = MemoryStore()
    made, end = await serve(store)
    yield made
    await end()
    await store.close()

"""A server over a store in memory, without HTTP, and somebody who may do everything."""

import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from umiak.client.contract import Response
from umiak.kit.clock import RealClock
from umiak.server.app import ApiServer
from umiak.server.contract import MASTERS, Attributes, Decision, User
from umiak.server.local import LocalTransport
from umiak.store.memory import MemoryStore

ADMIN = User("admin", groups=(MASTERS, "system:authenticated"))


class MastersOnly:
    """Members of system:masters may do anything; nobody else may do anything."""

    async def authorize(self, attributes: Attributes) -> Decision:
        return Decision(MASTERS in attributes.user.groups)


class Api:
    """Short words for requests; answers are (status, decoded body)."""

    def __init__(self, server: ApiServer, user: User = ADMIN) -> None:
        self.server = server
        self.transport = LocalTransport(server, user)

    async def raw(self, method: str, target: str, body: Any = None, **headers: str) -> Response:
        sent = body if isinstance(body, bytes) else msgspec.json.encode(body) if body is not None else b""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if sent:
            named.setdefault("content-type", "application/json")
        return await self.transport.request(method, target, named, sent)

    async def __call__(self, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        response = await self.raw(method, target, body, **headers)
        return response.status, msgspec.json.decode(response.body)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    store = MemoryStore()
    served = ApiServer(
        store,
        clock=RealClock(),
        random=random.Random(1),
        authenticators=(),
        authorizer=MastersOnly(),
    )
    await served.start()
    yield served
    await served.close()
    await store.close()


@pytest.fixture
def api(server: ApiServer) -> Api:
    return Api(server)

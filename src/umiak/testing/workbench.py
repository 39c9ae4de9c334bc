"""A cluster in memory with a clock that tests turn: the fake API, or the real server, and the controllers asked for."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from umiak.api.core.event import KIND as EVENT
from umiak.api.kind import Kind
from umiak.client.client import ApiClient
from umiak.client.contract import Client
from umiak.kit.clock import Clock
from umiak.kit.pki import new_signing_key
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.reconcile.context import Runtime, build
from umiak.reconcile.contract import Controller, Loop, Options
from umiak.reconcile.loop import run
from umiak.server.app import ApiServer
from umiak.server.assembly import Secrets, assemble
from umiak.server.contract import MASTERS, User
from umiak.server.local import LocalTransport
from umiak.server.settings import Settings
from umiak.store.memory import MemoryStore
from umiak.testing.clock import VirtualClock, settle
from umiak.testing.fakeapi import FakeApi


async def api_server(clock: Clock, settings: Settings | None = None) -> tuple[MemoryStore, ApiServer]:
    """A whole server, not yet started, around an empty store."""
    store = MemoryStore()
    app = await assemble(
        store,
        clock=clock,
        chance=random.Random(1),
        settings=settings or Settings(),
        secrets=Secrets(service_account_key=signing_key()),
    )
    return store, app


@cache
def signing_key() -> str:
    return new_signing_key()


class Workbench:
    """One API with its clock. Every method that writes lets everything that follows from it happen first."""

    def __init__(self, client: Client, clock: VirtualClock, options: Options | None = None) -> None:
        self.client = client
        self.clock = clock
        self.options = options or Options()
        self.runtime: Runtime | None = None
        """Of the controllers that run now."""

    @classmethod
    def fake(cls, *kinds: Kind, options: Options | None = None) -> "Workbench":
        """With the small fake API; `kinds` are what its discovery tells of."""
        clock = VirtualClock()
        return cls(FakeApi(clock, kinds), clock, options)

    @classmethod
    @asynccontextmanager
    async def real(cls, options: Options | None = None) -> AsyncIterator["Workbench"]:
        """With the real API server over a store in memory, spoken to as system:masters."""
        clock = VirtualClock()
        store, app = await api_server(clock)
        await app.start()
        client = ApiClient(LocalTransport(app, User("system:admin", groups=(MASTERS,))))
        try:
            await settle()
            yield cls(client, clock, options)
        finally:
            await app.close()
            await store.close()

    @asynccontextmanager
    async def running(self, *controllers: Controller | Loop) -> AsyncIterator["Workbench"]:
        """Runs the controllers meanwhile. What they raised comes out at the end."""
        self.runtime = build(self.client, clock=self.clock, chance=random.Random(1), options=self.options)
        task = asyncio.create_task(run(controllers, self.runtime))
        try:
            await self.clock.advance(0)
            if task.done():
                task.result()
            yield self
        finally:
            task.cancel()
            await asyncio.wait([task])
            self.runtime = None
        if not task.cancelled():
            task.result()

    async def create(self, kind: Kind, obj: Object, *, status: Object | None = None) -> Object:
        """Creates, and sets the status too when one is given."""
        made = await self.client.create(kind, obj)
        if status is not None:
            made = await self.client.update(kind, {**made, "status": status}, subresource="status")
        await settle()
        return made

    async def patch(self, kind: Kind, name: str, namespace: str, change: Object, *, subresource: str = "") -> Object:
        made = await self.client.patch(kind, name, namespace, change, subresource=subresource)
        await settle()
        return made

    async def delete(self, kind: Kind, name: str, namespace: str = "", *, propagation: str = "") -> None:
        await self.client.delete(kind, name, namespace, propagation=propagation)
        await settle()

    async def find(self, kind: Kind, name: str, namespace: str = "") -> Object | None:
        try:
            return await self.client.get(kind, name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            return None

    async def names(self, kind: Kind, namespace: str = "") -> list[str]:
        return sorted(meta.name(o) for o in await self.list(kind, namespace))

    async def events(self, namespace: str = "") -> list[tuple[str, str, str]]:
        """Reason, name of the object and message of every event, in the order of their making."""
        found = sorted(await self.list(EVENT, namespace), key=lambda e: int(meta.resource_version(e)))
        return [(e["reason"], e["involvedObject"].get("name", ""), e["message"]) for e in found]

    async def list(self, kind: Kind, namespace: str = "") -> list[Object]:
        return (await self.client.list(kind, namespace)).items

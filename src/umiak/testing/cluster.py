"""A cluster in memory with a clock that tests turn: the fake API, or the real server, and the controllers asked for."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from umiak.api.core.event import KIND as EVENT
from umiak.api.kind import Kind
from umiak.client.contract import Client
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.reconcile.context import Runtime, build
from umiak.reconcile.contract import Controller, Loop, Options
from umiak.reconcile.loop import run
from umiak.testing.clock import VirtualClock, settle
from umiak.testing.fakeapi import FakeApi


class Cluster:
    """One API with its clock. Every method that writes lets everything that follows from it happen first."""

    def __init__(self, client: Client, clock: VirtualClock, options: Options | None = None) -> None:
        self.client = client
        self.clock = clock
        self.options = options or Options()
        self.runtime: Runtime | None = None
        """Of the controllers that run now."""

    @classmethod
    def fake(cls, *kinds: Kind, options: Options | None = None) -> "Cluster":
        """With the small fake API; `kinds` are what its discovery tells of."""
        clock = VirtualClock()
        return cls(FakeApi(clock, kinds), clock, options)

    @asynccontextmanager
    async def running(self, *controllers: Controller | Loop) -> AsyncIterator["Cluster"]:
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

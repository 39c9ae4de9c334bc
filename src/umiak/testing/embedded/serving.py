"""One cluster on the event loop: store, API server, and what lives around it."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from umiak.client import kubeconfig
from umiak.client.client import ApiClient
from umiak.client.kubeconfig import Config
from umiak.kit.clock import Clock, RealClock
from umiak.kit.http.server import serve
from umiak.kit.tls import server_context
from umiak.server.app import ApiServer
from umiak.server.assembly import Secrets, assemble
from umiak.server.contract import MASTERS, User
from umiak.server.local import LocalTransport
from umiak.server.settings import Settings
from umiak.store.memory import MemoryStore
from umiak.testing.embedded.credentials import Credentials, Files, credentials
from umiak.testing.embedded.gateway import Gateway

FIRST_REQUEST = 0.05
"""Seconds after which controllers are loaded even if nobody asked for anything."""
LAST_REQUESTS = 0.0
"""Seconds that clients get at the end."""
US = User("umiak-testing", groups=(MASTERS,))


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of cluster it is to be; see `Cluster`."""

    nodes: int = 1
    controllers: bool = True
    port: int = 0
    clock: Clock = msgspec.field(default_factory=RealClock)


class Serving(msgspec.Struct, frozen=True):
    """A cluster that answers."""

    app: ApiServer
    store: MemoryStore
    gateway: Gateway
    client: ApiClient
    """Speaks to the server without HTTP, as system:masters."""
    config: Config
    files: Files
    clock: Clock
    settled: asyncio.Event
    """Set once all nodes take pods."""

    async def settle(self) -> None:
        """Waits for nodes, which come at once then."""
        self.gateway.asked.set()
        await self.settled.wait()


@asynccontextmanager
async def serving(wishes: Wishes, folder: Path) -> AsyncIterator[Serving]:
    """Writes keys and kubeconfig into `folder`. Raises OSError when the port is taken."""
    made, files, token = credentials(), Files(folder), secrets.token_urlsafe(24)
    files.write(made, token)
    gateway, store = Gateway(), MemoryStore()
    tls = server_context(str(files.certificate), str(files.key), str(files.authority))
    listener = await serve(gateway.handler, "127.0.0.1", wishes.port, ssl=tls)
    try:
        app = gateway.app = await _assembled(store, wishes.clock, listener.port, made, files)
        await app.start()
        try:
            config = _config(listener.port, made, token)
            kubeconfig.write(str(files.kubeconfig), config, cluster="umiak-testing")
            client = ApiClient(LocalTransport(app, US))
            found = Serving(app, store, gateway, client, config, files, wishes.clock, asyncio.Event())
            async with _inhabited(found, wishes, made):
                yield found
        finally:
            await app.close()
    finally:
        await listener.close(LAST_REQUESTS)
        await store.close()


async def _assembled(store: MemoryStore, clock: Clock, port: int, made: Credentials, files: Files) -> ApiServer:
    settings = Settings(port=port, token_file=files.tokens)
    own = Secrets(service_account_key=made.signing_key, client_ca=made.authority.certificate_pem)
    return await assemble(store, clock=clock, chance=random.Random(), settings=settings, secrets=own)


def _config(port: int, made: Credentials, token: str) -> Config:
    return Config(server=f"https://127.0.0.1:{port}", ca_pem=made.authority.certificate_pem, token=token)


@asynccontextmanager
async def _inhabited(cluster: Serving, wishes: Wishes, made: Credentials) -> AsyncIterator[None]:
    """Controllers and nodes come after the first answer: loading them takes longest, and would hold it up."""
    if not wishes.controllers:
        cluster.settled.set()
        yield
        return
    task = asyncio.create_task(_live(cluster, wishes, made), name="population")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


def _population() -> Any:
    from umiak.testing import population

    return population


async def _live(cluster: Serving, wishes: Wishes, made: Credentials) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_REQUEST):
            await cluster.gateway.asked.wait()
    population = await asyncio.to_thread(_population)
    from umiak.reconcile.context import build
    from umiak.testing.simulation import Settings as Nodes

    settings = cluster.app.settings
    options = population.options(
        settings.service_cidr, made.authority.certificate_pem, made.authority.key_pem, made.signing_key
    )
    shared = build(cluster.client, clock=cluster.clock, chance=random.Random(), options=options)
    async with asyncio.TaskGroup() as tasks:
        await population.populate(shared, Nodes(count=wishes.nodes), tasks)
        cluster.settled.set()

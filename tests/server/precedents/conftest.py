"""Two servers that differ in what they remember alone: what they answer and store has to be the same to the byte."""

import asyncio
import random

import pytest

from umiak.kit import pki
from umiak.kit.memo import Memo
from umiak.server.assembly import Secrets, assemble
from umiak.server.settings import Settings
from umiak.store.memory import MemoryStore
from umiak.testing.clock import NOON, VirtualClock


async def a_server(secrets):
    clock = VirtualClock()
    app = await assemble(MemoryStore(), clock=clock, chance=random.Random(1), settings=Settings(), secrets=secrets)
    await app.start()
    return app


@pytest.fixture
def servers():
    """(a runner, a server, one that works everything out)"""
    secrets = Secrets(service_account_key=pki.new_authority("keys", 1, NOON).key_pem)
    with asyncio.Runner() as runner:
        one, other = runner.run(a_server(secrets)), runner.run(a_server(secrets))
        other.sightings = Memo(0)
        yield runner, one, other
        for app in (one, other):
            runner.run(app.close())
            runner.run(app.store.close())

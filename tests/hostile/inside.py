"""A whole API server in this process without HTTP, for fuzzers: asked synchronously, as often as they like."""

import asyncio
import logging
import random
from typing import Any

import msgspec

from umiak.client.contract import Response
from umiak.kit.pki import new_signing_key
from umiak.server.assembly import Secrets, assemble
from umiak.server.contract import MASTERS, User
from umiak.server.local import LocalTransport
from umiak.server.settings import Settings
from umiak.store.memory import MemoryStore
from umiak.testing.clock import VirtualClock

ADMIN = User("admin", groups=(MASTERS, "system:authenticated"))
PATIENCE = 60
"""Virtual seconds."""


class Panicked(AssertionError):
    """The server met an error that it has no answer for, and said 500."""


class Panics(logging.Handler):
    """Remembers the last error that nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.last = record.exc_info[1]


class Inside:
    """One server, one loop. An answer that came of an unforeseen error raises Panicked, from that error."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._clock = VirtualClock()
        self._panics = Panics()
        logging.getLogger("umiak.server.app").addHandler(self._panics)
        self._transport = self._loop.run_until_complete(self._start())

    async def _start(self) -> LocalTransport:
        secrets = Secrets(service_account_key=new_signing_key())
        app = await assemble(
            MemoryStore(), clock=self._clock, chance=random.Random(1), settings=Settings(), secrets=secrets
        )
        await app.start()
        return LocalTransport(app, ADMIN)

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            named.setdefault("content-type", "application/json")
        self._panics.last = None
        answer = self._loop.run_until_complete(self._answer(method, target, named, body))
        if self._panics.last is not None:
            raise Panicked(f"{method} {target} {headers}: {body!r}") from self._panics.last
        return answer

    async def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Response:
        """Whoever waits has his time at once; nothing waits for longer than PATIENCE."""
        asking = asyncio.ensure_future(self._transport.request(method, target, headers, body))
        await asyncio.wait([asking], timeout=0)
        for _ in range(PATIENCE):
            if asking.done():
                break
            await self._clock.advance(1)
        assert asking.done(), f"no answer within {PATIENCE} s"
        return await asking

    def create(self, target: str, obj: Any) -> None:
        """Something to begin with."""
        answer = self.ask("POST", target, msgspec.json.encode(obj))
        assert answer.status in (201, 409), answer.body

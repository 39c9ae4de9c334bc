"""Auditing in the way of a request: an event when it is received, when an endless answer begins, and at its end.

Sinks that take events at once are told in passing. One that requests have to wait for (a webhook in a blocking mode)
is waited for where the request can wait: before it is handled, and before its answer is sent.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

import msgspec

from umiak.kit.clock import Clock
from umiak.kit.http.exchange import whole
from umiak.objects.errors import StatusError
from umiak.objects.go_text import quoted
from umiak.server.answer import Answer, plain
from umiak.server.audit.policy import COMPLETE, PANIC, RECEIVED, STARTED, Level, Policy
from umiak.server.audit.record import Event, Record
from umiak.server.call import Exchange, Stream
from umiak.server.contract import Request, User
from umiak.server.flow.estimate import runs_long
from umiak.server.route import Route, route

log = logging.getLogger(__name__)

Step = Callable[[Request, Exchange], Awaitable[Answer | None]]
NOBODY = User("")


class Sink(Protocol):
    """Where events go. `strict` when requests fail with it."""

    strict: bool

    def put(self, event: Event) -> bool | Coroutine[Any, Any, bool]:
        """Whether it was taken; where requests have to wait for it, something to wait for that will tell."""
        ...

    async def close(self, grace: float) -> None: ...


class Auditing:
    """The policy and the sinks of a server."""

    def __init__(self, policy: Policy, sinks: Sequence[Sink], clock: Clock, identity: Callable[[Request], str]) -> None:
        self._policy = policy
        self._sinks = tuple(sinks)
        self._clock = clock
        self._identity = identity
        self._tasks: set[asyncio.Task[bool]] = set()
        self.told = self.lost = 0

    async def audited(self, request: Request, exchange: Exchange, step: Step) -> Answer | None:
        """What `step` answers; 500 when the request may not go on without its event."""
        found = route(request)
        record = self.begin(request, found)
        if record is None:
            return await step(request, exchange)
        if not await self._deliver(record, RECEIVED):
            self.lost += 1
            where = quoted(request.target or request.path)
            return plain(f"Internal Server Error: {where}: failed to store audit event\n", 500)
        request.audit = record
        for key, value in (request.annotations or {}).items():
            record.annotate(key, value)
        watched = Watched(exchange, record, self, found.verb == "watch" or runs_long(found))
        return await step(request, watched)

    def begin(self, request: Request, found: Route) -> Record | None:
        """None for a request that nothing is told of."""
        verdict = self._policy.judge(request.user, found)
        if verdict.level is Level.NONE:
            return None
        return Record(request, found, verdict, self._identity(request), self._clock.now())

    async def answered(self, record: Record, answer: Answer, panicked: bool = False) -> None:
        """Before the answer is sent."""
        record.answered(answer.status, body_of(answer, record.wants_answer))
        await self._deliver(record, PANIC if panicked else COMPLETE)

    async def unknown(self, request: Request, error: StatusError) -> None:
        """The request is not answered since nobody knows who sent it."""
        request.user = NOBODY
        record = self.begin(request, route(request))
        if record is not None:
            record.answered(error.code, error.status())
            await self._deliver(record, STARTED)

    def tell(self, record: Record, stage: str) -> None:
        """In passing: nobody waits, whatever the mode."""
        event = record.event(stage, self._clock.now())
        if event is None:
            return
        self.told += 1
        for sink in self._sinks:
            taken = sink.put(event)
            if isinstance(taken, bool):
                continue
            task = asyncio.get_running_loop().create_task(taken)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, record: Record, stage: str) -> bool:
        """False when a strict sink failed."""
        event = record.event(stage, self._clock.now())
        if event is None:
            return True
        self.told += 1
        good = True
        for sink in self._sinks:
            taken = sink.put(event)
            taken = taken if isinstance(taken, bool) else await taken
            good = good and (taken or not sink.strict)
        return good

    async def close(self, grace: float = 5) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for sink in self._sinks:
            await sink.close(grace)


class Watched:
    """An exchange that tells when an answer begins that does not come in one piece, and when that ends."""

    def __init__(self, exchange: Exchange, record: Record, auditing: Auditing, long: bool) -> None:
        self._exchange = exchange
        self._record = record
        self._auditing = auditing
        self._long = long

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    @property
    def answered(self) -> bool:
        return self._exchange.answered

    def reply(self, status: int, headers: Any, body: Any = b"") -> None:
        self._exchange.reply(status, headers, body)
        self._begins(status)
        self._ended()

    def start(self, status: int, headers: Any) -> Stream:
        stream = self._exchange.start(status, headers)
        self._begins(status)
        stream.on_close.append(self._ended)
        return stream

    def upgrade(self, headers: Any) -> Any:
        duplex = self._exchange.upgrade(headers)
        self._handed_over(duplex)
        return duplex

    def hijack(self) -> Any:
        duplex = self._exchange.hijack()
        self._handed_over(duplex)
        return duplex

    def _handed_over(self, duplex: Any) -> None:
        self._begins(101)
        duplex.on_close.append(self._ended)

    def _begins(self, status: int) -> None:
        self._record.answered(status)
        if self._long:
            self._auditing.tell(self._record, STARTED)

    def _ended(self) -> None:
        self._auditing.tell(self._record, COMPLETE)


def body_of(answer: Answer, wanted: bool) -> Any:
    """The object that is answered; a Status in any case, others when they are `wanted`."""
    if not answer.body or not (wanted or answer.status >= 300 or len(answer.body) < 4096):
        return None
    body = whole(answer.body)
    try:
        if answer.type.startswith("application/json"):
            return msgspec.json.decode(body) if wanted or b'"Status"' in body else None
        if answer.type.startswith("application/vnd.kubernetes.protobuf"):
            return _of_protobuf(body)
        if answer.type.startswith("application/yaml"):
            from umiak.objects.encoding import from_yaml

            return from_yaml(body)[0]
    except ValueError:
        log.warning("an answer of type %s could not be read for its audit event", answer.type)
    return None


def _of_protobuf(body: bytes) -> Any:
    """In the form that JSON has, without what is empty there."""
    from umiak.api import protobuf, registry, schema

    found = protobuf.decode(body)
    try:
        kind = registry.find(found.get("apiVersion") or "", (found.get("kind") or "").removesuffix("List"))
    except registry.UnknownKind:
        return found
    if "items" not in found:
        return schema.decode(kind.schema, found, kind.kind, kind.version)[0]
    items = [schema.decode(kind.schema, item, kind.kind, kind.version)[0] for item in found["items"]]
    return {**found, "items": items}

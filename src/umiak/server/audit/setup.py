"""Auditing as the settings ask for it: modes, truncation, log and webhook put together."""

import random
from collections.abc import Awaitable, Callable, Sequence

from umiak.api.configuration import Unacceptable
from umiak.kit.clock import Clock
from umiak.server.audit.auditing import Auditing, Sink
from umiak.server.audit.batch import Buffer, Send, fitting
from umiak.server.audit.log import LogFile
from umiak.server.audit.policy import load
from umiak.server.audit.record import Event
from umiak.server.audit.settings import BATCH, STRICT, AuditSettings, LogSettings, Truncating, WebhookSettings
from umiak.server.audit.webhook import Webhook
from umiak.server.contract import Request

Close = Callable[[], Awaitable[None]]


def auditing(
    settings: AuditSettings, clock: Clock, dice: random.Random, identity: Callable[[Request], str]
) -> Auditing:
    """Raises Unacceptable when a file can not be used."""
    policy = load(settings.policy)
    sinks: list[Sink] = []
    if settings.log.path:
        sinks.append(_log(settings.log, clock))
    if settings.webhook.config:
        sinks.append(_webhook(settings.webhook, clock, dice))
    return Auditing(policy, sinks, clock, identity)


class Direct:
    """Events go on at once, one by one."""

    def __init__(self, put: Callable[[Sequence[Event]], bool], close: Close, truncating: Truncating, mode: str) -> None:
        self.strict = mode == STRICT
        self._put, self._close, self._truncating = put, close, truncating

    def put(self, event: Event) -> bool:
        taken = [self._put(batch) for batch in fitting([event], self._truncating)]
        return all(taken)

    async def close(self, grace: float) -> None:
        await self._close()


class Waiting:
    """Requests wait until their events have arrived."""

    def __init__(self, send: Send, close: Close, truncating: Truncating, mode: str) -> None:
        self.strict = mode == STRICT
        self._send, self._close, self._truncating = send, close, truncating

    async def put(self, event: Event) -> bool:
        return all([await self._send(batch) for batch in fitting([event], self._truncating)])

    async def close(self, grace: float) -> None:
        await self._close()


class Buffered:
    """Events gather in a buffer."""

    strict = False

    def __init__(self, buffer: Buffer, close: Close, truncating: Truncating) -> None:
        self._buffer, self._close, self._truncating = buffer, close, truncating

    def put(self, event: Event) -> bool:
        taken = [self._buffer.put(batch) for batch in fitting([event], self._truncating)]
        return all(taken)

    async def close(self, grace: float) -> None:
        await self._buffer.close(grace)
        await self._close()


def _log(settings: LogSettings, clock: Clock) -> Sink:
    try:
        file = LogFile(settings, clock.now)
    except OSError as error:
        raise Unacceptable(f"ensureLogFile: open {settings.path}: {(error.strerror or str(error)).lower()}") from None
    if settings.mode != BATCH:
        return Direct(file.put, file.close, settings.truncating, settings.mode)

    async def send(events: Sequence[Event]) -> bool:
        return file.put(events)

    return Buffered(Buffer(send, settings.batching, clock), file.close, settings.truncating)


def _webhook(settings: WebhookSettings, clock: Clock, dice: random.Random) -> Sink:
    try:
        webhook = Webhook(settings, clock, dice)
    except Unacceptable as error:
        raise Unacceptable(f"initializing audit webhook: {error}") from None
    if settings.mode != BATCH:
        return Waiting(webhook.post, webhook.close, settings.truncating, settings.mode)
    return Buffered(Buffer(webhook.post, settings.batching, clock), webhook.close, settings.truncating)

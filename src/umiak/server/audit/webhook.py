"""Events posted to a server beside the cluster, as an EventList (apiserver's `plugin/pkg/audit/webhook`)."""

import logging
import random
from collections.abc import Sequence

from umiak.kit.backoff import Backoff
from umiak.kit.clock import Clock
from umiak.server.access.webhook_client import WebhookClient
from umiak.server.audit.record import Event
from umiak.server.audit.settings import WebhookSettings

log = logging.getLogger(__name__)

TIMEOUT = 30.0
"""Seconds of one try."""
TRIES = 5
JITTER = 0.2


class Webhook:
    """A sink. Raises Unacceptable when the file with its address can not be used."""

    def __init__(self, settings: WebhookSettings, clock: Clock, dice: random.Random) -> None:
        self._client = WebhookClient(settings.config, TIMEOUT, clock, dice)
        self._backoff = Backoff(first=settings.backoff, limit=settings.backoff * 10, factor=1.5)
        self._clock = clock
        self._dice = dice

    async def post(self, events: Sequence[Event]) -> bool:
        """Whether they arrived; tries again whatever went wrong."""
        from umiak.server.access.webhook_client import Unanswered

        body = list_of(events)
        for attempt in range(1, TRIES + 1):
            try:
                await self._client.post(body)
                return True
            except Unanswered as error:
                fault = error
            if attempt < TRIES:
                await self._clock.sleep(self._backoff.wait(attempt) * (1 + JITTER * self._dice.random()))
        log.error("Error in audit plugin 'webhook' affecting %d audit events: %s", len(events), fault)
        return False

    async def close(self) -> None:
        await self._client.close()


def list_of(events: Sequence[Event]) -> bytes:
    items = b",".join(event.item() for event in events)
    return b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[%b]}' % items

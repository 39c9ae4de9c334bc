"""Tokens that another server knows: it is asked by TokenReview, and its answers are remembered for a while.

Source: apiserver's `plugin/pkg/authenticator/token/webhook` and `pkg/authentication/token/cache`.
"""

import asyncio
import hashlib
import logging
import random
from collections.abc import Sequence

from umiak.api.configuration import Unacceptable
from umiak.kit.clock import Clock
from umiak.kit.expiring import Expiring
from umiak.objects.types import Object
from umiak.server.access.credentials import Unverified, Verified
from umiak.server.access.settings import WebhookSettings
from umiak.server.access.webhook_client import Unanswered, WebhookClient
from umiak.server.contract import User

log = logging.getLogger(__name__)

VERSIONS = ("v1", "v1beta1")
REMEMBERED = 8192
TIMEOUT = 30
Answer = Verified | None
Key = tuple[bytes, tuple[str, ...]]


class TokenWebhook:
    """Satisfies `credentials.TokenReader`."""

    def __init__(self, settings: WebhookSettings, audiences: Sequence[str], clock: Clock, dice: random.Random) -> None:
        """`audiences`: what a webhook that names none is taken to mean. Raises Unacceptable."""
        if settings.version not in VERSIONS:
            told = f'unsupported authentication webhook version "{settings.version}"'
            raise Unacceptable(f'{told}, supported versions are "v1", "v1beta1"')
        self._version = settings.version
        self._lifetime = settings.authorized_ttl
        self._audiences = tuple(audiences)
        self._client = WebhookClient(settings.file, TIMEOUT, clock, dice)
        self._answers: Expiring[tuple[Answer]] = Expiring(clock, REMEMBERED)
        self._asking: dict[Key, asyncio.Task[Answer]] = {}

    async def read(self, token: str, audiences: Sequence[str]) -> Answer:
        key = hashlib.sha256(token.encode()).digest(), tuple(audiences)
        known = self._answers.get(key)
        if known is not None:
            return known[0]
        task = self._asking.get(key)
        if task is None:  # many requests with one token ask once
            task = self._asking[key] = asyncio.ensure_future(self._ask(key, token))
            task.add_done_callback(lambda task: self._asking.pop(key, None))
        return await asyncio.shield(task)

    async def _ask(self, key: Key, token: str) -> Answer:
        review = {
            "kind": "TokenReview",
            "apiVersion": f"authentication.k8s.io/{self._version}",
            "metadata": {},
            "spec": {"token": token, "audiences": list(key[1])},
            "status": {"user": {}},
        }
        try:
            found = await self._client.ask(review)
        except Unanswered as error:
            log.error("Failed to make webhook authenticator request: %s", error)
            raise Unverified(str(error)) from None
        answer = self._judged(found.get("status") or {}, key[1])
        self._answers.put(key, (answer,), self._lifetime)
        return answer

    def _judged(self, status: Object, wanted: tuple[str, ...]) -> Answer:
        """Raises Unverified when the webhook says why not."""
        own = status.get("audiences") or self._audiences
        shared = tuple(audience for audience in wanted if audience in own)
        if not shared:
            return None
        if not status.get("authenticated"):
            if status.get("error"):
                raise Unverified(str(status["error"]))
            return None
        about = status.get("user") or {}
        extra = {key: tuple(values or ()) for key, values in (about.get("extra") or {}).items()}
        name, uid = about.get("username") or "", about.get("uid") or ""
        return Verified(User(name, uid, tuple(about.get("groups") or ()), extra), shared)

    async def close(self) -> None:
        for task in list(self._asking.values()):
            task.cancel()
        await self._client.close()

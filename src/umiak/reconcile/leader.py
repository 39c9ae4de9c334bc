"""Lets one of several processes work, by a coordination.k8s.io Lease, with client-go's rules and timings.

Other processes' clocks are not trusted: a lease is up when it has not changed for its duration by our own clock.
The holder renews every 2 s and gives up when it could not for 10 s, before others may take over after 15 s.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec

from umiak.api.coordination.lease import KIND as LEASE
from umiak.client.contract import Client, Unreachable
from umiak.kit.clock import Clock
from umiak.objects.errors import StatusError
from umiak.objects.meta import format_micro_time
from umiak.objects.types import Object

JITTER = 1.2
log = logging.getLogger(__name__)


class Timing(msgspec.Struct, frozen=True):
    """Seconds: how long a lease is good for, when its holder gives up, how often it is looked at."""

    lease: float = 15
    deadline: float = 10
    retry: float = 2


USUAL = Timing()


class Seen(msgspec.Struct):
    """The lease as last seen, and when (monotonic) it last changed."""

    spec: Object
    changed: float


def may_take(seen: Seen, identity: str, now: float) -> bool:
    """Whether the lease is ours, nobody's, or has run out at `now` (monotonic)."""
    holder = seen.spec.get("holderIdentity") or ""
    lasts = seen.spec.get("leaseDurationSeconds") or 0
    return holder in ("", identity) or seen.changed + lasts < now


def renewed(spec: Object, identity: str, now: datetime, lease_seconds: float = USUAL.lease) -> Object:
    """What the holder writes; taking over from another counts as a transition."""
    stamp = format_micro_time(now)
    ours = spec.get("holderIdentity") == identity
    transitions = spec.get("leaseTransitions") or 0
    return {
        **spec,
        "holderIdentity": identity,
        "leaseDurationSeconds": int(lease_seconds),
        "acquireTime": spec.get("acquireTime") if ours else stamp,
        "renewTime": stamp,
        "leaseTransitions": transitions if ours or not spec else transitions + 1,
    }


def released(spec: Object, now: datetime) -> Object:
    stamp = format_micro_time(now)
    return {**spec, "holderIdentity": "", "leaseDurationSeconds": 1, "acquireTime": stamp, "renewTime": stamp}


class Election:
    """One candidate for one lease."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        chance: random.Random,
        *,
        name: str,
        identity: str,
        namespace: str = "kube-system",
        timing: Timing = USUAL,
    ) -> None:
        self.name, self.namespace, self.identity = name, namespace, identity
        self.leading = False
        self._client, self._clock, self._random = client, clock, chance
        self._timing = timing
        self._lease: Object | None = None
        self._seen: Seen | None = None

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Waits to be the leader, then runs `work` until it ends or the lease is lost (then it is cancelled).

        The lease is given back at the end. Returns in both cases; a caller that wants to lead again calls again.
        """
        await self._acquire()
        self.leading = True
        log.info("became leader of %s/%s", self.namespace, self.name)
        working, keeping = asyncio.ensure_future(work()), asyncio.ensure_future(self._keep())
        try:
            await asyncio.wait([working, keeping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.leading = False
            await _end(working, keeping)
            await self._release()
        if not working.cancelled():
            working.result()

    async def _acquire(self) -> None:
        while not await self._try():
            await self._clock.sleep(self._timing.retry * (1 + self._random.random() * JITTER))

    async def _keep(self) -> None:
        """Renews; returns when that failed for too long."""
        good = self._clock.monotonic()
        while self._clock.monotonic() - good < self._timing.deadline:
            await self._clock.sleep(self._timing.retry)
            if await self._try():
                good = self._clock.monotonic()
        log.error("lost the lease %s/%s", self.namespace, self.name)

    async def _try(self) -> bool:
        try:
            return await self._take_or_renew()
        except (StatusError, Unreachable) as error:
            log.debug("lease %s/%s: %s", self.namespace, self.name, error)
            self._lease = None  # whatever we believed of it is to be read anew
            return False

    async def _take_or_renew(self) -> bool:
        if self._lease is None or not self.leading:
            self._lease = await self._read()
        if self._lease is None:
            self._remember(await self._client.create(LEASE, self._new()))
            return True
        seen = self._observe(self._lease)
        if not may_take(seen, self.identity, self._clock.monotonic()):
            return False
        wanted = {**self._lease, "spec": renewed(seen.spec, self.identity, self._clock.now(), self._timing.lease)}
        self._remember(await self._client.update(LEASE, wanted))
        return True

    async def _read(self) -> Object | None:
        try:
            return await self._client.get(LEASE, self.name, self.namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            return None

    def _new(self) -> Object:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": renewed({}, self.identity, self._clock.now(), self._timing.lease),
        }

    def _observe(self, lease: Object) -> Seen:
        spec = lease.get("spec") or {}
        if self._seen is None or self._seen.spec != spec:
            self._seen = Seen(spec, self._clock.monotonic())
        return self._seen

    def _remember(self, lease: Object) -> None:
        self._lease = lease
        self._observe(lease)

    async def _release(self) -> None:
        """Lets the next one in without waiting, if the lease is still ours."""
        try:
            lease = await self._read()
            if lease is not None and (lease.get("spec") or {}).get("holderIdentity") == self.identity:
                await self._client.update(LEASE, {**lease, "spec": released(lease["spec"], self._clock.now())})
        except (StatusError, Unreachable) as error:
            log.debug("lease %s/%s not released: %s", self.namespace, self.name, error)


async def _end(*tasks: "asyncio.Future[Any]") -> None:
    """Cancels, and waits until they are gone; what they raised stays in them."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)

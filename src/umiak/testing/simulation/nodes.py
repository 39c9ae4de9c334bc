"""Simulated nodes at work: one loop follows the pods that are bound to them, another one renews their leases.

Of a pod only what moves is kept: its bytes, from the moment it is bound until it rests, and again when it is deleted.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import cycle

import msgspec

from umiak.api.coordination.lease import KIND as LEASE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.pod import KIND as POD
from umiak.client.contract import Preconditions, Unreachable
from umiak.controllers.local_path import DELETE_ON, FINALIZER
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.cache import parse_version
from umiak.reconcile.contract import DONE, Context, Controller, Loop, Outcome, RetryAfter
from umiak.reconcile.informer import Informer
from umiak.reconcile.queue import Queue
from umiak.reconcile.worker import ErrorLog, serve
from umiak.testing.simulation import lives
from umiak.testing.simulation.machines import LEASES, dotted, lease, node, node_address, node_status
from umiak.testing.simulation.settings import Life, Settings, selector_of

AT_ONCE = 64
TICK = 0.1
"""Seconds between two turns of renewals, where there are so many nodes that each turn has some."""
log = logging.getLogger(__name__)


class _About(msgspec.Struct):
    name: str
    namespace: str = ""
    resourceVersion: str = ""
    deletionTimestamp: str | None = None


class _Spec(msgspec.Struct):
    nodeName: str = ""
    restartPolicy: str = "Always"


class _Condition(msgspec.Struct):
    type: str
    status: str


class _Status(msgspec.Struct):
    phase: str = "Pending"
    conditions: list[_Condition] | None = None


class Head(msgspec.Struct):
    """What tells whether a pod rests; the decoder skips the rest of it."""

    metadata: _About
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)

    @property
    def rests(self) -> bool:
        """Whether it runs, is ready and will do so for ever, as far as nothing makes it fail."""
        settled = self.status.phase == "Running" and self.spec.restartPolicy == "Always"
        if self.metadata.deletionTimestamp or not settled:
            return False
        return any(c.type == "ContainersReady" and c.status == "True" for c in self.status.conditions or ())


_head = msgspec.json.Decoder(Head).decode
_decode = msgspec.json.Decoder().decode


class Moving:
    """The pods that something is still to happen to. An informer's sink."""

    def __init__(self, nodes: Iterable[str], queue: "Queue[Key]", *, forever: bool) -> None:
        """`forever`: pods that run are known not to fail."""
        self.position = 0
        self._nodes = frozenset(nodes)
        self._queue = queue
        self._forever = forever
        self._bodies: dict[Key, bytes] = {}
        self._written: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._bodies)

    def replace(self, bodies: list[bytes], version: int) -> None:
        self._bodies.clear()
        for body in bodies:
            self.saw(body)
        self.position = version

    def saw(self, body: bytes) -> None:
        head = _head(body)
        key, version = Key(head.metadata.namespace, head.metadata.name), parse_version(head.metadata.resourceVersion)
        self.position = max(self.position, version)
        if head.spec.nodeName not in self._nodes or version < self._written.get(key, 0):
            return
        self._written.pop(key, None)
        if self._forever and head.rests:
            self._bodies.pop(key, None)
        else:
            self._bodies[key] = body
            self._queue.add(key)

    def saw_deleted(self, body: bytes) -> None:
        about = _head(body).metadata
        self.position = max(self.position, parse_version(about.resourceVersion))
        self.forget(Key(about.namespace, about.name))
        self._written.pop(Key(about.namespace, about.name), None)

    def saw_bookmark(self, body: bytes) -> None:
        found = _decode(body)
        self.position = max(self.position, parse_version(meta.resource_version(found)))

    def get(self, key: Key) -> Object | None:
        body = self._bodies.get(key)
        return None if body is None else _decode(body)

    def wrote(self, key: Key, answer: Object) -> None:
        """What the watch reports from before our own write is no news."""
        self._written[key] = parse_version(meta.resource_version(answer))

    def forget(self, key: Key) -> None:
        self._bodies.pop(key, None)


class Nodes:
    """All simulated nodes of one cluster."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.registered = asyncio.Event()
        self.moving: Moving | None = None
        """Known once pods are followed."""
        self._index = {name: i for i, name in enumerate(settings.names())}
        self._lives = [(selector_of(life), life) for life in settings.lives]
        self._alive: set[str] = set()
        self._addresses = 0

    def controllers(self) -> list[Controller | Loop]:
        """To be run with, or like, the others."""
        return [
            Loop(name="simulated-nodes", run=self.run),
            Loop(name="simulated-pods", run=self.follow, component="kubelet"),
            Controller(name="simulated-volumes", watches=VOLUME, reconcile=self.release, component="kubelet"),
        ]

    # pods

    async def follow(self, ctx: Context) -> None:
        """Has every bound pod fare as its life says."""
        queue: Queue[Key] = Queue(ctx.clock)
        forever = not any(life.failing for life in (self.settings.life, *self.settings.lives))
        moving = self.moving = Moving(self._index, queue, forever=forever)
        bound = Informer(POD, moving, ctx.client, ctx.clock, ctx.random, fields="spec.nodeName!=")
        errors = ErrorLog()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bound.run(), name="informer of simulated pods")
            await serve(
                queue,
                AT_ONCE,
                lambda key: self._look(ctx, moving, key),
                lambda key, error: errors.failed("simulated-pods", str(key), error),
            )

    async def _look(self, ctx: Context, moving: Moving, key: Key) -> Outcome:
        pod = moving.get(key)
        if pod is None:
            return DONE
        now, life = ctx.clock.now(), self.life_of(pod)
        step = lives.next_step(pod, life, now)
        if step is None:
            moving.forget(key)
            return DONE
        wait = max(step.due - now, self._silence(pod["spec"]["nodeName"], now))
        if wait > timedelta(0):
            return RetryAfter(wait)
        await self._take(ctx, moving, pod, life, step.what, now)
        return DONE

    def life_of(self, pod: Object) -> Life:
        """The first that is about the pod, else the one for all."""
        labels, namespace = meta.labels(pod), meta.namespace(pod)
        for selector, life in self._lives:
            if life.namespace in ("", namespace) and selector.matches(labels):
                return life
        return self.settings.life

    def _silence(self, name: str, now: datetime) -> timedelta:
        return timedelta(seconds=self.settings.outages.left(name, now.timestamp()))

    async def _take(self, ctx: Context, moving: Moving, pod: Object, life: Life, what: str, now: datetime) -> None:
        key = meta.key(pod)
        try:
            if what == "remove":
                await self._remove(ctx, pod, life, now)
            else:
                moving.wrote(key, await _say(ctx, pod, self._status(pod, life, what, now)))
        except StatusError as error:
            if error.code not in (404, 409):  # it is gone, or another: the watch will tell
                raise

    def _status(self, pod: Object, life: Life, what: str, now: datetime) -> Object:
        host = node_address(self._index[pod["spec"]["nodeName"]])
        if what == "start":
            return lives.started(pod, self._new_address(), host, life, now)
        if what == "stick":
            return lives.stuck(pod, host, now)
        if what == "again":
            return lives.restarted(pod, now)
        return lives.made_ready(pod, now) if what == "ready" else lives.finished(pod, lives.exit_code(pod, life), now)

    async def _remove(self, ctx: Context, pod: Object, life: Life, now: datetime) -> None:
        """Says that it has ended, for those who hold it by a finalizer to see, and takes it out."""
        about = pod["metadata"]
        if about.get("finalizers") and (pod.get("status") or {}).get("phase") == "Running":
            ended = {**pod, "spec": {**pod["spec"], "restartPolicy": "Never"}}
            about = (await _say(ctx, pod, lives.finished(ended, 137, now)))["metadata"]
        if about.get("deletionGracePeriodSeconds") == 0 and about.get("finalizers"):
            return
        only = Preconditions(uid=about["uid"])
        await ctx.client.delete(POD, about["name"], about["namespace"], only=only, grace_seconds=0)

    async def release(self, ctx: Context, key: Key) -> Outcome:
        """A volume of class local-path that is to go has no folder here to wait for."""
        volume = ctx.cache.get(VOLUME, key)
        if volume is None or meta.annotations(volume).get(DELETE_ON) not in self._index:
            return DONE
        finalizers = meta.metadata(volume).get("finalizers") or ()
        if meta.is_being_deleted(volume) and FINALIZER in finalizers:
            rest = [f for f in finalizers if f != FINALIZER]
            about = {"finalizers": rest or None, "resourceVersion": meta.resource_version(volume)}
            await ctx.client.patch(VOLUME, key.name, "", {"metadata": about})
        return DONE

    def _new_address(self) -> str:
        """Unique for the first sixteen million pods."""
        self._addresses += 1
        return dotted(0x0B000000 + self._addresses % (1 << 24))

    # nodes

    async def run(self, ctx: Context) -> None:
        """Registers all nodes, and renews the leases of those that are registered."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew_all(ctx), name="leases of simulated nodes")
            await _some_at_once([self._register(ctx, name) for name in self.settings.names()])
            self.registered.set()

    async def _renew_all(self, ctx: Context) -> None:
        """Evenly over the time between two renewals of one. A server that is slow to answer does not delay the next."""
        names, every = self.settings.names(), self.settings.renew_every
        tick = TICK if len(names) * TICK > every else 1.0
        ticks, slots, due = math.ceil(every / tick), asyncio.Semaphore(AT_ONCE), ctx.clock.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for turn in cycle(range(ticks)):
                due = max(due + tick, ctx.clock.monotonic() - every)
                await ctx.clock.sleep(max(0.0, due - ctx.clock.monotonic()))
                for name in names[turn::ticks]:
                    if name in self._alive:
                        await slots.acquire()
                        tasks.create_task(self._renew(ctx, name)).add_done_callback(lambda _: slots.release())

    async def _register(self, ctx: Context, name: str) -> None:
        now, index = ctx.clock.now(), self._index[name]
        try:
            made = await ctx.client.create(NODE, node(self.settings, index, now))
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            status = node_status(self.settings, index, now)
            made = await ctx.client.patch(NODE, name, "", {"status": status}, subresource="status")
        await self._renew(ctx, name, made)
        self._alive.add(name)

    async def _renew(self, ctx: Context, name: str, owner: Object | None = None) -> None:
        now = ctx.clock.now()
        if self._silence(name, now):
            return
        try:
            await ctx.client.patch(LEASE, name, LEASES, {"spec": {"renewTime": meta.format_micro_time(now)}})
        except Unreachable as error:
            log.debug("lease of %s not renewed: %s", name, error)
        except StatusError as error:
            if error.code != 404:
                log.debug("lease of %s not renewed: %s", name, error)
                return
            await self._make_lease(ctx, name, owner)

    async def _make_lease(self, ctx: Context, name: str, owner: Object | None) -> None:
        try:
            found = owner or await ctx.client.get(NODE, name)
            await ctx.client.create(LEASE, lease(name, found, ctx.clock.now()))
        except (StatusError, Unreachable) as error:  # the node was deleted: so be it
            log.debug("no lease for %s: %s", name, error)


async def _say(ctx: Context, pod: Object, status: Object) -> Object:
    """Writes what changes of the pod's status; raises when another pod has its name by now."""
    about, old = pod["metadata"], pod.get("status") or {}
    changed = {name: value for name, value in status.items() if old.get(name) != value}
    patch = {"metadata": {"uid": about["uid"]}, "status": changed}
    return await ctx.client.patch(POD, about["name"], about["namespace"], patch, subresource="status")


async def _some_at_once(work: Sequence[Awaitable[None]]) -> None:
    for start in range(0, len(work), AT_ONCE):
        await asyncio.gather(*work[start : start + AT_ONCE])

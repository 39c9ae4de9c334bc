"""The scheduler at work: takes pods from the queue, decides, binds, and says why when it cannot.

Decisions are made one after the other without awaiting anything; binding happens on the side, up to `BINDERS` at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Mapping, Sequence

from umiak.api.apps import replicaset, statefulset
from umiak.api.core import namespace, node, persistentvolume, persistentvolumeclaim, pod, replicationcontroller, service
from umiak.api.policy import poddisruptionbudget
from umiak.api.resource import deviceclass, devicetaintrule, resourceclaim, resourceslice
from umiak.api.storage import csidriver, csinode, csistoragecapacity, storageclass, volumeattachment
from umiak.client.contract import Preconditions, Unreachable
from umiak.kit.backoff import Backoff
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.cache import Change
from umiak.reconcile.context import Runtime
from umiak.reconcile.doubts import is_doubtful
from umiak.scheduler import conditions, consult, metrics, preemption
from umiak.scheduler.cluster import ClusterState
from umiak.scheduler.conditions import ERROR, UNSCHEDULABLE
from umiak.scheduler.contract import BindingFailed, CannotDecide, Cycle, Event, Hint, Relief, always
from umiak.scheduler.decide import NO_NODES, Decider, Placement, Refusal
from umiak.scheduler.extender import NAME as EXTENDER
from umiak.scheduler.extender import Asked, Extender, ExtenderFailed
from umiak.scheduler.metrics import ERROR as FAILED
from umiak.scheduler.metrics import SCHEDULED, Metrics, Stopwatch
from umiak.scheduler.news import News
from umiak.scheduler.nominations import Nominations
from umiak.scheduler.plugins.default_binder import NAME as BINDER
from umiak.scheduler.plugins.default_preemption import NAME as PREEMPTION
from umiak.scheduler.pods import PodView
from umiak.scheduler.profile import Profile, default_profile
from umiak.scheduler.queue import BACKOFF, Queue, Waiting
from umiak.scheduler.reader import PodReader

log = logging.getLogger(__name__)
BINDERS = 64
DECISIONS_IN_A_ROW = 20
"""After so many the event loop gets its turn, so that bindings go out and news comes in."""
FLUSH_SECONDS = 30.0
DOUBT_SECONDS = 1.0
"""Between two tries to learn what became of a binding."""

_TOLD_OF = {
    persistentvolume.KIND: (Event.VOLUME_ADDED, Event.VOLUME_CHANGED),
    persistentvolumeclaim.KIND: (Event.CLAIM_ADDED, Event.CLAIM_CHANGED),
    storageclass.KIND: (Event.CLASS_ADDED, Event.CLASS_CHANGED),
    csinode.KIND: (Event.CSINODE_ADDED, Event.CSINODE_CHANGED),
    resourceclaim.KIND: (Event.RESOURCE_CLAIM_ADDED, Event.RESOURCE_CLAIM_CHANGED, Event.RESOURCE_CLAIM_REMOVED),
    deviceclass.KIND: (Event.DEVICE_CLASS_ADDED, Event.DEVICE_CLASS_CHANGED),
    resourceslice.KIND: (Event.SLICE_ADDED, Event.SLICE_CHANGED),
    devicetaintrule.KIND: (Event.SLICE_CHANGED, Event.SLICE_CHANGED, Event.SLICE_CHANGED),
    csidriver.KIND: (None, Event.CSIDRIVER_CHANGED),
    csistoragecapacity.KIND: (Event.STORAGE_ROOM_ADDED, Event.STORAGE_ROOM_CHANGED),
    volumeattachment.KIND: (None, None, Event.ATTACHMENT_REMOVED),
}
"""Kinds whose objects may help pods that wait: what it is called when one appears, changes or goes."""
_READ = (
    pod.KIND,
    node.KIND,
    namespace.KIND,
    service.KIND,
    replicaset.KIND,
    statefulset.KIND,
    replicationcontroller.KIND,
    poddisruptionbudget.KIND,
    *_TOLD_OF,
)


class PluginFailed(Exception):
    """A plugin could not do its part; the text names it and says why."""


async def _named(point: str, plugin: str, work: Awaitable[None]) -> None:
    """Does what a plugin has to do. Raises PluginFailed."""
    try:
        await work
    except (StatusError, Unreachable, BindingFailed) as error:
        raise _failed(point, plugin, error) from error


def _failed(point: str, plugin: str, error: Exception) -> PluginFailed:
    return PluginFailed(f'running {point} plugin "{plugin}": {error}')


def why(refusal: Refusal, outcome: preemption.Outcome, reliefs: Sequence[Relief] = ()) -> str:
    """Why a pod found no node, and what was done about it."""
    if refusal.message == NO_NODES:
        return NO_NODES
    done = ", ".join(filter(None, (*(relief.message for relief in reliefs), outcome.message)))
    return " ".join(filter(None, (refusal.reasons(), done)))


def reliefs_of(profile: Profile, cycle: Cycle, refusal: Refusal) -> list[Relief]:
    """What plugins do for a pod that fits nowhere, until one of them ends it."""
    found: list[Relief] = []
    for plugin in profile.plugins if refusal.message != NO_NODES else ():
        relief = plugin.relieve(cycle) if plugin.relieve is not None else None
        if relief is not None:
            found.append(relief)
            if relief.ends:
                break
    return found


async def _raising(error: Exception) -> None:
    raise error


class Way:
    """What it takes to schedule by one profile."""

    def __init__(self, profile: Profile, runtime: Runtime, counted: Metrics) -> None:
        self.profile = profile
        self.watch = Stopwatch(counted, profile.name)
        self.decider = Decider(profile.plugins, runtime.random, profile.percentage, watch=self.watch)
        self.context = runtime.context(profile.name)
        self.preempts = any(p.name == PREEMPTION and "postFilter" in p.points for p in profile.plugins)


def _subject(about: PodView) -> Object:
    """What an event is about."""
    where = {"name": about.name, "namespace": about.namespace, "uid": about.uid, "resourceVersion": about.version}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": where}


class Scheduler:
    """`run` returns only when cancelled."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        profiles: Sequence[Profile] | None = None,
        backoff: Backoff = BACKOFF,
        extenders: Sequence[Extender] = (),
    ) -> None:
        self.ready = asyncio.Event()
        self.metrics = Metrics(runtime.clock)
        self._runtime = runtime
        given = profiles if profiles is not None else (default_profile(),)
        self._ways = {profile.name: Way(profile, runtime, self.metrics) for profile in given}
        hints: dict[str, Mapping[Event, Hint]] = {p.name: p.retry_on for profile in given for p in profile.plugins}
        hints |= {NO_NODES: {Event.NODE_ADDED: always}, EXTENDER: dict.fromkeys(Event, always)}
        self._queue = Queue(hints, self._cycle, self._held_by, backoff, self._entered)
        self._extenders = extenders
        self._cluster = ClusterState(self._happened)
        self._nominations = Nominations()
        self._reader = PodReader()
        self._pending: dict[str, Object] = {}
        self._work = asyncio.Event()
        self._slots = asyncio.Semaphore(BINDERS)
        self.metrics.look_at(self._queue.counts, self._cluster.sizes, self._queue.rejections)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._runtime.informers.start(_READ, tasks)
            await self._runtime.informers.synced(_READ)
            self._listen()
            self.ready.set()
            tasks.create_task(self._flush(), name="scheduler flush")
            while True:
                await self._next_work()
                await self._decide_some(tasks)

    def _listen(self) -> None:
        tables = self._runtime.tables
        tables.table(node.KIND).listen(self._node_changed)
        tables.table(pod.KIND).listen(self._pod_changed)
        for kind in _TOLD_OF:
            tables.table(kind).listen(self._object_changed)

    def _entered(self, queue: str, event: str) -> None:
        self.metrics.incoming.at(queue, event).inc()

    def _happened(self, news: News) -> None:
        self._queue.happened(news, self._runtime.clock.monotonic())
        self._work.set()

    def _object_changed(self, change: Change) -> None:
        if change.kind == deviceclass.KIND:  # what was said of room for alike pods need not hold any longer
            self._cluster.census.columns.forget()
        added, changed, removed = (*_TOLD_OF[change.kind], None)[:3]
        event = removed if change.new is None else added if change.old is None else changed
        if event is not None:
            self._happened(News(event, change.old, change.new))

    def _cycle(self, about: PodView) -> Cycle:
        way, now = self._ways[about.scheduler], self._runtime.clock.now()
        promised, told, cluster = self._nominations.by_node, way.profile.settings, self._cluster
        tables, census = self._runtime.tables, cluster.census
        pending = self._pending
        return Cycle(
            about, cluster.nodes, tables, now, nominated=promised, settings=told, census=census, pending=pending
        )

    def _held_by(self, about: PodView) -> str:
        """The plugin that does not let a pod be tried yet, or nothing."""
        cycle = self._cycle(about)
        asked = self._ways[about.scheduler].profile.plugins
        return next((p.name for p in asked if p.admit is not None and not p.admit(cycle)), "")

    def _node_changed(self, change: Change) -> None:
        self._cluster.node_changed(change.old, change.new, change.key.name)

    def _pod_changed(self, change: Change) -> None:
        row = change.new_row or change.old_row
        uid = row.uid if row is not None else ""
        new = self._reader.read(change.new_row.body) if change.new_row is not None else None
        if new is not None and not new.node:
            self._pod_waits(new)
            return
        self._queue.remove(change.key)
        self._nominations.remove(uid)
        self._cluster.pod_changed(new, uid)

    def _pod_waits(self, waiting: PodView) -> None:
        way = self._ways.get(waiting.scheduler)
        ours = way is not None and not waiting.finished and not waiting.being_deleted
        if not ours:
            self._queue.remove(waiting.key)
            self._nominations.remove(waiting.uid)
        elif not self._cluster.is_placed(waiting.uid):  # assumed ones are on their way
            self._queue.add(waiting, self._runtime.clock.monotonic())
            if waiting.nominated:
                self._nominations.add(waiting, waiting.nominated)
            self._work.set()

    async def _next_work(self) -> None:
        """Waits for news or until a pod has backed off long enough."""
        wake = self._queue.next_wake()
        if wake is None:
            await self._work.wait()
        else:
            timer = asyncio.ensure_future(self._runtime.clock.sleep(wake - self._runtime.clock.monotonic()))
            news = asyncio.ensure_future(self._work.wait())
            try:
                await asyncio.wait({timer, news}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                news.cancel()
        self._work.clear()

    async def _decide_some(self, tasks: asyncio.TaskGroup) -> None:
        count = 0
        while (waiting := self._queue.pop(self._runtime.clock.monotonic())) is not None:
            await self._slots.acquire()
            helpers = [each for each in self._extenders if each.is_interested(waiting.pod.spec)]
            try:
                work = await self._consult(waiting, helpers) if helpers else self._decide(waiting)
            except Exception as error:  # one odd pod must not stop the scheduling of all others
                work = _raising(error)
            tasks.create_task(self._on_the_side(waiting, work))
            count += 1
            if count % DECISIONS_IN_A_ROW == 0:
                await asyncio.sleep(0)

    def _decide(self, waiting: Waiting) -> Coroutine[None, None, None]:
        """Decides now; returns what is left to do about it, which may wait for the server."""
        way = self._ways[waiting.pod.scheduler]
        cycle = self._cycle(waiting.pod)
        decision = way.decider.decide(cycle)
        if isinstance(decision, Placement):
            return self._place(waiting, cycle, decision)
        reliefs = reliefs_of(way.profile, cycle, decision)
        found = self._look_for_victims(way, cycle, decision, reliefs)
        outcome = found if isinstance(found, preemption.Outcome) else preemption.best(found)
        return self._put_off(waiting, decision, outcome, reliefs)

    async def _consult(self, waiting: Waiting, helpers: Sequence[Extender]) -> Coroutine[None, None, None]:
        """As `_decide`, with extenders that have a say; waits for their answers, and decides nothing else meanwhile."""
        way, cycle, asked = self._ways[waiting.pod.scheduler], self._cycle(waiting.pod), self._asked(waiting.pod)
        decision = await consult.decide(way.decider, cycle, helpers, asked)
        if isinstance(decision, Placement):
            return self._place(waiting, cycle, decision, next((each for each in helpers if each.binds), None))
        reliefs = reliefs_of(way.profile, cycle, decision)
        found = self._look_for_victims(way, cycle, decision, reliefs)
        return self._put_off(waiting, decision, await consult.make_room(found, cycle, helpers, asked), reliefs)

    def _asked(self, about: PodView) -> Asked:
        get = self._runtime.tables.get
        return Asked(
            get(pod.KIND, about.key) or {},
            lambda name: get(node.KIND, Key("", name)) or {},
            lambda placed: get(pod.KIND, placed.key) or {},
        )

    def _place(
        self, waiting: Waiting, cycle: Cycle, placement: Placement, binder: Extender | None = None
    ) -> Coroutine[None, None, None]:
        self._note_decision(waiting)
        for plugin in placement.plugins:
            if plugin.reserve is not None:
                plugin.reserve(cycle, placement.node)
        self._cluster.assume(waiting.pod, placement.node.name)
        self._nominations.remove(waiting.pod.uid)
        return self._bind(waiting, cycle, placement, binder)

    def _put_off(
        self, waiting: Waiting, refusal: Refusal, outcome: preemption.Outcome, reliefs: Sequence[Relief]
    ) -> Coroutine[None, None, None]:
        self._note_decision(waiting)
        if self._ways[waiting.pod.scheduler].preempts:
            self.metrics.preempted(len(outcome.victims.pods) if outcome.victims else 0)
        self._promise(waiting.pod, outcome)
        return self._refuse(waiting, refusal, outcome, reliefs)

    def _note_decision(self, waiting: Waiting) -> None:
        self.metrics.algorithm.observe(self._runtime.clock.monotonic() - waiting.began)

    def _look_for_victims(
        self, way: Way, cycle: Cycle, refusal: Refusal, reliefs: Sequence[Relief]
    ) -> list[preemption.Victims] | preemption.Outcome:
        if not way.preempts or any(relief.ends for relief in reliefs):
            return preemption.Outcome(None, "", keeps_nomination=True)
        began, budgets = way.watch.now(), self._runtime.tables.list(poddisruptionbudget.KIND)
        found = preemption.look(cycle, way.profile.plugins, refusal, budgets, self._runtime.random)
        way.watch.saw("PostFilter", began, not isinstance(found, preemption.Outcome))
        return found

    def _promise(self, about: PodView, outcome: preemption.Outcome) -> None:
        """At once, so that the next decision heeds it; the pod's status tells later."""
        if outcome.victims is not None:
            self._nominations.add(about, outcome.victims.node)
        elif not outcome.keeps_nomination:
            self._nominations.remove(about.uid)

    async def _on_the_side(self, waiting: Waiting, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except (StatusError, Unreachable, PluginFailed, ExtenderFailed, CannotDecide) as error:
            await self._failed(waiting, error)
        except Exception as error:  # one odd pod must not stop the scheduling of all others
            log.exception("scheduling %s", waiting.pod.key)
            await self._give_back(waiting, error)
        finally:
            self._slots.release()

    async def _failed(self, waiting: Waiting, error: Exception) -> None:
        """A binding may have happened though nobody said so: until that is known the pod's place stays taken."""
        if is_doubtful(error) or (isinstance(error.__cause__, Exception) and is_doubtful(error.__cause__)):
            await self._find_out()
            known = self._known(waiting.pod)
            if known is not None and known["spec"].get("nodeName"):
                self._queue.done(waiting)
                return
        await self._give_back(waiting, error)

    async def _find_out(self) -> None:
        while True:
            try:
                await self._runtime.doubts.resolve((pod.KIND,))
                return
            except (StatusError, Unreachable) as error:
                log.debug("cannot look up what became of a binding: %s", error)
            await self._runtime.clock.sleep(DOUBT_SECONDS)

    async def _give_back(self, waiting: Waiting, error: Exception) -> None:
        self.metrics.attempted(FAILED, waiting.pod.scheduler, waiting.began)
        self._cluster.forget(waiting.pod.uid)
        self._happened(News(Event.POD_REMOVED, waiting.pod, None))
        if self._known(waiting.pod) is None:
            self._queue.done(waiting)
            return
        self._queue.failed(waiting, (), self._runtime.clock.monotonic())
        try:
            await self._tell_failure(waiting.pod, ERROR, str(error))
        except (StatusError, Unreachable) as failure:
            log.warning("telling why %s was not scheduled: %s", waiting.pod.key, failure)

    async def _bind(self, waiting: Waiting, cycle: Cycle, placement: Placement, binder: Extender | None) -> None:
        chosen, name = waiting.pod, placement.node.name
        try:
            await self._prepare_and_bind(chosen, cycle, placement, binder)
        except Exception:
            for plugin in placement.plugins:
                if plugin.unreserve is not None:
                    await plugin.unreserve(self._ways[chosen.scheduler].context, cycle, placement.node)
            raise
        self._queue.done(waiting)
        self.metrics.attempted(SCHEDULED, chosen.scheduler, waiting.began)
        self.metrics.scheduled(waiting.attempts, waiting.since, waiting.flushed)
        message = f"Successfully assigned {chosen.namespace}/{chosen.name} to {name}"
        self._event(chosen, "Normal", "Scheduled", "Binding", message)

    async def _prepare_and_bind(
        self, chosen: PodView, cycle: Cycle, placement: Placement, binder: Extender | None
    ) -> None:
        way = self._ways[chosen.scheduler]
        began = way.watch.now()
        for plugin in placement.plugins:
            if plugin.prebind is not None:
                await _named("PreBind", plugin.name, plugin.prebind(way.context, cycle, placement.node))
        way.watch.saw("PreBind", began)
        began = way.watch.now()
        if binder is not None:
            await binder.bind(chosen, placement.node.name)
            return
        try:
            await self._write_binding(chosen, placement.node.name)
        except (StatusError, Unreachable) as error:
            raise _failed("Bind", BINDER, error) from error
        way.watch.saw("Bind", began)

    async def _write_binding(self, chosen: PodView, name: str) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": name}
        about = {"name": chosen.name, "namespace": chosen.namespace, "uid": chosen.uid}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": about, "target": target}
        await self._runtime.client.create(
            pod.KIND, binding, namespace=chosen.namespace, name=chosen.name, subresource="binding"
        )

    async def _refuse(
        self, waiting: Waiting, refusal: Refusal, outcome: preemption.Outcome, reliefs: Sequence[Relief]
    ) -> None:
        """Does what helps, evicts victims; tells the pod's owner why it waits; parks the pod."""
        self.metrics.attempted(metrics.UNSCHEDULABLE, waiting.pod.scheduler, waiting.began)
        for relief in reliefs:
            if relief.act is not None:
                await relief.act(self._ways[waiting.pod.scheduler].context)
        if outcome.victims is not None:
            await self._evict(waiting.pod, outcome.victims)
        self._queue.failed(waiting, refusal.plugins or {NO_NODES}, self._runtime.clock.monotonic())
        await self._tell_failure(waiting.pod, UNSCHEDULABLE, why(refusal, outcome, reliefs), outcome.nominates)

    async def _evict(self, preemptor: PodView, victims: preemption.Victims) -> None:
        text = f"Preempted by pod {preemptor.uid} on node {victims.node}"
        client, now = self._runtime.client, self._runtime.clock.now()
        for victim in victims.pods:
            known = self._known(victim)
            if victim.being_deleted or known is None:
                continue
            try:
                await self._patch_status(victim, conditions.disrupted(known, preemptor.scheduler, now))
                await client.delete(pod.KIND, victim.name, victim.namespace, only=Preconditions(uid=victim.uid))
            except StatusError as error:
                if error.code not in (404, 409):
                    raise
            self._event(victim, "Normal", "Preempted", "Preempting", text, by=preemptor)

    def _known(self, about: PodView) -> Object | None:
        """The whole pod, unless it went or another took its name."""
        found = self._runtime.tables.get(pod.KIND, about.key)
        return found if found is not None and meta.uid(found) == about.uid else None

    async def _patch_status(self, about: PodView, patch: Object | None) -> None:
        if patch is not None:
            await self._runtime.client.patch(
                pod.KIND, about.name, about.namespace, patch, type="strategic", subresource="status"
            )

    async def _tell_failure(self, about: PodView, reason: str, message: str, nominated: str | None = None) -> None:
        """By an event and a condition."""
        self._event(about, "Warning", "FailedScheduling", "Scheduling", conditions.note(message))
        known = self._known(about)
        if known is not None:
            now = self._runtime.clock.now()
            await self._patch_status(about, conditions.not_scheduled(known, reason, message, nominated, now))

    def _event(
        self, about: PodView, type: str, reason: str, action: str, message: str, by: PodView | None = None
    ) -> None:
        """`by`: the pod for whose sake it happens to the other, which its scheduler tells."""
        teller = self._ways[(by or about).scheduler].context.events
        teller.report(_subject(about), type, reason, action, message, None if by is None else _subject(by))

    async def _flush(self) -> None:
        while True:
            await self._runtime.clock.sleep(FLUSH_SECONDS)
            self._queue.flush(self._runtime.clock.monotonic())
            self._work.set()

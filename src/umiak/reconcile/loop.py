"""Runs controllers: informers feed queues, queues feed reconciles, failures come again later.

A reconcile that raises is tried again with growing delays (see `queue`), and logged once per distinct error;
a Conflict only means that the cache was behind and is not logged at all.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from umiak.api.kind import Kind
from umiak.client.contract import Unreachable
from umiak.kit.backoff import Backoff
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.reconcile.cache import Change
from umiak.reconcile.context import Runtime
from umiak.reconcile.contract import Also, Context, Controller, Loop, RetryAfter
from umiak.reconcile.queue import Queue

log = logging.getLogger(__name__)
MAX_ERRORS = 512
RESTART = Backoff(first=1.0, limit=60.0)


class ErrorLog:
    """Logs each distinct error once, as long as it is among the last few hundred."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def failed(self, what: str, about: str, error: BaseException) -> None:
        if isinstance(error, StatusError) and error.reason == "Conflict":
            return
        entry = (what, about, f"{type(error).__name__}: {error}")
        if entry in self._seen:
            self._seen.move_to_end(entry)
            return
        self._seen[entry] = None
        if len(self._seen) > MAX_ERRORS:
            self._seen.popitem(last=False)
        expected = isinstance(error, StatusError | Unreachable)
        log.error("%s: %s: %s", what, about, error, exc_info=None if expected else error)


def kinds_of(controller: Controller | Loop) -> list[Kind]:
    """Every kind that must be in the cache before the controller starts."""
    if isinstance(controller, Loop):
        return list(controller.reads)
    return [controller.watches, *(also.kind for also in controller.also), *controller.reads]


class Runner:
    """One controller at work."""

    def __init__(self, controller: Controller, runtime: Runtime, errors: ErrorLog) -> None:
        self.controller = controller
        self.queue: Queue[Key] = Queue(runtime.clock)
        self._runtime = runtime
        self._context = runtime.context(component(controller))
        self._errors = errors

    def listen(self) -> None:
        """Has the controller's kinds wake it. Called after `informers.start`, before anything is awaited."""
        tables = self._runtime.tables
        tables.table(self.controller.watches).listen(self._main_changed)
        for also in self.controller.also:
            tables.table(also.kind).listen(self._waker(also))

    async def run(self) -> None:
        await self._runtime.informers.synced(kinds_of(self.controller))
        slots = asyncio.Semaphore(self.controller.workers)
        try:
            async with asyncio.TaskGroup() as tasks:
                if self.controller.resync:
                    tasks.create_task(self._resync(self.controller.resync.total_seconds()))
                while True:
                    await slots.acquire()
                    key = await self.queue.take()
                    tasks.create_task(self._work(key, slots.release))
        finally:
            await self.queue.close()

    async def _work(self, key: Key, release: Callable[[], None]) -> None:
        try:
            outcome = await self.controller.reconcile(self._context, key)
        except Exception as error:  # whatever it is, the other keys and controllers go on
            self._errors.failed(self.controller.name, str(key), error)
            self.queue.add_failed(key)
        else:
            self.queue.forget(key)
            if isinstance(outcome, RetryAfter):
                self.queue.add_after(key, outcome.delay.total_seconds())
        finally:
            self.queue.done(key)
            release()

    def _main_changed(self, change: Change) -> None:
        judge = self.controller.should_wake
        try:
            if judge is None or judge(change.old, change.new):
                self.queue.add(change.key)
        except Exception as error:  # an odd object must not stop the informer that everybody shares
            self._errors.failed(self.controller.name, str(change.key), error)

    def _waker(self, also: Also) -> Callable[[Change], None]:
        def changed(change: Change) -> None:
            try:
                for state in (change.old, change.new):
                    for key in () if state is None else also.keys(state, self._context.cache):
                        self.queue.add(key)
            except Exception as error:  # as above
                self._errors.failed(self.controller.name, f"{change.kind.kind} {change.key}", error)

        return changed

    async def _resync(self, seconds: float) -> None:
        while True:
            await self._runtime.clock.sleep(seconds)
            for key in self._runtime.tables.keys(self.controller.watches):
                self.queue.add(key)


def component(controller: Controller | Loop) -> str:
    """Who the events are from: the reference's controllers call themselves something-controller."""
    own = controller.component if isinstance(controller, Controller) else ""
    return own or (controller.name if controller.name.endswith("-controller") else f"{controller.name}-controller")


async def run_loop(loop: Loop, runtime: Runtime, errors: ErrorLog) -> None:
    """Runs a `Loop`; one that ends or raises is started again, later each time."""
    await runtime.informers.synced(loop.reads)
    context: Context = runtime.context(component(loop))
    failures = 0
    while True:
        began = runtime.clock.monotonic()
        try:
            await loop.run(context)
        except Exception as error:  # the other controllers go on
            errors.failed(loop.name, "loop", error)
        failures = 1 if runtime.clock.monotonic() - began > RESTART.limit else failures + 1
        await runtime.clock.sleep(RESTART.wait(failures))


async def run(controllers: Iterable[Controller | Loop], runtime: Runtime, *, ready: asyncio.Event | None = None) -> None:
    """Runs all of `controllers` in this process until cancelled. `ready` is set once every cache is filled."""
    chosen: Sequence[Controller | Loop] = tuple(controllers)
    errors = ErrorLog()
    kinds = [kind for controller in chosen for kind in kinds_of(controller)]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(runtime.recorder.run(), name="events")
        runtime.informers.start(kinds, tasks)
        for controller in chosen:
            if isinstance(controller, Loop):
                tasks.create_task(run_loop(controller, runtime, errors), name=controller.name)
            else:
                runner = Runner(controller, runtime, errors)
                runner.listen()
                tasks.create_task(runner.run(), name=controller.name)
        await runtime.informers.synced(kinds)
        if ready is not None:
            ready.set()

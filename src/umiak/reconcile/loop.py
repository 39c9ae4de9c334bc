"""Runs controllers: informers feed queues, queues feed reconciles, failures come again later (see `worker`)."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from umiak.api.kind import Kind
from umiak.kit.backoff import Backoff
from umiak.objects.meta import Key
from umiak.reconcile.cache import Change
from umiak.reconcile.context import Runtime
from umiak.reconcile.contract import Also, Context, Controller, Loop, Outcome
from umiak.reconcile.queue import Queue
from umiak.reconcile.worker import ErrorLog, serve

RESTART = Backoff(first=1.0, limit=60.0)


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
        self._kinds = kinds_of(controller)
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
        await self._runtime.informers.synced(self._kinds)
        async with asyncio.TaskGroup() as tasks:
            if self.controller.resync:
                tasks.create_task(self._resync(self.controller.resync.total_seconds()))
            await serve(self.queue, self.controller.workers, self._reconcile, self._failed)

    async def _reconcile(self, key: Key) -> Outcome:
        await self._runtime.doubts.resolve(self._kinds)
        return await self.controller.reconcile(self._context, key)

    def _failed(self, key: Key, error: Exception) -> None:
        self._errors.failed(self.controller.name, str(key), error)

    def _main_changed(self, change: Change) -> None:
        judge = self.controller.should_wake
        try:
            if judge is None or change.matters(judge):
                self.queue.add(change.key)
        except Exception as error:  # an odd object must not stop the informer that everybody shares
            self._failed(change.key, error)

    def _waker(self, also: Also) -> Callable[[Change], None]:
        def changed(change: Change) -> None:
            try:
                if also.should_wake is not None and not change.matters(also.should_wake):
                    return
                if also.of is not None and (owners := _controllers(change)) is not None:
                    for api_version, kind, name in owners:
                        if kind == also.of.kind and api_version == also.of.api_version:
                            self.queue.add(Key(change.key.namespace, name))
                    return
                for key in change.keys(also.keys, self._context.cache):
                    self.queue.add(key)
            except Exception as error:  # as above
                self._errors.failed(self.controller.name, f"{change.kind.kind} {change.key}", error)

        return changed

    async def _resync(self, seconds: float) -> None:
        while True:
            await self._runtime.clock.sleep(seconds)
            for key in self._runtime.tables.keys(self.controller.watches):
                self.queue.add(key)


def _controllers(change: Change) -> list[tuple[str, str, str]] | None:
    """Who controls the old and the new state; None when nobody controls one of them."""
    rows = [row for row in (change.old_row, change.new_row) if row is not None]
    found = [row.references.controller for row in rows if row.references.controller is not None]
    return found if len(found) == len(rows) else None


def component(controller: Controller | Loop) -> str:
    """Who the events are from: the reference's controllers call themselves something-controller."""
    return controller.component or (
        controller.name if controller.name.endswith("-controller") else f"{controller.name}-controller"
    )


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


async def run(
    controllers: Iterable[Controller | Loop], runtime: Runtime, *, ready: asyncio.Event | None = None
) -> None:
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

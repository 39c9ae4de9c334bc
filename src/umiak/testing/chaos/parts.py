"""The processes under test: they start, lead or wait to lead, crash with everything they knew, and start again."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import cache

import msgspec

from umiak.client.client import ApiClient
from umiak.client.contract import Transport
from umiak.kit.modules import exported
from umiak.kit.tasks import Tasks
from umiak.objects.meta import Key
from umiak.reconcile.context import Runtime, build
from umiak.reconcile.contract import Context, Controller, Loop, Options, Outcome
from umiak.reconcile.leader import Election
from umiak.reconcile.loop import run
from umiak.scheduler.loop import Scheduler
from umiak.testing.chaos.clock import MachineClock
from umiak.testing.chaos.network import Line, Weather
from umiak.testing.chaos.trace import Trace
from umiak.testing.chaos.world import ACTOR, DEED, World

LEASE = "kube-controller-manager"
NODE_GRACE = timedelta(seconds=12)
ALWAYS = ("garbage-collector", "pod-garbage-collector", "disruption-controller", "node-taints")
NODES = ("node-lifecycle", "taint-eviction")
BY_WORKLOAD = {
    "deployment": ("deployment-controller", "replicaset-controller"),
    "statefulset": ("statefulset-controller",),
    "daemonset": ("daemonset-controller",),
    "job": ("job-controller", "job-orphans"),
    "indexed-job": ("job-controller", "job-orphans"),
}
MISTAKES = (LookupError, TypeError, AttributeError, AssertionError, NameError)
"""What only a fault of the program raises."""
Member = Controller | Loop


@cache
def known_members() -> dict[str, Member]:
    return {c.name: c for c in exported("umiak.controllers", "CONTROLLER").values()}


def members(workloads: Sequence[str], with_nodes: bool) -> list[Member]:
    """The controllers that a schedule needs. Raises LookupError when one goes by another name."""
    wanted = {*ALWAYS, *(NODES if with_nodes else ()), *(n for w in workloads for n in BY_WORKLOAD[w])}
    known = known_members()
    missing = wanted - known.keys()
    if missing:
        raise LookupError(f"no controllers {sorted(missing)} among {sorted(known)}")
    return [known[name] for name in sorted(wanted)]


def signed(member: Member, trace: Trace, faulty: Callable[[str], None]) -> Member:
    """The same controller, whose every deed bears its name; `faulty` hears of errors that are nobody's answer."""
    if isinstance(member, Loop):
        return msgspec.structs.replace(member, run=_signed_loop(member))
    reconcile = member.reconcile

    async def look(ctx: Context, key: Key) -> Outcome:
        DEED.set(member.name)
        trace.add(asyncio.get_running_loop().time(), f"{ACTOR.get()}/{member.name}", "looks at", str(key))
        try:
            return await reconcile(ctx, key)
        except MISTAKES as error:
            faulty(f"{member.name} at {key}: {error!r}")
            raise

    return msgspec.structs.replace(member, reconcile=look)


def _signed_loop(member: Loop) -> Callable[[Context], Awaitable[None]]:
    async def work(ctx: Context) -> None:
        DEED.set(member.name)
        await member.run(ctx)

    return work


class Part(msgspec.Struct, eq=False):
    """One process. `work` is what it does while it may; with `elects` only as leader."""

    name: str
    role: str
    server: Transport
    weather: Weather
    trace: Trace
    tasks: Tasks
    world: World
    clock: MachineClock
    work: Callable[[Runtime], Awaitable[None]]
    elects: bool = False
    working: bool = False
    starts: int = 0
    line: Line | None = None
    on_failure: Callable[[str], None] = lambda _: None
    """Told what ended it from within: nothing must."""
    on_work: Callable[[], None] = lambda: None
    _task: asyncio.Task[None] | None = None

    @property
    def runs(self) -> bool:
        return self._task is not None

    def start(self) -> None:
        self.starts += 1
        self.line = Line(self.server, self.weather, self.trace, self.name, on_death=self._dies)
        self.trace.add(self.world.time(), self.name, "starts")
        self._task = self.tasks.start(self.name, self._live(self.line))

    def crash(self) -> None:
        """Forgets everything at once; what it had asked of the server may still happen."""
        if self._task is None or self.line is None:
            return
        self.trace.add(self.world.time(), self.name, "crashes")
        self.line.dead = True
        self._task.cancel()
        self._task, self.working = None, False

    def _dies(self) -> None:
        """Within a request of its own."""
        self.crash()
        self.tasks.start(f"{self.name} again", self._restart())

    async def _restart(self) -> None:
        await asyncio.sleep(1 + self.weather.dice.random() * 3)
        if not self.runs:
            self.start()

    async def _live(self, line: Line) -> None:
        ACTOR.set(self.name)
        chance = random.Random(f"{self.world.plan.seed} {self.name} {self.starts}")
        try:
            while True:
                client = ApiClient(line)
                options = Options(node_monitor_grace=NODE_GRACE)
                runtime = build(client, clock=self.clock, chance=chance, options=options)
                await self._once(runtime, chance)
                await self.clock.sleep(1)  # as its supervisor would
        except Exception as error:
            self.on_failure(f"{self.name} ended by itself: {error!r}")
            raise

    async def _once(self, runtime: Runtime, chance: random.Random) -> None:
        async def work() -> None:
            self.working = True
            self.trace.add(self.world.time(), self.name, "works")
            self.on_work()
            try:
                await self.work(runtime)
            finally:
                self.working = False

        if not self.elects:
            await work()
            return
        identity = f"{self.name}_{self.starts}"
        await Election(runtime.client, self.clock, chance, name=LEASE, identity=identity).run(work)


def controllers(chosen: Sequence[Member]) -> Callable[[Runtime], Awaitable[None]]:
    async def work(runtime: Runtime) -> None:
        await run(chosen, runtime)

    return work


async def schedule(runtime: Runtime) -> None:
    DEED.set("scheduler")
    await Scheduler(runtime).run()


class Crew(msgspec.Struct):
    """All processes of a schedule."""

    parts: list[Part] = msgspec.field(default_factory=list)

    def overlap(self, role: str) -> bool:
        return sum(p.working for p in self.parts if p.role == role) > 1

    def __getitem__(self, name: str) -> Part:
        return next(p for p in self.parts if p.name == name)

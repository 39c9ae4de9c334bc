"""One schedule from its seed to its verdict: faults and users for a while, then calm until all has come right."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import cache
from typing import Any

import msgspec

from umiak.api.coordination.lease import KIND as LEASE
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.api.core.serviceaccount import KIND as ACCOUNT
from umiak.api.kind import Kind
from umiak.client.client import ApiClient
from umiak.kit.modules import exported
from umiak.kit.tasks import Tasks
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.server.app import ApiServer
from umiak.server.assembly import Secrets, assemble
from umiak.server.contract import MASTERS, User
from umiak.server.local import LocalTransport
from umiak.server.settings import Settings
from umiak.store.contract import Event
from umiak.testing.chaos import invariants, loop
from umiak.testing.chaos.clock import MachineClock
from umiak.testing.chaos.invariants.contract import Invariant
from umiak.testing.chaos.machines import Machine, Machines
from umiak.testing.chaos.network import SERVED, Line, Weather
from umiak.testing.chaos.parts import LEASE as LEASE_NAME
from umiak.testing.chaos.parts import Crew, Member, Part, controllers, members, schedule, signed
from umiak.testing.chaos.plan import LONGEST_OUTAGE, LONGEST_STALL, Plan, draw
from umiak.testing.chaos.trace import Trace
from umiak.testing.chaos.users import Users
from umiak.testing.chaos.world import ACTOR, Change, Ledger, World
from umiak.testing.workbench import signing_key

PATIENCE = 1500.0
"""Seconds of calm within which everything must have come right: failed keys wait up to 1,000 s for their next try."""
LOOK = 5.0
NAMESPACES = ("default", "kube-system", "kube-node-lease")
Alteration = Callable[[Member], Member]


class Verdict(msgspec.Struct):
    seed: int
    plan: Plan
    wrong: list[str]
    """What was found, with its time; empty when all was well."""
    trace: Trace
    seconds: float
    """Of virtual time."""
    writes: int


@cache
def judges() -> list[Invariant]:
    return list(exported(invariants.__name__, "INVARIANT").values())


class Simulation:
    """A schedule at work."""

    machines: Machines
    users: Users

    def __init__(self, plan: Plan, trace: Trace, tasks: Tasks) -> None:
        self.plan, self.trace, self.tasks = plan, trace, tasks
        self.world = World(plan, asyncio.get_running_loop().time)
        self.weather = Weather(plan, random.Random(f"weather {plan.seed}"))
        self.judges = judges()
        self.crew = Crew()
        self.store = Ledger()
        self.wrong: list[str] = []
        self.caught = asyncio.Event()
        self.writes = 0

    # the store's relay: hears of every commit before anybody else

    def published(self, revision: int) -> None:
        """The changes follow."""

    def committed(self, events: Sequence[Event]) -> None:
        for event in events:
            author = self.store.authors.pop(event.revision, ("cluster", ""))
            change = self.world.take(event, author)
            self.writes += 1
            self._note(change)
            for judge in self.judges:
                self.find(f"{judge.name}: {text}" for text in judge.at_write(self.world, change))
            self.machines.changed(change)

    def failed(self) -> None:
        """A store in memory does not fail."""

    def compacted(self, oldest: int) -> None:
        """Watches hear of it."""

    def find(self, faults: Iterable[str]) -> None:
        for text in faults:
            told = f"t={self.world.time():.3f} {text}"
            self.trace.add(self.world.time(), "judge", "WRONG", text)
            self.wrong.append(told)
            self.caught.set()

    def _mistake(self, text: str) -> None:
        self.find([f"mistake: {text}"])

    def _note(self, change: Change) -> None:
        if change.kind in ("Lease", "Namespace", "ServiceAccount"):
            return
        verb = "removed" if change.new is None else "created" if change.old is None else "changed"
        about = f"{change.kind} {change.key.name}"
        self.trace.add(change.at, "store", verb, about, _summary(change.last))

    # its course

    async def live(self, alter: Alteration) -> None:
        server = await self._serve()
        direct = Line(server, self.weather, self.trace, "direct", faultless=True)
        client = ApiClient(direct)
        dice = self.weather.dice
        self.machines = Machines(self.world, ApiClient(server), dice, self.trace, self.tasks, self.plan.node_faults > 0)
        self.users = Users(self.world, client, dice)
        direct.who = "users"
        self.store.relay = self
        await self.machines.build([self._clock() for _ in range(self.plan.nodes)])
        self._hire(server, alter)
        for part in self.crew.parts:
            part.start()
        await self.users.begin()
        faults = [asyncio.create_task(work) for work in self._faults()]
        await self._until(asyncio.sleep(self.plan.seconds))
        for fault in faults:
            fault.cancel()
        await self._calm()

    async def _serve(self) -> LocalTransport:
        app = await assemble(
            self.store,
            clock=MachineClock(),
            chance=random.Random(self.plan.seed),
            settings=Settings(),
            secrets=Secrets(service_account_key=signing_key()),
            keeps_house=False,
        )
        await app.start()
        self.tasks.start("server", _close_with(app))
        server = LocalTransport(app, User("system:admin", groups=(MASTERS,)))
        client = ApiClient(server)
        for name in NAMESPACES:
            await client.create(NAMESPACE, _named(NAMESPACE, name))
            await client.create(ACCOUNT, _named(ACCOUNT, "default"), namespace=name)
        return server

    def _clock(self) -> MachineClock:
        if not self.plan.skew:
            return MachineClock()
        return MachineClock(self.weather.dice.uniform(-2.0, 2.0), self.weather.dice.uniform(0.97, 1.03))

    def _hire(self, server: LocalTransport, alter: Alteration) -> None:
        chosen = [alter(m) for m in members(self.plan.workloads, self.plan.node_faults > 0)]
        works = controllers([signed(m, self.trace, self._mistake) for m in chosen])
        names = ["controllers-a", *(["controllers-b"] if self.plan.rivals else [])]
        common = (server, self.weather, self.trace, self.tasks, self.world)
        for name in names:
            part = Part(name, "controllers", *common, self._clock(), works, elects=self.plan.rivals)
            part.on_work = self._check_crowd
            self.crew.parts.append(part)
        self.crew.parts.append(Part("scheduler-a", "scheduler", *common, self._clock(), schedule))
        for part in self.crew.parts:
            part.on_failure = self._mistake

    def _check_crowd(self) -> None:
        if self.crew.overlap("controllers"):
            self.world.crowded = True
            self.trace.add(self.world.time(), "judge", "notes", "two leaders at once")

    def _faults(self) -> Iterable[Coroutine[Any, Any, None]]:
        plan = self.plan
        yield from (self._at_random(self._crash) for _ in range(plan.crashes))
        yield from (self._at_random(self._stall) for _ in range(plan.stalls))
        yield from (self._at_random(self._compact) for _ in range(plan.compactions))
        yield from (self._at_random(self._steal) for _ in range(plan.thefts))
        yield from (self._at_random(self._lose_machine) for _ in range(plan.node_faults))
        yield from (self._at_random(self._disturb) for _ in range(plan.pod_faults))
        yield from (self._at_random(self.users.edit) for _ in range(plan.edits))
        yield from (self._at_random(self.users.evict) for _ in range(plan.evictions))
        if plan.skew:
            yield from (self._at_random(self._jump) for _ in range(2))

    async def _at_random(self, deed: Callable[[], Awaitable[None]]) -> None:
        await asyncio.sleep(self.weather.dice.uniform(1.0, self.plan.seconds))
        await deed()

    async def _until(self, work: Awaitable[None]) -> None:
        """Waits for `work`, or until something is wrong."""
        waits = [asyncio.ensure_future(work), asyncio.ensure_future(self.caught.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    # faults

    async def _crash(self) -> None:
        part = self.weather.dice.choice(self.crew.parts)
        part.crash()
        await asyncio.sleep(self.weather.dice.uniform(0.5, LONGEST_OUTAGE))
        if not part.runs:
            part.start()

    async def _stall(self) -> None:
        part, dice = self.weather.dice.choice(self.crew.parts), self.weather.dice
        resource, seconds = dice.choice(sorted(SERVED)), dice.uniform(1.0, LONGEST_STALL)
        if part.line is not None:
            self.trace.add(self.world.time(), part.name, "hears", f"nothing of {resource} for {seconds:.1f} s")
            part.line.stalled[resource] = self.world.time() + seconds

    async def _compact(self) -> None:
        self.trace.add(self.world.time(), "server", "forgets", f"what was before {self.store.revision}")
        await self.store.compact(self.store.revision)

    async def _steal(self) -> None:
        """Somebody deletes the lease; its holder learns of it only when it wants to renew."""
        ACTOR.set("users")
        if self.world.get("Lease", Key("kube-system", LEASE_NAME)) is not None:
            await self.users.client.delete(LEASE, LEASE_NAME, "kube-system")

    async def _jump(self) -> None:
        part = self.weather.dice.choice(self.crew.parts)
        seconds = self.weather.dice.uniform(-5.0, 5.0)
        self.trace.add(self.world.time(), part.name, "jumps", f"{seconds:+.1f} s by its clock")
        part.clock.jump(seconds)

    async def _lose_machine(self) -> None:
        machine: Machine = self.weather.dice.choice(list(self.machines.by_name.values()))
        if not machine.works:
            return
        self.machines.lose(machine, power=self.weather.dice.random() < 0.5)
        try:
            await asyncio.sleep(self.weather.dice.uniform(2.0, 40.0))
        finally:
            self.machines.recover(machine)

    async def _disturb(self) -> None:
        pods = [p for p in self.world.objects("Pod") if p["spec"].get("nodeName")]
        if pods:
            pod = self.weather.dice.choice(sorted(pods, key=meta.name))
            await self.machines.disturb(pod, fatally=self.weather.dice.random() < 0.4)

    # calm

    async def _calm(self) -> None:
        if self.wrong:
            return
        self.trace.add(self.world.time(), "judge", "ends", "all faults")
        self.weather.is_calm = True
        self.world.calm_since = self.world.time()
        for part in self.crew.parts:
            if not part.runs:
                part.start()
        await self.users.resume()
        await self._come_right()

    async def _come_right(self) -> None:
        until, quiet = self.world.time() + PATIENCE, 0
        while not self.caught.is_set() and quiet < 2:
            await self._until(asyncio.sleep(LOOK))
            missing = self._missing()
            quiet = 0 if missing else quiet + 1
            if missing and self.world.time() > until:
                self.find(f"not settled: {text}" for text in missing)

    def _missing(self) -> list[str]:
        return [f"{judge.name}: {text}" for judge in self.judges for text in judge.at_rest(self.world)]


async def _close_with(app: ApiServer) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await app.close()


def _named(kind: Kind, name: str) -> Object:
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}}


def _summary(obj: Object) -> str:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    found = [f"@{meta.resource_version(obj)}"]
    if "replicas" in spec:
        found.append(f"replicas {spec['replicas']}/{status.get('replicas', 0)}")
    if "nodeName" in spec:
        found.append(f"on {spec['nodeName']}")
    if "phase" in status:
        found.append(status["phase"])
    if meta.is_being_deleted(obj):
        found.append("being deleted")
    return " ".join(found)


def unchanged(member: Member) -> Member:
    return member


def run(seed: int, *, words: bool = False, alter: Alteration = unchanged, plan: Plan | None = None) -> Verdict:
    """Runs one schedule. `alter` may put another controller in a controller's place, to see that it is caught."""
    plan = plan or draw(seed)
    trace = Trace(words)

    async def live() -> Verdict:
        async with Tasks("chaos") as tasks:
            simulation = Simulation(plan, trace, tasks)
            await simulation.live(alter)
            return Verdict(seed, plan, simulation.wrong, trace, simulation.world.time(), simulation.writes)

    return loop.run(live())

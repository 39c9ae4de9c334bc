"""The machines and their node agents: they run pods, end jobs, fall silent, die and come back.

`World.running` is what really runs, and where; what the API says of it can be older.
"""

import asyncio
import random
from datetime import datetime

import msgspec

from umiak.api.coordination.lease import KIND as LEASE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.client.contract import Client, Preconditions
from umiak.kit.tasks import Tasks
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.testing.chaos.clock import MachineClock
from umiak.testing.chaos.trace import Trace
from umiak.testing.chaos.world import ACTOR, Change, World
from umiak.testing.simulation.lives import Step, finished, made_ready, next_step, started, with_conditions
from umiak.testing.simulation.machines import LEASES, lease, node, node_address, node_status
from umiak.testing.simulation.settings import Life, Settings

HEARTBEAT = 3.0
CPU = "1"
LIFE = Life(start_delay=0.3, ready_delay=0.5)
PODS = 12
"""What fits on one machine."""
FAILS = 0.15
"""The chance of a job's pod to fail when pods may."""


class Machine(msgspec.Struct):
    name: str
    index: int
    clock: MachineClock
    powered: bool = True
    connected: bool = True

    @property
    def works(self) -> bool:
        return self.powered and self.connected


class Machines(msgspec.Struct):
    world: World
    client: Client
    dice: random.Random
    trace: Trace
    tasks: Tasks
    heartbeats: bool
    by_name: dict[str, Machine] = msgspec.field(default_factory=dict)
    settings: Settings = msgspec.field(default_factory=lambda: Settings(count=0))
    _busy: set[str] = msgspec.field(default_factory=set)
    _addresses: int = 0

    async def build(self, clocks: list[MachineClock]) -> None:
        """A machine with each of `clocks`, registered as a node."""
        self.settings = Settings(count=len(clocks), cpu=CPU, memory="4Gi", pods=PODS)
        for index, clock in enumerate(clocks):
            machine = Machine(self.settings.names()[index], index, clock)
            self.by_name[machine.name] = machine
            self.world.running[machine.name] = {}
            await self.register(machine)

    async def register(self, machine: Machine) -> None:
        ACTOR.set(machine.name)
        about = node(self.settings, machine.index, machine.clock.now())
        made = await self.client.create(NODE, about)
        if not self.heartbeats:
            return
        try:
            await self.client.create(LEASE, lease(machine.name, made, machine.clock.now()))
        except StatusError as error:
            if error.code != 409:
                raise
        self.tasks.start(f"heart of {machine.name}", self._beat(machine, meta.uid(made)))

    async def _beat(self, machine: Machine, uid: str) -> None:
        ACTOR.set(machine.name)
        while True:
            await machine.clock.sleep(HEARTBEAT)
            known = self.world.get("Node", Key("", machine.name))
            if known is None or meta.uid(known) != uid:
                return
            if not machine.works:
                continue
            patch = {"spec": {"renewTime": meta.format_micro_time(machine.clock.now())}}
            try:
                await self.client.patch(LEASE, machine.name, LEASES, patch)
                if any(c["type"] == "Ready" and c["status"] != "True" for c in known["status"]["conditions"]):
                    await self._say_ready(machine, known)
            except StatusError as error:  # deleted in the meantime
                self.trace.add(self.world.time(), machine.name, "failed", str(error))

    async def _say_ready(self, machine: Machine, known: Object) -> None:
        status = node_status(self.settings, machine.index, machine.clock.now())
        patch = {"status": {"conditions": status["conditions"]}}
        await self.client.patch(NODE, machine.name, "", patch, subresource="status")

    # what happens to machines

    def lose(self, machine: Machine, *, power: bool) -> None:
        """Cuts it off, or switches it off: then its containers are no more."""
        machine.connected = False
        if power:
            machine.powered = False
            self.world.running[machine.name].clear()
        self.trace.add(self.world.time(), machine.name, "lost", "power" if power else "connection")

    def recover(self, machine: Machine) -> None:
        machine.powered = machine.connected = True
        self.trace.add(self.world.time(), machine.name, "is back")
        running = self.world.running[machine.name]
        present = {meta.uid(p): p for p in self.world.objects("Pod") if p["spec"].get("nodeName") == machine.name}
        for uid in running.keys() - present.keys():
            del running[uid]
        for pod in present.values():
            if not _over(pod) and _phase(pod) == "Running":
                running[meta.uid(pod)] = meta.key(pod)
            self.look(pod)

    async def disturb(self, pod: Object, *, fatally: bool, seconds: float = 2.0) -> None:
        """The pod fails for good, or is not ready for a while."""
        machine = self.by_name.get(pod["spec"].get("nodeName") or "")
        if machine is None or not machine.works or _phase(pod) != "Running":
            return
        now = machine.clock.now()
        if fatally:
            await self._write(pod, {**finished(_for_good(pod), 1, now), "reason": "Evicted"}, machine)
            self.world.running[machine.name].pop(meta.uid(pod), None)
            return
        conditions = with_conditions(pod, {"Ready": False, "ContainersReady": False}, now)
        await self._write(pod, {**pod["status"], "conditions": conditions}, machine)

    # what happens to pods

    def changed(self, change: Change) -> None:
        if change.kind == "Pod":
            if change.new is None:
                self._ended(change.last)
            else:
                self.look(change.new)

    def _ended(self, pod: Object) -> None:
        """The agent hears of it, if it hears anything, and stops what it still runs."""
        machine = self.by_name.get(pod["spec"].get("nodeName") or "")
        if machine is not None and machine.works:
            self.world.running[machine.name].pop(meta.uid(pod), None)

    def look(self, pod: Object) -> None:
        """Sees to the pod when its next step is due."""
        machine, uid = self.by_name.get(pod["spec"].get("nodeName") or ""), meta.uid(pod)
        if machine is None or not machine.works or uid in self._busy:
            return
        now = machine.clock.now()
        step = self._next(pod, now)
        if step is not None:
            self._busy.add(uid)
            wait = max(0.0, (step.due - now).total_seconds()) + self.dice.uniform(0.01, 1.0)
            self.tasks.start(f"pod {uid}", self._take(machine, meta.key(pod), uid, wait))

    def _next(self, pod: Object, now: datetime) -> Step | None:
        """Also what others said of a pod whose machine was silent is put right."""
        step = next_step(pod, LIFE, now)
        says_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())
        if _phase(pod) == "Running" and not says_ready and (step is None or step.what == "finish"):
            return Step("ready", now)
        return step

    async def _take(self, machine: Machine, key: Key, uid: str, wait: float) -> None:
        ACTOR.set(machine.name)
        await asyncio.sleep(wait)
        pod = self.world.get("Pod", key)
        try:
            if pod is not None and meta.uid(pod) == uid and machine.works:
                await self._step(machine, pod)
        except StatusError as error:
            if error.code not in (404, 409):
                raise
        finally:
            self._busy.discard(uid)
        pod = self.world.get("Pod", key)
        if pod is not None and meta.uid(pod) == uid:
            self.look(pod)

    async def _step(self, machine: Machine, pod: Object) -> None:
        now, running = machine.clock.now(), self.world.running[machine.name]
        step = self._next(pod, now)
        if step is None:
            return
        if step.what == "remove":
            await self._remove(machine, pod)
        elif step.what == "start":
            running[meta.uid(pod)] = meta.key(pod)
            status = started(pod, self._address(), node_address(machine.index), LIFE, now)
            await self._write(pod, status, machine)
        elif step.what == "ready":
            await self._write(pod, made_ready(pod, now), machine)
        else:
            code = int(self.world.plan.pod_faults > 0 and self.world.calm_since is None and self.dice.random() < FAILS)
            running.pop(meta.uid(pod), None)
            await self._write(pod, finished(pod, code, now), machine)

    async def _remove(self, machine: Machine, pod: Object) -> None:
        """Its containers have stopped: says so, and lets it go. Finalizers of others hold it yet."""
        self.world.running[machine.name].pop(meta.uid(pod), None)
        if _phase(pod) == "Running":
            pod = await self._write(pod, finished(_for_good(pod), 137, machine.clock.now()), machine)
        if meta.metadata(pod).get("deletionGracePeriodSeconds") != 0:
            only = Preconditions(uid=meta.uid(pod))
            await self.client.delete(POD, meta.name(pod), meta.namespace(pod), only=only, grace_seconds=0)

    async def _write(self, pod: Object, status: Object, machine: Machine) -> Object:
        ACTOR.set(machine.name)
        return await self.client.update(POD, {**pod, "status": status}, subresource="status")

    def _address(self) -> str:
        self._addresses += 1
        return f"11.0.{self._addresses // 256}.{self._addresses % 256}"


def _phase(pod: Object) -> str:
    return (pod.get("status") or {}).get("phase") or ""


def _over(pod: Object) -> bool:
    return _phase(pod) in ("Succeeded", "Failed")


def _for_good(pod: Object) -> Object:
    """The pod as one whose containers are not started again."""
    return {**pod, "spec": {**pod["spec"], "restartPolicy": "Never"}}

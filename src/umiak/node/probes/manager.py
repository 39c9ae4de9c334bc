"""Repeats probes of running containers and remembers what they say (kubelet/prober).

A task per probe lives as long as its container runs. Startup comes first: the others begin when it has succeeded.
"""

import asyncio
import random
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from umiak.kit.clock import Clock
from umiak.node import pods
from umiak.node.decide import Results
from umiak.node.probes.check import check
from umiak.node.probes.outcome import Outcome
from umiak.node.runtime import ContainerStatus, Runtime, State
from umiak.node.snapshot import Snapshot
from umiak.node.status import Probed
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.reconcile.contract import Recorder

STARTUP, LIVENESS, READINESS = "startup", "liveness", "readiness"
FIELDS = {STARTUP: "startupProbe", LIVENESS: "livenessProbe", READINESS: "readinessProbe"}
SHOWN = {STARTUP: "Startup", LIVENESS: "Liveness", READINESS: "Readiness"}


class Which(NamedTuple):
    container: str
    id: str
    kind: str


class Counted(msgspec.Struct):
    """Turns single outcomes into a verdict: it changes after so many alike in a row."""

    successes: int
    failures: int
    _last: bool | None = None
    _run: int = 0

    def add(self, ok: bool) -> bool | None:
        """The verdict, once there have been enough; None before."""
        self._run = self._run + 1 if ok == self._last else 1
        self._last = ok
        return ok if self._run >= (self.successes if ok else self.failures) else None

    def reset(self) -> None:
        self._run = 0


class _Pod(msgspec.Struct):
    tasks: dict[Which, asyncio.Task[None]] = msgspec.field(default_factory=dict)
    results: dict[Which, bool] = msgspec.field(default_factory=dict)


class Prober:
    """Probes for all pods. `runtime_name` is the prefix of container ids in statuses."""

    def __init__(
        self, runtime: Runtime, clock: Clock, events: Recorder, chance: random.Random, runtime_name: str = "containerd"
    ) -> None:
        self._runtime, self._clock, self._events, self._random = runtime, clock, events, chance
        self._runtime_name = runtime_name
        self._pods: dict[str, _Pod] = {}

    def follow(self, pod: Object, seen: Snapshot, ip: str, wake: Callable[[], None]) -> None:
        """Begins and ends probes so that they fit what runs now; `wake` is called when a verdict changes."""
        known = self._pods.setdefault(meta.uid(pod), _Pod())
        self._inherit(pod, known, seen)
        wanted = self._wanted(pod, known, seen)
        for which in [w for w in known.tasks if w not in wanted]:
            known.tasks.pop(which).cancel()
        alive = {c.id for c in seen.containers if c.state == State.RUNNING}
        for which in [w for w in known.results if w.id not in alive]:
            del known.results[which]
        for which, (container, status) in wanted.items():
            if which not in known.tasks:
                run = self._repeat(pod, container, status, which, known, ip, wake)
                known.tasks[which] = asyncio.create_task(run, name=f"{which.kind} of {which.container}")

    def _inherit(self, pod: Object, known: _Pod, seen: Snapshot) -> None:
        """After a restart of the agent, takes over what the status says of containers that still run."""
        fields = ("containerStatuses", "initContainerStatuses")
        statuses = [s for f in fields for s in pods.status(pod).get(f) or ()]
        running = {c.id for c in seen.containers if c.state == State.RUNNING}
        for status in statuses:
            id = (status.get("containerID") or "").removeprefix(f"{self._runtime_name}://")
            if id not in running:
                continue
            for kind, value in ((STARTUP, status.get("started")), (READINESS, status.get("ready"))):
                which = Which(status["name"], id, kind)
                container = pods.find_container(pod, status["name"]) or {}
                if value and container.get(FIELDS[kind]) and which not in known.tasks:
                    known.results.setdefault(which, True)

    def _wanted(self, pod: Object, known: _Pod, seen: Snapshot) -> dict[Which, tuple[Object, ContainerStatus]]:
        found = {}
        ending = meta.is_being_deleted(pod)
        for _, container in pods.every_container(pod):
            status = seen.latest_active(container["name"])
            if status is None or status.state != State.RUNNING:
                continue
            started = not container.get("startupProbe") or known.results.get(
                Which(container["name"], status.id, STARTUP)
            )
            for kind, field_name in FIELDS.items():
                fits = not started if kind == STARTUP else started
                if container.get(field_name) and fits and not (ending and kind != READINESS):
                    found[Which(container["name"], status.id, kind)] = (container, status)
        return found

    async def _repeat(
        self,
        pod: Object,
        container: Object,
        status: ContainerStatus,
        which: Which,
        known: _Pod,
        ip: str,
        wake: Callable[[], None],
    ) -> None:
        probe = container[FIELDS[which.kind]]
        period = float(probe.get("periodSeconds") or 10)
        counted = Counted(probe.get("successThreshold") or 1, probe.get("failureThreshold") or 3)
        delay = status.started_at / 1e9 + float(probe.get("initialDelaySeconds") or 0) - self._clock.now().timestamp()
        if delay > 0:
            await self._clock.sleep(delay)
        while True:
            outcome = await check(self._runtime, probe, container, which.id, ip)
            self._tell(pod, container, which.kind, outcome)
            verdict = counted.add(outcome.ok)
            if verdict is not None and known.results.get(which) != verdict:
                known.results[which] = verdict
                wake()
            if (verdict and which.kind == STARTUP) or (verdict is False and which.kind != READINESS):
                return
            await self._clock.sleep(period)

    def _tell(self, pod: Object, container: Object, kind: str, outcome: Outcome) -> None:
        field_name = next(f for f, c in pods.every_container(pod) if c["name"] == container["name"])
        about = pods.reference(pod, field_name, container["name"])
        if outcome.error:
            message = f"{SHOWN[kind]} probe errored and resulted in unknown state: {outcome.text}"
            self._events.event(about, "Warning", "Unhealthy", message)
        elif outcome.warning:
            self._events.event(about, "Warning", "ProbeWarning", f"{SHOWN[kind]} probe warning: {outcome.text}")
        elif not outcome.ok:
            self._events.event(about, "Warning", "Unhealthy", f"{SHOWN[kind]} probe failed: {outcome.text}")

    def results(self, uid: str) -> Results:
        """The verdicts that there are, for decisions."""
        found: dict[str, dict[str, bool]] = {STARTUP: {}, LIVENESS: {}, READINESS: {}}
        for which, verdict in (self._pods.get(uid) or _Pod()).results.items():
            found[which.kind][which.id] = verdict
        return Results(found[STARTUP], found[LIVENESS], found[READINESS])

    def probed(self, pod: Object, seen: Snapshot) -> Probed:
        """For the status: which containers have started and are ready. Without a probe, at once."""
        known = self._pods.get(meta.uid(pod)) or _Pod()
        started, ready = {}, {}
        for _, container in pods.every_container(pod):
            name, status = container["name"], seen.latest(container["name"])
            if status is None:
                continue
            if container.get("startupProbe"):
                started[name] = known.results.get(Which(name, status.id, STARTUP), False)
            if container.get("readinessProbe"):
                ready[name] = known.results.get(Which(name, status.id, READINESS), False)
        return Probed(started, ready)

    def stop(self, uid: str, *, keep_readiness: bool = False) -> None:
        """Ends a pod's probes; with `keep_readiness` only those that could restart it, while it ends."""
        known = self._pods.get(uid)
        if known is None:
            return
        for which in list(known.tasks):
            if not (keep_readiness and which.kind == READINESS):
                known.tasks.pop(which).cancel()
        if not keep_readiness:
            del self._pods[uid]

"""The life of one pod on this machine, from first sight to the last trace.

A worker looks, decides (`decide`, `status`: pure) and acts, as long as the pod is wanted. Then it ends the pod's
containers, takes its volumes away, reports, and waits for the API to let the pod go.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from msgspec.structs import replace

from umiak.api.core.pod import KIND as POD
from umiak.client.contract import Preconditions, Unreachable
from umiak.kit.backoff import Backoff
from umiak.node import configs, limits, mounts, pods
from umiak.node.decide import Actions, Results, decide
from umiak.node.kill import kill_container, kill_pod
from umiak.node.observe import Observer
from umiak.node.report import Report
from umiak.node.resize import Allocation, Room, told
from umiak.node.runtime import RuntimeFailure, SandboxConfig, State, Unsupported
from umiak.node.snapshot import Snapshot
from umiak.node.start import Site, held_back, start
from umiak.node.status import Facts, Failure, compute
from umiak.node.tools import Tools
from umiak.node.volume import CannotMount, Mounted
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

log = logging.getLogger(__name__)
RESYNC = 60.0  # seconds after which a pod is looked at though nothing happened
AGAIN = Backoff(first=1.0, limit=10.0)
DEADLINE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


class Postponed(Exception):
    """The pod cannot go on now; an event has said why."""


class Worker:
    """One pod. `update` and `wake` may be called at any time; `run` ends when the pod is gone.

    `target` answers the pod as the API has it now (a static pod's mirror), None when it is not there.
    """

    def __init__(
        self, tools: Tools, pod: Object, target: Callable[[], Object | None], room: Room = lambda pod: None
    ) -> None:
        self._allocation = Allocation()
        self._room = room
        self._asked = pod
        self.pod = self._allocation.take(pod, room)
        """With the resources that it was granted."""
        self.uid = meta.uid(pod)
        self.finished = False
        """Whether nothing of the pod runs any more, nor ever will."""
        self.report = Report(tools, target)
        self._tools = tools
        self._target = target
        self._observer = Observer(tools.runtime, self.uid)
        self._failures: dict[str, Failure] = {}
        self._volumes: dict[str, Mounted] = {}
        self._verdict: tuple[str, str] | None = None
        self._woken = asyncio.Event()
        self._ending = asyncio.Event()
        self._gone = asyncio.Event()
        self._grace: int | None = None
        self._sooner = asyncio.Event()
        self._in_trouble = 0
        self._prepared = False
        self._refresh_at = 0.0

    # What the agent tells

    def update(self, pod: Object) -> None:
        """Takes in a newer state of the pod from the API."""
        self._asked = pod
        self._grant()
        if meta.is_being_deleted(pod):
            self._end(max(1, pods.grace_period(pod)))
        elif pods.phase(pod) in pods.TERMINAL:
            self._end(None)
        self.wake()

    def _grant(self) -> None:
        """Looks whether what the pod asks for fits by now; tells when it has to wait."""
        before = self._allocation.pending
        self.pod = self._allocation.take(self._asked, self._room)
        waits = self._allocation.pending
        if waits and waits != before:
            message = told(self._asked, f"Pod resize {waits[0]}", waits[1])
            self._tools.event(self.pod, "Warning", f"Resize{waits[0]}", message)

    def wake(self) -> None:
        self._woken.set()

    def gone(self) -> None:
        """The pod is not in the API any more (or its manifest is not): it must end and leave no trace."""
        self._gone.set()
        self._end(max(1, pods.grace_period(self.pod)))

    def fail(self, reason: str, message: str) -> None:
        """Ends the pod as Failed: evicted, or not admitted."""
        self._verdict = (reason, message)
        self._end(None)

    def _end(self, grace: int | None) -> None:
        """Asks for the end; a shorter grace period than before overrides."""
        if grace is not None and (self._grace is None or grace < self._grace):
            self._grace = grace
            self._sooner.set()
        self._ending.set()

    # The life

    async def run(self) -> None:
        await self._live()
        await self._die()
        await self._clear()
        await self._leave()

    async def _live(self) -> None:
        """Until the pod is to end."""
        ending = asyncio.create_task(self._ending.wait())
        try:
            while not self._ending.is_set():
                self._woken.clear()
                turn = asyncio.create_task(self._turn())
                await asyncio.wait({turn, ending}, return_when=asyncio.FIRST_COMPLETED)
                if not turn.done():
                    turn.cancel()
                    await asyncio.wait({turn})
                    return
                await self._sleep(turn.result(), ending)
        finally:
            ending.cancel()

    async def _sleep(self, delay: float, ending: asyncio.Task[bool]) -> None:
        """Until woken, or for `delay` seconds."""
        woken = asyncio.create_task(self._woken.wait())
        timer = asyncio.create_task(self._tools.clock.sleep(delay))
        try:
            await asyncio.wait({woken, timer, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            timer.cancel()

    async def _turn(self) -> float:
        """One look, one decision, one step. Answers after how many seconds to look again."""
        try:
            delay = await self._look_and_act()
            self._in_trouble = 0
            return delay
        except Postponed:
            pass
        except (RuntimeFailure, OSError, StatusError, Unreachable) as error:
            log.warning("%s: %s", pods.described(self.pod), error)
            self._tools.event(self.pod, "Warning", "FailedSync", f"error determining status: {error}")
        self._in_trouble += 1
        return AGAIN.wait(self._in_trouble)

    async def _look_and_act(self) -> float:
        seen = await self._observer.look()
        if self._allocation.pending:
            self._grant()
        self._allocation.note(seen)
        probes = replace(self._tools.prober.results(self.uid), resized=self._allocation.to_restart(self.pod, seen))
        status = self._tell(seen)
        if status["phase"] in pods.TERMINAL:
            self._end(None)
            return RESYNC
        overdue = self._overdue(status)
        if overdue is not None and overdue <= 0:
            self._tools.event(self.pod, "Normal", *DEADLINE)
            self.fail(*DEADLINE)
            return RESYNC
        delay = await self._act(seen, decide(self.pod, seen, probes), probes)
        due = [delay, self._refresh_at - self._tools.clock.monotonic(), overdue]
        return max(0.0, min(d for d in due if d is not None))

    def _overdue(self, status: Object) -> float | None:
        """Seconds until activeDeadlineSeconds is over; None without one."""
        limit = pods.spec(self.pod).get("activeDeadlineSeconds")
        if limit is None:
            return None
        began = meta.parse_time(status["startTime"])
        return (began + timedelta(seconds=limit) - self._tools.clock.now()).total_seconds()

    def _tell(self, seen: Snapshot, terminal: bool = False) -> Object:
        """Computes the status and has it reported."""
        tools, target = self._tools, self._target()
        facts = Facts(
            pod=target if target is not None and pods.is_mirror(target) else self.pod,
            old=self.report.status or pods.status(self.pod),
            seen=seen,
            now=tools.clock.now(),
            runtime_name=tools.runtime_name,
            host_ips=tools.host_ips,
            failures=self._failures,
            probed=tools.prober.probed(self.pod, seen),
            terminal=terminal,
            verdict=self._verdict,
            resources=self._allocation.in_force(),
            resizing=self._allocation.conditions(),
        )
        status = compute(facts)
        self.report.set(status)
        return status

    async def _act(self, seen: Snapshot, plan: Actions, probes: Results) -> float:
        """Does what was decided. Raises Postponed when something has to be waited for."""
        tools, pod = self._tools, self.pod
        problem = tools.network_problem()
        if problem and not pods.uses_host_network(pod):
            message = f"network is not ready: {problem}"
            tools.event(pod, "Warning", "NetworkNotReady", message)
            raise Postponed(message)
        if plan.reset:
            await self._reset(seen)
            self.wake()
            return RESYNC
        await self._prepare(seen, plan)
        if plan.create_sandbox and plan.sandbox_id:
            said = "Pod sandbox changed, it will be killed and re-created."
            tools.event(pod, "Normal", "SandboxChanged", said)
        if plan.kill_pod:
            await kill_pod(tools, pod, seen)
            if not plan.create_sandbox:
                self.wake()
                return RESYNC
            await self._forget_init_containers(seen)
        else:
            await self._kill(seen, plan)
            await self._resize(seen, plan)
        sandbox = self._sandbox_config(plan.attempt)
        if plan.create_sandbox:
            seen, plan.sandbox_id = await self._create_sandbox(seen, sandbox)
        return await self._start(seen, plan, sandbox)

    async def _prepare(self, seen: Snapshot, plan: Actions) -> None:
        """Control group and volumes: at first, when something starts, and when files want to be renewed."""
        now = self._tools.clock.monotonic()
        if self._prepared and not plan.starts and now < self._refresh_at:
            return
        if not self._prepared:
            self._make_cgroup()
        await self._mount(seen)
        self._prepared = True
        wait = mounts.refresh_due(self._volumes.values())
        self._refresh_at = now + (wait if wait is not None else float("inf"))

    def _sandbox_config(self, attempt: int) -> SandboxConfig:
        groups = mounts.extra_groups(self._volumes.values())
        try:
            return configs.sandbox_config(self.pod, attempt, self._tools.machine, self._cgroup_parent(), groups)
        except ValueError as error:
            message = f"Failed to create pod sandbox: {error}"
            self._tools.event(self.pod, "Warning", "FailedCreatePodSandBox", message)
            raise Postponed(message) from error

    def _make_cgroup(self) -> None:
        try:
            self._tools.cgroups.ensure(*configs.cgroup(self.pod), limits.pod_resources(self.pod))
        except OSError as error:
            message = f"unable to ensure pod container exists: {error}"
            self._tools.event(self.pod, "Warning", "FailedCreatePodContainer", message)
            raise Postponed(message) from error

    def _cgroup_parent(self) -> str:
        return self._tools.cgroups.parent(*configs.cgroup(self.pod))

    async def _mount(self, seen: Snapshot) -> None:
        try:
            self._volumes = await mounts.mount_all(self._tools, self.pod, seen.ips)
        except CannotMount as error:
            self._tools.event(self.pod, "Warning", "FailedMount", str(error))
            raise Postponed(str(error)) from error

    async def _reset(self, seen: Snapshot) -> None:
        """Takes all containers away, those that asked for it last; their logs stay and tell the restart counts."""
        tools = self._tools
        await asyncio.gather(*(tools.runtime.stop_container(c.id, 0) for c in seen.running))
        wanted = {c["name"] for where, c in pods.every_container(self.pod) if where != pods.EPHEMERAL}
        mine = [c for c in seen.containers if c.name in wanted]
        for status in sorted(mine, key=lambda c: c.state == State.EXITED):
            await tools.runtime.remove_container(status.id)

    async def _kill(self, seen: Snapshot, plan: Actions) -> None:
        ip = seen.ips[0] if seen.ips else ""
        for doomed in plan.kill:
            await kill_container(self._tools, self.pod, doomed, ip)

    async def _resize(self, seen: Snapshot, plan: Actions) -> None:
        """Gives running containers the resources that they have been granted since they started."""
        doomed = {k.id for k in plan.kill}
        waiting = {i: name for i, name in self._allocation.to_change(seen).items() if i not in doomed}
        if not waiting and not (doomed & self._allocation.applied.keys() and plan.starts):
            return
        tools, pod, machine = self._tools, self.pod, self._tools.machine
        news = any(self._allocation.applied[i] is not None for i in waiting)
        if news:
            tools.event(pod, "Normal", "ResizeStarted", told(pod, "Pod resize started"))
        try:
            group, final = configs.cgroup(pod), limits.pod_resources(pod)
            tools.cgroups.limit(*group, limits.widest(final))
            for id, name in waiting.items():
                container = pods.find_container(pod, name) or {}
                wanted = limits.container_resources(pod, container, machine.memory, machine.page_sizes)
                await tools.runtime.update_resources(id, wanted)
                self._allocation.applied[id] = container.get("resources") or {}
            tools.cgroups.limit(*group, final)
        except (RuntimeFailure, OSError) as error:
            self._allocation.error = str(error)
            tools.event(pod, "Warning", "ResizeError", told(pod, "Pod resize error", str(error)))
            raise Postponed(str(error)) from error
        self._allocation.error = ""
        if news:
            tools.event(pod, "Normal", "ResizeCompleted", told(pod, "Pod resize completed"))

    async def _forget_init_containers(self, seen: Snapshot) -> None:
        """In a new sandbox initialization begins at the start."""
        wanted = {c["name"] for c in pods.init_containers(self.pod)}
        for status in seen.containers:
            if status.name in wanted:
                await self._tools.runtime.remove_container(status.id)

    async def _create_sandbox(self, seen: Snapshot, config: SandboxConfig) -> tuple[Snapshot, str]:
        """Raises Postponed; the event says why."""
        tools = self._tools
        try:
            tools.machine.paths.pod_logs(config.namespace, config.name, config.uid).mkdir(
                parents=True, exist_ok=True, mode=0o755
            )
            id = await tools.runtime.run_sandbox(config, await self._handler())
            fresh = await self._observer.look()
        except (RuntimeFailure, OSError) as error:
            message = f"Failed to create pod sandbox: {error}"
            tools.event(self.pod, "Warning", "FailedCreatePodSandBox", message)
            raise Postponed(message) from error
        self._tell(fresh)
        return fresh, id

    async def _handler(self) -> str:
        """The runtime handler of the pod's RuntimeClass."""
        name = pods.spec(self.pod).get("runtimeClassName")
        if not name:
            return ""
        from umiak.api.node.runtimeclass import KIND as RUNTIME_CLASS

        found = await self._tools.fetch.find(RUNTIME_CLASS, "", name)
        if found is None:
            raise Unsupported(f'RuntimeClass "{name}" not found')
        return found["handler"]

    async def _start(self, seen: Snapshot, plan: Actions, sandbox: SandboxConfig) -> float:
        """Starts what is due, then looks again; answers when a container held back may start."""
        site = Site(
            pod=self.pod,
            seen=seen,
            sandbox_id=plan.sandbox_id,
            sandbox=sandbox,
            ips=seen.ips or self._tools.host_ips,
            volumes=self._volumes,
        )
        delay, started = RESYNC, False
        for where, container, stops in self._due(plan):
            wait = await self._start_one(site, where, container)
            started = started or wait is None
            delay = min(delay, RESYNC if wait is None else wait)
            if wait is not None and stops:
                break
        if started or plan.kill:
            seen = await self._observer.look()
            self._allocation.note(seen)
        self._follow(seen)
        self._tell(seen)
        return delay

    def _due(self, plan: Actions) -> list[tuple[str, Object, bool]]:
        """What to start: the field it stands in, the container, and whether a failure stops the rest."""
        pod = self.pod
        chosen = [
            (pods.EPHEMERAL, pods.ephemeral_containers(pod), plan.ephemeral),
            (pods.INIT, pods.init_containers(pod), plan.init),
            (pods.CONTAINERS, pods.containers(pod), plan.containers),
        ]
        return [
            (where, listed[i], where == pods.INIT and not pods.is_sidecar(listed[i]))
            for where, listed, indexes in chosen
            for i in indexes
        ]

    async def _start_one(self, site: Site, where: str, container: Object) -> float | None:
        """None when it has started, else the seconds until the next try."""
        name = container["name"]
        held = held_back(self._tools, self.pod, container, site.seen)
        if held is not None:
            self._failures[name], wait = held
            message = f"Back-off restarting failed container {name} in pod {pods.described(self.pod)}"
            self._tools.event(self.pod, "Warning", "BackOff", message, where, name)
            return max(0.1, wait)
        failure = await start(self._tools, site, where, container)
        if failure is None:
            self._failures.pop(name, None)
            self._allocation.started(container)
            return None
        self._failures[name] = failure
        wait = self._tools.puller.wait(self.uid, container.get("image", ""))
        return min(max(wait, AGAIN.limit), RESYNC) if wait > 0 else AGAIN.limit

    def _follow(self, seen: Snapshot) -> None:
        ip = seen.ips[0] if seen.ips else (self._tools.host_ips or ("",))[0]
        self._tools.prober.follow(self.pod, seen, ip, self.wake)

    # The end

    async def _die(self) -> None:
        """Stops all containers; a shorter grace period that comes meanwhile takes effect."""
        tries = 0
        while True:
            self._sooner.clear()
            stop = asyncio.create_task(self._stop())
            sooner = asyncio.create_task(self._sooner.wait())
            await asyncio.wait({stop, sooner}, return_when=asyncio.FIRST_COMPLETED)
            sooner.cancel()
            if not stop.done():
                stop.cancel()
                await asyncio.wait({stop})
                continue
            problem = stop.exception()
            if problem is None:
                return
            if not isinstance(problem, RuntimeFailure | OSError):
                raise problem
            tries += 1
            self._tools.event(self.pod, "Warning", "FailedKillPod", f"error killing pod: {problem}")
            await self._tools.clock.sleep(AGAIN.wait(tries))

    async def _stop(self) -> None:
        tools = self._tools
        seen = await self._observer.look()
        self._tell(seen)
        tools.prober.stop(self.uid, keep_readiness=True)
        await kill_pod(tools, self.pod, seen, self._grace)
        ended = await self._observer.look()
        if ended.running:
            raise RuntimeFailure(f"still running after being killed: {', '.join(c.name for c in ended.running)}")
        tools.prober.stop(self.uid)
        self._tell(ended, terminal=True)

    async def _clear(self) -> None:
        """Takes away volumes and the control group. Containers stay for their logs until the pod is gone."""
        tries = 0
        while True:
            try:
                await mounts.clear(self._tools.machine.paths, self.uid)
                self._tools.cgroups.remove(self.uid)
                break
            except OSError as error:
                tries += 1
                log.warning("%s: %s", pods.described(self.pod), error)
                await self._tools.clock.sleep(AGAIN.wait(tries))
        self.finished = True

    async def _leave(self) -> None:
        """Reports the end, lets the API delete the pod when that was asked, and removes the last traces."""
        while not self._gone.is_set():
            await self.report.flush()
            if meta.is_being_deleted(self.pod) and not pods.is_static(self.pod):
                await self._delete()
            self._woken.clear()
            waiter = asyncio.create_task(self._woken.wait())
            gone = asyncio.create_task(self._gone.wait())
            await asyncio.wait({waiter, gone}, return_when=asyncio.FIRST_COMPLETED, timeout=RESYNC)
            waiter.cancel()
            gone.cancel()
        self.report.stop()
        await self.erase()

    async def _delete(self) -> None:
        try:
            only = Preconditions(uid=self.uid)
            await self._tools.client.delete(
                POD, meta.name(self.pod), meta.namespace(self.pod), only=only, grace_seconds=0
            )
        except StatusError as error:
            if error.code in (404, 409):
                self._gone.set()
            else:
                log.warning("cannot delete %s: %s", pods.described(self.pod), error)
        except Unreachable as error:
            log.warning("cannot delete %s: %s", pods.described(self.pod), error)

    async def erase(self) -> None:
        """Removes containers, sandboxes, logs and folders."""
        tools = self._tools
        try:
            seen = await self._observer.look()
            for status in seen.containers:
                await tools.runtime.remove_container(status.id)
            for sandbox in seen.sandboxes:
                await tools.runtime.remove_sandbox(sandbox.id)
        except RuntimeFailure as error:
            log.warning("%s: leftovers stay for the next cleaning: %s", pods.described(self.pod), error)
        tools.restarts.forget(self.uid)
        tools.puller.forget(self.uid)
        tools.tokens.forget(self.uid)
        tools.certificates.forget(self.uid)
        mounts.remove_pod_folder(tools.machine.paths, self.uid)
        logs = tools.machine.paths.pod_logs(meta.namespace(self.pod), meta.name(self.pod), self.uid)
        await asyncio.to_thread(mounts.remove_tree, logs)

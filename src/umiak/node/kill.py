"""Stops containers and pods the gentle way: hook, signal, time to end, and only then the kill."""

import asyncio
from collections.abc import Sequence

from umiak.node import pods
from umiak.node.decide import Kill, Why
from umiak.node.hooks import HookFailed, run_hook
from umiak.node.runtime import ContainerStatus, RuntimeFailure
from umiak.node.snapshot import Snapshot
from umiak.node.tools import Tools
from umiak.objects import meta
from umiak.objects.types import Object

MINIMUM = 2  # seconds every container gets


def grace_for(pod: Object, container: Object, why: Why) -> int:
    """Seconds a container may take to end when killed for this reason."""
    deletion = meta.metadata(pod).get("deletionGracePeriodSeconds")
    if deletion is not None:
        return int(deletion)
    probe = {Why.STARTUP: "startupProbe", Why.LIVENESS: "livenessProbe"}.get(why, "")
    own = (container.get(probe) or {}).get("terminationGracePeriodSeconds")
    return int(own) if own is not None else pods.grace_period(pod)


async def kill_container(tools: Tools, pod: Object, what: Kill, ip: str, grace: int | None = None) -> None:
    """Stops one container; returns when it has stopped. Raises RuntimeFailure."""
    container = pods.find_container(pod, what.name) or {"name": what.name}
    _tell(tools, pod, what)
    seconds = grace_for(pod, container, what.why) if grace is None else grace
    left = await _pre_stop(tools, pod, container, what.id, ip, seconds)
    await tools.runtime.stop_container(what.id, max(MINIMUM, left))


def _tell(tools: Tools, pod: Object, what: Kill) -> None:
    where = next((f for f, c in pods.every_container(pod) if c["name"] == what.name), pods.CONTAINERS)
    tools.event(pod, "Normal", "Killing", what.message or f"Stopping container {what.name}", where, what.name)


async def _pre_stop(tools: Tools, pod: Object, container: Object, id: str, ip: str, grace: int) -> int:
    """Runs the hook, at most for the grace period; answers what is left of it."""
    hook = (container.get("lifecycle") or {}).get("preStop")
    if not hook or grace <= 0:
        return grace
    began = tools.clock.monotonic()
    try:
        async with asyncio.timeout(grace):
            await run_hook(tools.runtime, tools.clock, pod, container, id, hook, ip)
    except HookFailed:
        where = next(f for f, c in pods.every_container(pod) if c["name"] == container["name"])
        # The message stays out of the event, lest it tell secrets that a server answered.
        tools.event(pod, "Warning", "FailedPreStopHook", "PreStopHook failed", where, container["name"])
    except TimeoutError:
        return 0
    return grace - int(tools.clock.monotonic() - began)


class Order:
    """Sidecars end after the ordinary containers, the last first (KEP-753)."""

    def __init__(self, pod: Object, running: Sequence[str]) -> None:
        self._ended = {name: asyncio.Event() for name in running}
        self._before: dict[str, list[str]] = {}
        ordinary = [c["name"] for c in pods.containers(pod)]
        later: list[str] = []
        for container in reversed(pods.init_containers(pod)):
            if pods.is_sidecar(container):
                self._before[container["name"]] = [*ordinary, *later]
                later = [container["name"]]

    async def turn(self, name: str, grace: int) -> None:
        """Returns when those before have ended, or after `grace` seconds."""
        try:
            async with asyncio.timeout(grace):
                for other in self._before.get(name, ()):
                    if other in self._ended:
                        await self._ended[other].wait()
        except TimeoutError:
            return

    def ended(self, name: str) -> None:
        self._ended[name].set()


async def kill_pod(tools: Tools, pod: Object, seen: Snapshot, grace: int | None = None) -> None:
    """Stops all containers at the same time, then the sandboxes. Raises RuntimeFailure with the first problem."""
    running = seen.running
    order = Order(pod, [c.name for c in running])
    ip = seen.ips[0] if seen.ips else ""
    done = await asyncio.gather(
        *(_kill_in_order(tools, pod, c, order, ip, grace) for c in running), return_exceptions=True
    )
    for problem in done:
        if isinstance(problem, BaseException):
            raise problem
    for sandbox in seen.sandboxes:
        if sandbox.ready:
            await tools.runtime.stop_sandbox(sandbox.id)


async def _kill_in_order(
    tools: Tools, pod: Object, status: ContainerStatus, order: Order, ip: str, grace: int | None
) -> None:
    container = pods.find_container(pod, status.name) or {"name": status.name}
    _tell(tools, pod, Kill(status.id, status.name, ""))
    left = grace_for(pod, container, Why.UNKNOWN) if grace is None else grace
    left = await _pre_stop(tools, pod, container, status.id, ip, left)
    began = tools.clock.monotonic()
    if left > 0:
        await order.turn(status.name, left)
    left -= int(tools.clock.monotonic() - began)
    try:
        await tools.runtime.stop_container(status.id, max(MINIMUM, left))
    finally:
        order.ended(status.name)


async def stop_stray(tools: Tools, id: str, grace: int) -> None:
    """Stops a container of which no specification is known; failures are for the next cleaning."""
    try:
        await tools.runtime.stop_container(id, max(MINIMUM, grace))
    except RuntimeFailure:
        return

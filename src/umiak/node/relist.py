"""Finds out whose containers have changed: on the runtime's events, and from time to time anyway."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from umiak.kit.clock import Clock
from umiak.node.names import POD_UID
from umiak.node.runtime import Container, Runtime, RuntimeFailure, Sandbox, Unsupported

log = logging.getLogger(__name__)
WITH_EVENTS, WITHOUT_EVENTS = 60.0, 1.0  # seconds between looks
GATHER = 0.01  # seconds to wait for more of a burst
RECONNECT = 1.0

States = Mapping[str, tuple[str, str]]


def states(sandboxes: list[Sandbox], containers: list[Container]) -> dict[str, tuple[str, str]]:
    """The pod and the state of each sandbox and container, by id."""
    found = {s.id: (s.uid, "ready" if s.ready else "not ready") for s in sandboxes}
    return found | {c.id: (c.labels.get(POD_UID, ""), c.state.value) for c in containers}


def affected(before: States, after: States) -> set[str]:
    """Uids of the pods of which something came, went or changed."""
    return {(after.get(i) or before[i])[0] for i in before.keys() | after.keys() if before.get(i) != after.get(i)}


class Relister:
    """`wake` is called with the uid of each pod that is to be looked at."""

    def __init__(self, runtime: Runtime, clock: Clock, wake: Callable[[str], None]) -> None:
        self._runtime, self._clock, self._wake = runtime, clock, wake
        self._known: States = {}
        self._poke = asyncio.Event()
        self._period = WITHOUT_EVENTS

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="runtime events")
            tasks.create_task(self._look_again_and_again(), name="relist")

    async def _listen(self) -> None:
        """Until cancelled, or until the runtime says that it has no events."""
        while True:
            try:
                async for uid in self._runtime.events():
                    self._period = WITH_EVENTS
                    if uid:
                        self._wake(uid)
                    else:
                        self._poke.set()
            except Unsupported:
                return
            except RuntimeFailure as error:
                log.warning("lost the runtime's events: %s", error)
            self._period = WITHOUT_EVENTS
            await self._clock.sleep(RECONNECT)

    async def _look_again_and_again(self) -> None:
        while True:
            self._poke.clear()
            try:
                after = states(await self._runtime.sandboxes(), await self._runtime.containers())
                for uid in affected(self._known, after):
                    self._wake(uid)
                self._known = after
            except RuntimeFailure as error:
                log.debug("cannot list containers: %s", error)
            try:
                async with asyncio.timeout(self._period):
                    await self._poke.wait()
                await self._clock.sleep(GATHER)
            except TimeoutError:
                continue

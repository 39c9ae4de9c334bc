"""Brings a pod's status to the API: in order, in the background, only what changed, only to that very pod."""

import asyncio
import logging
from collections.abc import Callable

from umiak.api.core.pod import KIND as POD
from umiak.client.contract import Unreachable
from umiak.kit.backoff import Backoff
from umiak.node.register import version
from umiak.node.status import changes
from umiak.node.tools import Tools
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

log = logging.getLogger(__name__)
AGAIN = Backoff(first=0.5, limit=10.0)


class Report:
    """The status of one pod. `target` answers the pod as the API has it: for a static pod its mirror, or None."""

    def __init__(self, tools: Tools, target: Callable[[], Object | None]) -> None:
        self._tools = tools
        self.target = target
        self._wanted: Object | None = None
        self._sent: Object | None = None
        self._answer: Object | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def status(self) -> Object | None:
        """The status that was set last."""
        return self._wanted

    def set(self, status: Object) -> None:
        """Wants this status reported; returns at once."""
        self._wanted = status
        if status != self._sent and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._write_until_done(), name="pod status")

    def again(self) -> None:
        """Writes the same once more: the API's object is another one."""
        self._sent, self._answer = None, None
        if self._wanted is not None:
            self.set(self._wanted)

    async def flush(self) -> None:
        """Returns when the last status has been written, or there is nobody to write it to."""
        while self._task is not None and not self._task.done():
            await asyncio.shield(self._task)

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _write_until_done(self) -> None:
        failures = 0
        while self._wanted is not None and self._wanted != self._sent:
            wanted = self._wanted
            try:
                await self._write(wanted)
                self._sent, failures = wanted, 0
            except Unreachable as error:
                failures += 1
                log.debug("cannot report status: %s", error)
                await self._tools.clock.sleep(AGAIN.wait(failures))
            except StatusError as error:
                if error.code in (404, 409) or failures >= 3:
                    log.debug("status not taken: %s", error)
                    self._sent = wanted  # the object is gone or another: `again` follows when there is a new one
                    return
                failures += 1
                await self._tools.clock.sleep(max(AGAIN.wait(failures), error.retry_after))

    async def _write(self, wanted: Object) -> None:
        target = self.target()
        if target is None:
            return
        if (
            self._answer is not None
            and meta.uid(self._answer) == meta.uid(target)
            and version(self._answer) > version(target)
        ):
            target = self._answer
        patch = changes(target.get("status") or {}, wanted)
        if not patch:
            return
        body = {"metadata": {"uid": meta.uid(target)}, "status": patch}
        self._answer = await self._tools.client.patch(
            POD, meta.name(target), meta.namespace(target), body, type="strategic", subresource="status"
        )

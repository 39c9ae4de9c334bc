"""Tells node agents for how long they may use what they have read of secrets and ConfigMaps, in a node annotation.

The more nodes there are, the longer. Looks every ten seconds; only nodes that have changed are read again.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta

import msgspec

from umiak.api.core.node import KIND as NODE
from umiak.client.contract import Unreachable
from umiak.controllers._act import every
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.reconcile.contract import Context, Loop

ANNOTATION = "node.alpha.kubernetes.io/ttl"
EVERY = timedelta(seconds=10)
log = logging.getLogger(__name__)


class Step(msgspec.Struct, frozen=True):
    """A size of clusters, and the seconds that go with it. Steps overlap, so that the size may swing a little."""

    least: int
    most: float
    seconds: int


STEPS = (Step(0, 100, 0), Step(90, 500, 15), Step(450, 1000, 30), Step(900, 2000, 60), Step(1800, float("inf"), 300))


def next_step(current: int, count: int) -> int:
    """The index of the step for `count` nodes, coming from step `current`."""
    while count > STEPS[current].most:
        current += 1
    while count < STEPS[current].least:
        current -= 1
    return current


class Annotator:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._step = 0
        self._right: dict[str, int] = {}
        """The version in which each node was found to say `seconds`."""

    async def look(self) -> None:
        names = [key.name for key in self._ctx.cache.keys(NODE)]
        step = next_step(self._step, len(names))
        if step != self._step:
            self._step, self._right = step, {}
        await every(self._see_to(name) for name in self._changed(names))
        for gone in self._right.keys() - set(names):
            del self._right[gone]

    def _changed(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if self._right.get(name) != self._ctx.cache.version(NODE, Key("", name))]

    async def _see_to(self, name: str) -> None:
        wanted = str(STEPS[self._step].seconds)
        node = self._ctx.cache.get(NODE, Key("", name))
        if node is None:
            return
        if meta.annotations(node).get(ANNOTATION) == wanted:
            self._right[name] = int(meta.resource_version(node))
            return
        try:
            await self._ctx.client.patch(NODE, name, "", {"metadata": {"annotations": {ANNOTATION: wanted}}})
        except (StatusError, Unreachable) as error:
            log.debug("cannot annotate node %s: %s", name, error)


async def run(ctx: Context) -> None:
    annotator = Annotator(ctx)
    while True:
        await annotator.look()
        await ctx.clock.sleep(EVERY.total_seconds())


CONTROLLER = Loop(name="ttl", run=run, reads=(NODE,))

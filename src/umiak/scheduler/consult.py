"""Decisions in which extenders have a say: the same steps as without them, with questions in between.

Source: `findNodesThatPassExtenders` and `prioritizeNodes` of kube-scheduler, `callExtenders` of its preemption.
"""

import asyncio
import logging
from collections.abc import Sequence

from umiak.scheduler import preemption
from umiak.scheduler.contract import Cycle
from umiak.scheduler.decide import Decider, Found, Placement, Refusal
from umiak.scheduler.extender import NAME, Asked, Extender, ExtenderFailed
from umiak.scheduler.preemption import Outcome, Victims

log = logging.getLogger(__name__)
NOBODY = "preemption: no candidate node for preemption"


async def decide(decider: Decider, cycle: Cycle, extenders: Sequence[Extender], asked: Asked) -> Placement | Refusal:
    """Raises ExtenderFailed when one fails that must not."""
    found = decider.promised(cycle)
    if found is not None:
        await pass_all(found, extenders, asked)
        if found.nodes:
            return decider.pick(cycle, found)
    answer = decider.find(cycle)
    if isinstance(answer, Refusal):
        return answer
    await pass_all(answer, extenders, asked)
    answer.nodes = [cycle.nodes[each.name] for each in answer.nodes if each.name in cycle.nodes]  # some may have gone
    if not answer.nodes:
        return answer.refusal
    more = await rate_all(answer, extenders, asked) if len(answer.nodes) > 1 else {}
    return decider.pick(cycle, answer, more)


async def pass_all(found: Found, extenders: Sequence[Extender], asked: Asked) -> None:
    """Takes out the nodes that an extender rejects; they are asked one after the other about what is left."""
    for extender in extenders:
        if not found.nodes or not extender.filters:
            continue
        names = [node.name for node in found.nodes]
        try:
            filtered = await extender.filter(asked, names)
        except ExtenderFailed as error:
            if not extender.ignorable:
                raise
            log.warning("extender %s is passed over: %s", extender.url, error)
            continue
        left = set(filtered.names)
        found.refusal.rejected.update(filtered.rejected)
        if len(left) != len(names):
            found.refusal.plugins.add(NAME)
        found.nodes = [node for node in found.nodes if node.name in left]


async def rate_all(found: Found, extenders: Sequence[Extender], asked: Asked) -> dict[str, int]:
    """What is added to the nodes' scores; an extender that fails adds nothing."""
    names = [node.name for node in found.nodes]
    raters = [extender for extender in extenders if extender.rates]
    answers = await asyncio.gather(*(e.rate(asked, names) for e in raters), return_exceptions=True)
    totals: dict[str, int] = {}
    for extender, answer in zip(raters, answers, strict=True):
        if isinstance(answer, ExtenderFailed):
            log.info("extender %s does not rate: %s", extender.url, answer)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            for name, score in answer.items():
                totals[name] = totals.get(name, 0) + score
    return totals


async def make_room(
    candidates: list[Victims] | Outcome, cycle: Cycle, extenders: Sequence[Extender], asked: Asked
) -> Outcome:
    """The victims that extenders agree to, or why there are none."""
    if isinstance(candidates, Outcome):
        return candidates
    for extender in extenders:
        if extender.chooses_victims and candidates:
            try:
                candidates = checked(extender, await extender.choose_victims(asked, candidates, cycle.nodes))
            except ExtenderFailed as error:
                if not extender.ignorable:
                    return Outcome(None, f"preemption: {error}", keeps_nomination=True)
                log.warning("extender %s is passed over: %s", extender.url, error)
    return preemption.best(candidates) if candidates else Outcome(None, NOBODY, keeps_nomination=True)


def checked(extender: Extender, candidates: list[Victims]) -> list[Victims]:
    """Without the nodes that nobody would leave. Raises ExtenderFailed where that must not be."""
    empty = next((each.node for each in candidates if not each.pods), None)
    if empty is not None and not extender.ignorable:
        raise ExtenderFailed(f'expected at least one victim pod on node "{empty}"')
    return [each for each in candidates if each.pods]

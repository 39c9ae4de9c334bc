"""Keeps a number of like pods: the heart of ReplicaSet and ReplicationController.

`decide` and `status_of` are pure; `reconcile` reads, acts and writes the status if it changed. The cache shows our
own writes at once, so the pods that were just made are counted and none is made twice.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from umiak.api.core import pod as pods
from umiak.api.kind import Kind
from umiak.controllers._act import FailedDeletion, create_pod, delete_pod, every, slow_start, write_status
from umiak.controllers._claims import candidates, claim
from umiak.controllers._pods import (
    Victims,
    is_active,
    is_available,
    is_ready,
    is_terminating,
    pod_from_template,
    until_next_available,
)
from umiak.controllers._slim import slim_pod
from umiak.controllers._status import compact, drop_condition, find_condition, new_condition, put_condition
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.selectors import Selector
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Cache, Context, Done, Outcome, RetryAfter

BURST = 500
"""Most pods made or deleted in one go."""
FEW, REST = 200, timedelta(microseconds=100)
"""With more pods than a few, and none to be made or deleted, we look again only after a rest, so much for each pod:
some five times as long as a look takes."""


class Family(msgspec.Struct, frozen=True):
    """What ReplicaSet and ReplicationController do not share."""

    kind: Kind
    selector: Callable[[Object], Selector]
    counts_terminating: bool


class Flock(msgspec.Struct):
    """The pods of one owner."""

    active: list[Object]
    terminating: list[Object] = msgspec.field(default_factory=list)
    error: Exception | None = None


def wanted(owner: Object) -> int:
    replicas = owner["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def min_ready(owner: Object) -> int:
    return owner["spec"].get("minReadySeconds") or 0


def missing(owner: Object, active: Sequence[Object]) -> int:
    """How many pods to make now; below zero: how many to delete. At most `BURST` either way."""
    return max(-BURST, min(BURST, wanted(owner) - len(active)))


def _carries(labels: dict[str, str], wanted_labels: dict[str, str]) -> bool:
    return all(labels.get(k) == v for k, v in wanted_labels.items())


def status_of(owner: Object, flock: Flock, family: Family, now: datetime) -> Object:
    """The status that tells of the flock; the old conditions stay except ReplicaFailure."""
    old = owner.get("status") or {}
    template_labels = meta.labels(owner["spec"].get("template") or {})
    ready = [p for p in flock.active if is_ready(p)]
    status = {
        **old,
        "replicas": len(flock.active),
        "fullyLabeledReplicas": sum(_carries(meta.labels(p), template_labels) for p in flock.active),
        "readyReplicas": len(ready),
        "availableReplicas": sum(is_available(p, min_ready(owner), now) for p in ready),
        "observedGeneration": meta.generation(owner),
    }
    _note_failure(status, wanted(owner) - len(flock.active), flock.error, now)
    made = compact(status, keep=("replicas",))
    if family.counts_terminating:
        made["terminatingReplicas"] = len(flock.terminating)
    return made


def _note_failure(status: Object, lacking: int, error: Exception | None, now: datetime) -> None:
    known = find_condition(status, "ReplicaFailure")
    if error is None and known is not None:
        drop_condition(status, "ReplicaFailure")
    elif error is not None and known is None:
        reason = "FailedCreate" if lacking > 0 else "FailedDelete" if lacking < 0 else ""
        put_condition(status, new_condition("ReplicaFailure", "True", reason, str(error), now))


def related_pods(cache: Cache, owner: Object, family: Family) -> list[Object]:
    """Pods of all siblings with the same controller, such as the ReplicaSets of one Deployment."""
    controller = meta.controller_of(owner)
    if controller is None:
        return []
    found: dict[str, Object] = {}
    for sibling in cache.owned(family.kind, controller["uid"]):
        for pod in cache.list(pods.KIND, meta.namespace(sibling), family.selector(sibling)):
            found[meta.uid(pod)] = pod
    return list(found.values())


async def _grow(ctx: Context, owner: Object, flock: Flock, count: int) -> None:
    async def make(_: int) -> Object | None:
        return await create_pod(ctx, owner, pod_from_template(owner["spec"]["template"], owner))

    made = await slow_start(count, make)
    flock.active += made
    flock.error = made.error


async def _shrink(ctx: Context, owner: Object, flock: Flock, victims: Sequence[Object]) -> None:
    gone: set[str] = set()

    async def remove(pod: Object) -> None:
        await delete_pod(ctx, owner, pod)
        gone.add(meta.uid(pod))

    try:
        await every(remove(pod) for pod in victims)
    except FailedDeletion as error:
        flock.error = error
    flock.terminating += [p for p in flock.active if meta.uid(p) in gone]
    flock.active = [p for p in flock.active if meta.uid(p) not in gone]


async def _manage(ctx: Context, owner: Object, family: Family, flock: Flock) -> None:
    lacking = missing(owner, flock.active)
    if lacking > 0:
        await _grow(ctx, owner, flock, lacking)
    elif lacking < 0:
        related = related_pods(ctx.cache, owner, family)
        victims = Victims(related, ctx.clock.now()).choose(flock.active, -lacking)
        await _shrink(ctx, owner, flock, victims)


async def _gather(ctx: Context, owner: Object, family: Family) -> Flock:
    selector = family.selector(owner)
    known = candidates(ctx.cache, pods.KIND, owner, selector, slim_pod)
    active = await claim(ctx, pods.KIND, family.kind, owner, selector, [p for p in known if is_active(p)])
    ours = [p for p in known if (meta.controller_of(p) or {}).get("uid") == meta.uid(owner)]
    return Flock(active, [p for p in ours if is_terminating(p) and selector.matches(meta.labels(p))])


async def reconcile(ctx: Context, key: Key, family: Family) -> Outcome:
    owner = ctx.cache.get(family.kind, key)
    if owner is None:
        return DONE
    flock = await _gather(ctx, owner, family)
    if not meta.is_being_deleted(owner):
        await _manage(ctx, owner, family, flock)
    now = ctx.clock.now()
    status = status_of(owner, flock, family, now)
    if status != (owner.get("status") or {}):
        await write_status(ctx, family.kind, owner, status)
    if flock.error is not None:
        raise flock.error
    if status.get("readyReplicas") == status.get("availableReplicas"):
        settled = len(flock.active) > FEW and not missing(owner, flock.active)
        return Done(len(flock.active) * REST) if settled else DONE
    wait = until_next_available(flock.active, min_ready(owner), now)
    return RetryAfter(timedelta(seconds=min_ready(owner)) if wait is None else wait)

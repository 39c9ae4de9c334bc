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
from umiak.controllers._pods import Victims, is_active, pod_from_template
from umiak.controllers._slim import Member, member_of, read_member, slim_pod
from umiak.controllers._status import compact, drop_condition, find_condition, new_condition, put_condition
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.selectors import Selector
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Cache, Context, Done, Outcome, RetryAfter

BURST = 500
"""Most pods made or deleted in one go."""
FEW, REST = 200, timedelta(microseconds=50)
"""With more pods than a few, and none to be made or deleted, we look again only after a rest, so much for each pod:
many times as long as a look takes."""
NONE = timedelta(0)


class Family(msgspec.Struct, frozen=True):
    """What ReplicaSet and ReplicationController do not share."""

    kind: Kind
    selector: Callable[[Object], Selector]
    counts_terminating: bool


class Flock(msgspec.Struct):
    """The pods of one owner."""

    active: list[Member]
    terminating: int = 0
    error: Exception | None = None


def wanted(owner: Object) -> int:
    replicas = owner["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def min_ready(owner: Object) -> int:
    return owner["spec"].get("minReadySeconds") or 0


def missing(owner: Object, active: Sequence[Member]) -> int:
    """How many pods to make now; below zero: how many to delete. At most `BURST` either way."""
    return max(-BURST, min(BURST, wanted(owner) - len(active)))


def _carry(members: Sequence[Member], wanted_labels: dict[str, str]) -> int:
    """How many have the labels."""
    kinds = {id(member.labels): member.labels for member in members}
    suit = {key for key, labels in kinds.items() if all(labels.get(k) == v for k, v in wanted_labels.items())}
    return sum(id(member.labels) in suit for member in members)


def _available_after(member: Member, seconds: int, now: datetime) -> timedelta | None:
    """How long until a ready pod has been so for `seconds`, not above zero when it has; None: there is no telling."""
    if seconds == 0 or not member.ready_since:
        return timedelta(0) if seconds == 0 else None
    return meta.parse_time(member.ready_since) + timedelta(seconds=seconds) - now


def status_of(owner: Object, flock: Flock, family: Family, now: datetime) -> Object:
    """The status that tells of the flock; the old conditions stay except ReplicaFailure."""
    old = owner.get("status") or {}
    template_labels = meta.labels(owner["spec"].get("template") or {})
    ready = [member for member in flock.active if member.is_ready]
    waits = [_available_after(member, min_ready(owner), now) for member in ready] if min_ready(owner) else []
    status = {
        **old,
        "replicas": len(flock.active),
        "fullyLabeledReplicas": _carry(flock.active, template_labels),
        "readyReplicas": len(ready),
        "availableReplicas": sum(w is not None and w <= NONE for w in waits) if min_ready(owner) else len(ready),
        "observedGeneration": meta.generation(owner),
    }
    _note_failure(status, wanted(owner) - len(flock.active), flock.error, now)
    made = compact(status, keep=("replicas",))
    if family.counts_terminating:
        made["terminatingReplicas"] = flock.terminating
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
    flock.active += map(member_of, made)
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
    flock.terminating += len(gone)
    flock.active = [member for member in flock.active if member.uid not in gone]


async def _manage(ctx: Context, owner: Object, family: Family, flock: Flock) -> None:
    lacking = missing(owner, flock.active)
    if lacking > 0:
        await _grow(ctx, owner, flock, lacking)
    elif lacking < 0:
        related = related_pods(ctx.cache, owner, family)
        uids = {member.uid for member in flock.active}
        active = [p for p in ctx.cache.owned(pods.KIND, meta.uid(owner), slim_pod) if meta.uid(p) in uids]
        victims = Victims(related, ctx.clock.now()).choose(active, -lacking)
        await _shrink(ctx, owner, flock, victims)


async def _gather(ctx: Context, owner: Object, family: Family) -> Flock:
    """All members at a glance, where nobody is to be adopted or let go; else looks at each."""
    selector, mine = family.selector(owner), meta.uid(owner)
    members = ctx.cache.known(pods.KIND, mine, read_member)
    kinds = {id(member.labels): member.labels for member in members}
    others = ctx.cache.list(pods.KIND, meta.namespace(owner), selector, not_of=mine)
    is_plain = all(member.controller == mine for member in members) and all(map(selector.matches, kinds.values()))
    if is_plain and all(meta.controller_of(other) is not None for other in others):
        return Flock([m for m in members if m.is_active], sum(m.is_terminating for m in members))
    return await _claimed(ctx, owner, family, selector)


async def _claimed(ctx: Context, owner: Object, family: Family, selector: Selector) -> Flock:
    known = candidates(ctx.cache, pods.KIND, owner, selector, slim_pod)
    active = await claim(ctx, pods.KIND, family.kind, owner, selector, [p for p in known if is_active(p)])
    ours = [p for p in known if (meta.controller_of(p) or {}).get("uid") == meta.uid(owner)]
    ending = [p for p in map(member_of, ours) if p.is_terminating and selector.matches(p.labels)]
    return Flock(list(map(member_of, active)), len(ending))


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
    waits = [_available_after(member, min_ready(owner), now) for member in flock.active if member.is_ready]
    wait = min((w for w in waits if w is not None and w > NONE), default=timedelta(seconds=min_ready(owner)))
    return RetryAfter(wait)

"""Keeps a StatefulSet's pods, each with a name and storage of its own."""

from collections.abc import Sequence
from copy import deepcopy
from datetime import timedelta

from umiak.api.apps import controllerrevision, statefulset
from umiak.api.core import persistentvolumeclaim as claims
from umiak.api.core import pod as pods
from umiak.controllers import _revisions as revisions
from umiak.controllers import _stateful as stateful
from umiak.controllers._act import delete_exactly, delete_if_there, is_code, slow_start, write_status
from umiak.controllers._claims import candidates, claim, selector_of, waking_keys
from umiak.controllers._hash import fnv32, go_json, safe_encode
from umiak.controllers._pods import until_next_available
from umiak.controllers._stateful import Decider, Decision, Step
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Context, Controller, Hindered, Outcome, RetryAfter

MAX_PREFIX = 223
HASH_LABEL = "controller.kubernetes.io/hash"
STALE_CLAIM_RETRY = timedelta(seconds=1)


# History


def revision_hash(data: Object, collisions: int) -> str:
    """The very one that the reference gives (`history.HashControllerRevision`)."""
    return safe_encode(str(fnv32(go_json(data) + str(collisions).encode())))


async def _create_revision(ctx: Context, sts: Object, data: Object, count: int, collisions: int) -> tuple[Object, int]:
    """Records the present template, under another name for each collision; and how many there were."""
    while True:
        digest = revision_hash(data, collisions)
        labels = {**meta.labels(sts["spec"]["template"]), HASH_LABEL: digest}
        made = revisions.new_revision(sts, f"{meta.name(sts)[:MAX_PREFIX]}-{digest}", labels, data, count)
        if meta.annotations(sts):
            made["metadata"]["annotations"] = meta.annotations(sts)
        try:
            return await ctx.client.create(controllerrevision.KIND, made), collisions
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
        found = await ctx.client.get(controllerrevision.KIND, meta.name(made), meta.namespace(made))
        if revisions.records(found, data):
            return found, collisions
        collisions += 1


def _means_the_same(sts: Object, revision: Object, data: Object) -> bool:
    """Whether going back to the revision would change nothing: it may have been written before a new version of the API
    brought a field with a default."""
    restored = deepcopy(revisions.apply_template(sts, revision))
    statefulset.KIND.default(restored)
    return revisions.records({"data": revisions.template_patch(restored)}, data)


async def _revisions(ctx: Context, sts: Object, known: Sequence[Object]) -> tuple[Object, Object, int]:
    """(current, update, collisions): where the set comes from, and where it goes. `known` is sorted."""
    status = sts.get("status") or {}
    data, collisions = revisions.template_patch(sts), status.get("collisionCount") or 0
    equal = [r for r in known if revisions.records(r, data)]
    count = revisions.highest(known) + 1
    if equal and equal[-1] is known[-1]:
        update = equal[-1]
    elif equal:
        update = await revisions.renumber(ctx, equal[-1], count)
    elif known and _means_the_same(sts, known[-1], data):
        update = known[-1]
    else:
        update, collisions = await _create_revision(ctx, sts, data, count, collisions)
    named = status.get("currentRevision")
    current = next((r for r in known if meta.name(r) == named), update)
    return current, update, collisions


async def _truncate(
    ctx: Context, sts: Object, known: Sequence[Object], mine: Sequence[Object], kept: Sequence[Object]
) -> None:
    """Deletes the oldest revisions of which no pod is, beyond the limit."""
    limit = sts["spec"].get("revisionHistoryLimit")
    limit = 10 if limit is None else limit
    live = {meta.name(r) for r in kept} | set(map(stateful.revision_of, mine))
    dead = [r for r in known if meta.name(r) not in live]
    for revision in dead[: max(0, len(dead) - limit)] if limit >= 0 else ():
        await delete_if_there(ctx, controllerrevision.KIND, revision)


# Steps


def _tell(ctx: Context, sts: Object, verb: str, what: str, error: Exception | None) -> None:
    verb = verb.capitalize()
    if error is None:
        ctx.events.event(sts, "Normal", f"Successful{verb}", f"{verb} {what}")
    else:
        ctx.events.event(sts, "Warning", f"Failed{verb}", f"{verb} {what}")


def _tell_pod(ctx: Context, sts: Object, verb: str, pod: Object, error: Exception | None = None) -> None:
    outcome = "successful" if error is None else f"failed error: {error}"
    _tell(ctx, sts, verb, f"Pod {meta.name(pod)} in StatefulSet {meta.name(sts)} {outcome}", error)


def _tell_claim(ctx: Context, sts: Object, pod: Object, name: str, error: Exception | None) -> None:
    if error is None:
        what = f"Claim {name} Pod {meta.name(pod)} in StatefulSet {meta.name(sts)} success"
    else:
        what = f"Claim {name} for Pod {meta.name(pod)} in StatefulSet {meta.name(sts)} failed error: {error}"
    _tell(ctx, sts, "create", what, error)


class ClaimsNotReady(Hindered):
    """Not all claims of a pod could be made."""


async def _make_claims(ctx: Context, sts: Object, pod: Object) -> None:
    errors = []
    for wanted in stateful.claims_for(sts, pod):
        name = meta.name(wanted)
        known = ctx.cache.get(claims.KIND, meta.key(wanted))
        if known is not None:
            if meta.is_being_deleted(known):
                errors.append(f"pvc {name} is being deleted")
            continue
        try:
            await ctx.client.create(claims.KIND, wanted)
        except StatusError as error:
            errors.append(f"failed to create PVC {name}: {error}")
            if error.reason != "AlreadyExists":
                _tell_claim(ctx, sts, pod, name, error)
        else:
            _tell_claim(ctx, sts, pod, name, None)
    if errors:
        raise ClaimsNotReady("[" + ", ".join(errors) + "]" if errors[1:] else errors[0])


async def _own_claims(ctx: Context, sts: Object, pod: Object) -> None:
    """Makes the set or the pod the owner of the pod's claims, as the retention policy has it."""
    for name in stateful.claim_names(sts, stateful.ordinal(pod)).values():
        known = ctx.cache.get(claims.KIND, Key(meta.namespace(sts), name))
        if known is None:
            continue
        if stateful.has_unexpected_controller(known, sts, pod):
            message = f"PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a manging controller"
            message += ", the retention policy is ignored for this claim"  # sic: the reference's spelling
            ctx.events.event(sts, "Warning", "ConflictingController", message)
        if not stateful.owners_are_right(known, sts, pod):
            await ctx.client.update(claims.KIND, stateful.with_due_owners(known, sts, pod))


async def _create(ctx: Context, sts: Object, pod: Object) -> None:
    try:
        await _make_claims(ctx, sts, pod)
        made = await ctx.client.create(pods.KIND, pod)
    except Exception as error:
        if not (isinstance(error, StatusError) and error.reason == "AlreadyExists"):
            _tell_pod(ctx, sts, "create", pod, error)
        raise
    await _own_claims(ctx, sts, made)
    _tell_pod(ctx, sts, "create", pod)


async def _update(ctx: Context, sts: Object, pod: Object) -> None:
    """Gives the pod back its name, labels and volumes, and its claims their owners."""
    try:
        await _make_claims(ctx, sts, pod)
        await _own_claims(ctx, sts, pod)
        fixed = stateful.with_identity(sts, pod)
        if not stateful.storage_matches(sts, pod):
            fixed = stateful.with_storage(sts, fixed)
        await ctx.client.update(pods.KIND, fixed)
    except Exception as error:
        _tell_pod(ctx, sts, "update", pod, error)
        raise
    _tell_pod(ctx, sts, "update", pod)


async def _delete(ctx: Context, sts: Object, pod: Object) -> None:
    try:
        await delete_exactly(ctx, pods.KIND, pod)
    except Exception as error:
        if not is_code(error, 404):
            _tell_pod(ctx, sts, "delete", pod, error)
            raise
    _tell_pod(ctx, sts, "delete", pod)


async def _claim_pending(ctx: Context, sts: Object, pod: Object) -> None:
    await _make_claims(ctx, sts, pod)
    await _own_claims(ctx, sts, pod)


STEPS = {"create": _create, "update": _update, "delete": _delete, "claim": _claim_pending, "own": _own_claims}


async def _run(ctx: Context, decider: Decider, work: Sequence[Sequence[Step]]) -> None:
    """Takes each pod's steps; an ordered set's pods one after the other, others' in growing batches."""

    async def take(index: int) -> bool:
        for step in work[index]:
            target = decider.sts if step.verb in ("create", "delete", "claim") else decider.update_set
            await STEPS[step.verb](ctx, target, step.pod)
        return True

    if decider.ordered:
        for index in range(len(work)):
            await take(index)
        return
    done = await slow_start(len(work), take)
    if done.error is not None:
        raise done.error


async def _carry_out(ctx: Context, decider: Decider, decision: Decision) -> None:
    for work in decision.phases:
        await _run(ctx, decider, work)
    for pod in decision.deletes_for_update:
        await _delete(ctx, decider.sts, pod)


# The whole


async def _own_pods(ctx: Context, sts: Object) -> list[Object]:
    """Only pods named like the set's can be adopted or kept."""
    selector = selector_of(sts)
    known = candidates(ctx.cache, pods.KIND, sts, selector)
    return await claim(
        ctx, pods.KIND, statefulset.KIND, sts, selector, known, suits=lambda pod: stateful.is_member(sts, pod)
    )


def _next_look(ctx: Context, decider: Decider) -> Outcome:
    waits = []
    if stateful.min_ready(decider.sts):
        soonest = until_next_available(decider.replicas, stateful.min_ready(decider.sts), decider.now)
        waits += [] if soonest is None else [soonest]
    missing = [p for p in decider.replicas if not stateful.is_created(p)]
    if any(stateful.claims_are_stale(decider.sts, p, decider.find) for p in missing):
        waits.append(STALE_CLAIM_RETRY)
    return RetryAfter(min(waits)) if waits else DONE


async def reconcile(ctx: Context, key: Key) -> Outcome:
    sts = ctx.cache.get(statefulset.KIND, key)
    if sts is None:
        return DONE
    known = await revisions.claim_all(ctx, statefulset.KIND, sts, selector_of(sts))
    mine = await _own_pods(ctx, sts)
    current, update, collisions = await _revisions(ctx, sts, known)

    def find(name: str) -> Object | None:
        return ctx.cache.get(claims.KIND, Key(key.namespace, name))

    decider = Decider(sts, mine, current, update, find, ctx.clock.now())
    decision = decider.decide(collisions)
    error = None
    try:
        await _carry_out(ctx, decider, decision)
    except Exception as failure:  # the status is told all the same
        error = failure
    if decision.status != (sts.get("status") or {}):
        await write_status(ctx, statefulset.KIND, sts, decision.status)
    await _truncate(ctx, sts, known, mine, (current, update))
    if error is not None:
        raise error
    return _next_look(ctx, decider)


CONTROLLER = Controller(
    name="statefulset-controller",
    watches=statefulset.KIND,
    reconcile=reconcile,
    also=(Also(pods.KIND, waking_keys(statefulset.KIND, selector_of), of=statefulset.KIND),),
    reads=(claims.KIND, controllerrevision.KIND),
)

"""Takes pods that are over off the ResourceClaims reserved for them, and gives back the devices of claims that nobody
uses any more; claims that were made for such a pod are deleted.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from umiak.api.core.pod import KIND as POD
from umiak.api.resource.resourceclaim import KIND as CLAIM
from umiak.controllers import _resource_claims as rules
from umiak.controllers._act import delete_if_there
from umiak.controllers.pvc_protection import finalizers
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Measure, Outcome


def released(claim: Object, remaining: list[Object]) -> Object:
    """The claim's status reserved for `remaining` only. The last to go gives back what was allocated; a claim without
    our finalizer was allocated by somebody else.
    """
    status = {**(claim.get("status") or {}), "reservedFor": remaining}
    if not remaining:
        del status["reservedFor"]
        if rules.FINALIZER in finalizers(claim):
            status.pop("allocation", None)
    return status


def is_unneeded(claim: Object, owner: Object, pod: Object) -> bool:
    """Whether a claim that nobody has reserved was made for a pod that was replaced, or is over."""
    return meta.uid(pod) != owner["uid"] or rules.is_done(pod)


async def reconcile(ctx: Context, key: Key) -> Outcome:
    claim = ctx.cache.get(CLAIM, key)
    if claim is None:
        return DONE
    before: list[Object] = (claim.get("status") or {}).get("reservedFor") or []
    remaining = [c for c in before if not rules.is_pod(c) or await _is_needed(ctx, key.namespace, c)]
    if len(remaining) < len(before):
        claim = await ctx.client.update(CLAIM, {**claim, "status": released(claim, remaining)}, subresource="status")
        if "allocation" not in (claim.get("status") or {}):
            await _unprotect(ctx, claim)
    elif meta.is_being_deleted(claim) and not remaining and rules.FINALIZER in finalizers(claim):
        if (claim.get("status") or {}).get("allocation") is not None:
            claim = await ctx.client.update(CLAIM, {**claim, "status": released(claim, [])}, subresource="status")
        await _unprotect(ctx, claim)
    if not remaining:
        await _delete_unneeded(ctx, claim)
    return DONE


async def _is_needed(ctx: Context, namespace: str, consumer: Object) -> bool:
    """Asks the server about a pod that the cache does not know: the scheduler may be binding it this very moment."""
    pod = ctx.cache.get(POD, Key(namespace, consumer["name"]))
    if pod is not None:
        return meta.uid(pod) == consumer["uid"] and not rules.is_done(pod)
    try:
        return meta.uid(await ctx.client.get(POD, consumer["name"], namespace)) == consumer["uid"]
    except StatusError as error:
        if error.code != 404:
            raise
        return False


async def _unprotect(ctx: Context, claim: Object) -> None:
    """Takes our finalizer off, now that nothing is allocated."""
    present = finalizers(claim)
    if rules.FINALIZER in present:
        about = {**claim["metadata"], "finalizers": [f for f in present if f != rules.FINALIZER]}
        await ctx.client.update(CLAIM, {**claim, "metadata": about})


async def _delete_unneeded(ctx: Context, claim: Object) -> None:
    """The garbage collector would do it once the pod is gone; until then the claim would be in the way."""
    owner = rules.owning_pod(claim)
    pod = ctx.cache.get(POD, Key(meta.namespace(claim), owner["name"])) if owner else None
    if owner is not None and pod is not None and is_unneeded(claim, owner, pod) and not meta.is_being_deleted(claim):
        await delete_if_there(ctx, CLAIM, claim)


def claims_of(pod: Object, cache: Cache) -> Iterable[Key]:
    return [Key(meta.namespace(pod), name) for name in rules.all_claims(pod)]


def is_over(old: Object | None, new: Object | None) -> bool:
    """A pod that needs its claims no longer."""
    return new is None or rules.is_done(new)


def exists(old: Object | None, new: Object | None) -> bool:
    return new is not None


def counted(cache: Cache) -> Mapping[tuple[str, ...], float]:
    """Claims by whether they are allocated, have admin access, and who made them."""

    def labels(claim: Object) -> tuple[str, ...]:
        allocated = "true" if (claim.get("status") or {}).get("allocation") is not None else "false"
        return allocated, rules.admin_access(claim), rules.source(claim)

    return Counter(map(labels, cache.list(CLAIM)))


CLAIMS = Measure(
    "dynamic_resource_allocation_resource_claims",
    "Number of ResourceClaims, categorized by allocation status, admin access, and source. Source can be "
    "'resource_claim_template' (created from a template), 'extended_resource' (extended resources), or empty "
    "(manually created by a user).",
    ("allocated", "admin_access", "source"),
    counted,
)

CONTROLLER = Controller(
    name="resourceclaim-controller",
    component="resource_claim",
    watches=CLAIM,
    reconcile=reconcile,
    should_wake=exists,
    also=(Also(POD, claims_of, is_over),),
    workers=10,
    measures=(CLAIMS,),
)

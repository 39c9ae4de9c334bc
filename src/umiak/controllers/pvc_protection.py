"""Keeps a claim that is being deleted while a pod still uses it (finalizer `kubernetes.io/pvc-protection`), and tells
since when a bound one has not been in use (condition Unused)."""

from collections.abc import Iterable
from datetime import datetime

from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.core.pod import KIND as POD
from umiak.api.kind import Kind
from umiak.controllers._memory import Places
from umiak.controllers._pods import has_ended, node_name
from umiak.controllers._status import find_condition, new_condition
from umiak.controllers.persistentvolume import claims_of
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome

FINALIZER = "kubernetes.io/pvc-protection"
UNUSED = "Unused"
USED_BECAUSE = ("PodUsingPVC", "A pod is currently referencing this PVC")
UNUSED_BECAUSE = ("NoPodsUsingPVC", "No pods are currently referencing this PVC")
PODS = Places()
"""Keys of pods by the keys of the claims they name."""


def finalizers(obj: Object) -> list[str]:
    return meta.metadata(obj).get("finalizers") or []


async def set_finalizers(ctx: Context, kind: Kind, obj: Object, wanted: list[str]) -> None:
    """Writes the finalizers of exactly this version of the object; content when it is gone."""
    about = {**obj["metadata"], "finalizers": wanted}
    await ctx.client.update(kind, {**obj, "metadata": about})


# Which pods use a claim


def _volumes(pod: Object, claim: Object, *, ephemeral: bool) -> bool:
    """Whether the pod names the claim, or it was made for an ephemeral volume of this very pod."""
    name, owner = meta.name(claim), meta.controller_of(claim) or {}
    for volume in pod["spec"].get("volumes") or ():
        if (volume.get("persistentVolumeClaim") or {}).get("claimName") == name:
            return True
        made_for = ephemeral and volume.get("ephemeral") and f"{meta.name(pod)}-{volume['name']}" == name
        if made_for and owner.get("uid") == meta.uid(pod):
            return True
    return False


def is_shut_down(pod: Object) -> bool:
    """Whether its node is done with it, or it was deleted by force: it only waits for its finalizers."""
    return meta.is_being_deleted(pod) and meta.metadata(pod).get("deletionGracePeriodSeconds") == 0


def holds(pod: Object, claim: Object) -> bool:
    """Whether a claim that is being deleted must stay for the pod. A finished pod holds it until it is deleted; one
    without a node will not start any more."""
    return bool(node_name(pod)) and _volumes(pod, claim, ephemeral=not is_shut_down(pod))


def uses(pod: Object, claim: Object) -> bool:
    """Whether the claim is in use, as its condition Unused tells."""
    return not has_ended(pod) and _volumes(pod, claim, ephemeral=True)


# Whether it is in use: KEP-5541


def unused_condition(status: Object, in_use: bool, now: datetime) -> Object | None:
    """The condition Unused as it should be; None when it is so already."""
    known = find_condition(status, UNUSED)
    value = "False" if in_use else "True"
    if known is not None and (known["status"] == "True") == (value == "True"):
        return None
    reason, message = USED_BECAUSE if in_use else UNUSED_BECAUSE
    return new_condition(UNUSED, value, reason, message, now)


def with_condition(status: Object, condition: Object) -> Object:
    """Where one of its type stands already, it takes that place."""
    known = list(status.get("conditions") or ())
    at = next((i for i, c in enumerate(known) if c["type"] == condition["type"]), len(known))
    return {**status, "conditions": [*known[:at], condition, *known[at + 1 :]]}


async def reconcile(ctx: Context, key: Key) -> Outcome:
    claim = ctx.cache.get(CLAIM, key)
    if claim is None:
        _pods_of(ctx.cache, key)  # forgets those that are gone, too
        return DONE
    status = claim.get("status") or {}
    if not meta.is_being_deleted(claim) and status.get("phase") == "Bound":
        in_use = any(uses(pod, claim) for pod in _pods_of(ctx.cache, key))
        condition = unused_condition(status, in_use, ctx.clock.now())
        if condition is not None:
            wanted = {**claim, "status": with_condition(status, condition)}
            claim = await ctx.client.update(CLAIM, wanted, subresource="status")
    await _protect(ctx, claim)
    return DONE


async def _protect(ctx: Context, claim: Object) -> None:
    present = finalizers(claim)
    if meta.is_being_deleted(claim):
        if FINALIZER in present and not await _is_held(ctx, claim):
            await set_finalizers(ctx, CLAIM, claim, [f for f in present if f != FINALIZER])
    elif FINALIZER not in present:
        await set_finalizers(ctx, CLAIM, claim, [*present, FINALIZER])


async def _is_held(ctx: Context, claim: Object) -> bool:
    """Asks the server as well before it says no: a pod may have been bound this very moment."""
    if any(holds(pod, claim) for pod in _pods_of(ctx.cache, meta.key(claim))):
        return True
    return any(holds(pod, claim) for pod in (await ctx.client.list(POD, meta.namespace(claim))).items)


def _pods_of(cache: Cache, claim: Key) -> list[Object]:
    return PODS.find(cache, claim, lambda key: cache.get(POD, key))


def claims_of_pod(pod: Object, cache: Cache) -> Iterable[Key]:
    found = [Key(meta.namespace(pod), name) for name in claims_of(pod)]
    for claim in found:
        PODS.put(cache, claim, meta.key(pod))
    return found


def matters(old: Object | None, new: Object | None) -> bool:
    """A pod that ends, goes, or comes to a node."""
    return old is None or new is None or _view(old) != _view(new)


def _view(pod: Object) -> tuple[object, ...]:
    return meta.uid(pod), node_name(pod), has_ended(pod), is_shut_down(pod)


CONTROLLER = Controller(
    name="persistentvolumeclaim-protection",
    watches=CLAIM,
    reconcile=reconcile,
    also=[Also(POD, claims_of_pod, should_wake=matters)],
)

"""Tells a claim that wants to grow whom it waits for.

Volumes grow by their CSI driver's resizer, which acts on its own. What is left for this controller is to say so, and
to name the driver on claims whose volumes are of a type that moved into one (KEP-625).
"""

from umiak.api.common.moved_volumes import Moved, moved_of
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.controllers._volumes import BEFORE_RESIZE, phase, requested
from umiak.objects import meta, quantity
from umiak.objects.meta import Key
from umiak.objects.quantity import Quantity
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Hindered, Outcome

RESIZER = "volume.kubernetes.io/storage-resizer"
REASON = "ExternalExpanding"
WAITING = "waiting for an external controller to expand this PVC"


class NotBound(Hindered):
    """The volume that a claim names is another claim's, or nobody's."""


def has(claim: Object) -> Quantity:
    """What the claim got so far."""
    return quantity.parse(((claim.get("status") or {}).get("capacity") or {}).get("storage") or "0")


def wants_more(claim: Object, volume: Object) -> bool:
    """Whether it asks for more than it has, or a growth of its volume is not over."""
    return requested(claim) > has(claim) or BEFORE_RESIZE in meta.annotations(volume)


def message_of(moved: Moved | None) -> str:
    if moved is None:
        return WAITING
    return f"CSI migration enabled for {moved.plugin}; waiting for external resizer to expand the pvc"


async def reconcile(ctx: Context, key: Key) -> Outcome:
    claim = ctx.cache.get(CLAIM, key)
    if claim is None or phase(claim) != "Bound":
        return DONE
    volume = await ctx.client.get(VOLUME, claim["spec"].get("volumeName") or "")
    ref = volume["spec"].get("claimRef") or {}
    if (ref.get("namespace"), ref.get("uid")) != (key.namespace, meta.uid(claim)):
        raise NotBound(f"persistent Volume is not bound to PVC being updated : {key}")
    if not wants_more(claim, volume):
        return DONE
    moved = moved_of(volume["spec"])
    ctx.events.event(claim, "Normal", REASON, message_of(moved))
    if moved is not None and meta.annotations(claim).get(RESIZER) != moved.driver:
        about = {"annotations": {RESIZER: moved.driver}, "resourceVersion": meta.resource_version(claim)}
        await ctx.client.patch(CLAIM, key.name, key.namespace, {"metadata": about}, subresource="status")
    return DONE


def grows(old: Object | None, new: Object | None) -> bool:
    """A claim that is first seen, asks for more, or has got more."""
    if new is None:
        return False
    return old is None or requested(new) > requested(old) or has(new) > has(old)


CONTROLLER = Controller(
    name="persistentvolume-expander",
    component="volume_expand",
    watches=CLAIM,
    reconcile=reconcile,
    should_wake=grows,
    workers=10,
)

"""Keeps a volume that is being deleted while it is bound to a claim (finalizer `kubernetes.io/pv-protection`)."""

from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.controllers._volumes import phase
from umiak.controllers.pvc_protection import finalizers, set_finalizers
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.reconcile.contract import DONE, Context, Controller, Outcome

FINALIZER = "kubernetes.io/pv-protection"


async def reconcile(ctx: Context, key: Key) -> Outcome:
    volume = ctx.cache.get(VOLUME, key)
    if volume is None:
        return DONE
    present = finalizers(volume)
    if meta.is_being_deleted(volume):
        if FINALIZER in present and phase(volume) != "Bound":
            await set_finalizers(ctx, VOLUME, volume, [f for f in present if f != FINALIZER])
    elif FINALIZER not in present:
        await set_finalizers(ctx, VOLUME, volume, [*present, FINALIZER])
    return DONE


CONTROLLER = Controller(name="persistentvolume-protection", watches=VOLUME, reconcile=reconcile)

"""Keeps a VolumeAttributesClass while it is named by a claim or volume (finalizer `kubernetes.io/vac-protection`)."""

from collections.abc import Iterable

from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.storage.volumeattributesclass import KIND as CLASS
from umiak.controllers.pvc_protection import finalizers, set_finalizers
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome

FINALIZER = "kubernetes.io/vac-protection"


def named_by(obj: Object) -> set[str]:
    """The classes that a claim or a volume names: wanted, in effect, or on the way."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    target = (status.get("modifyVolumeStatus") or {}).get("targetVolumeAttributesClassName")
    found = (spec.get("volumeAttributesClassName"), status.get("currentVolumeAttributesClassName"), target)
    return {name for name in found if name}


async def reconcile(ctx: Context, key: Key) -> Outcome:
    found = ctx.cache.get(CLASS, key)
    if found is None:
        return DONE
    present = finalizers(found)
    if meta.is_being_deleted(found):
        users = (*ctx.cache.list(VOLUME), *ctx.cache.list(CLAIM))
        if FINALIZER in present and not any(key.name in named_by(user) for user in users):
            await set_finalizers(ctx, CLASS, found, [f for f in present if f != FINALIZER])
    elif FINALIZER not in present:
        await set_finalizers(ctx, CLASS, found, [*present, FINALIZER])
    return DONE


def classes_of(obj: Object, cache: Cache) -> Iterable[Key]:
    return [Key("", name) for name in named_by(obj)]


def lets_go(old: Object | None, new: Object | None) -> bool:
    """Whether a claim or volume names some class no longer."""
    return old is not None and bool(named_by(old) - (named_by(new) if new is not None else set()))


CONTROLLER = Controller(
    name="volumeattributesclass-protection-controller",
    watches=CLASS,
    reconcile=reconcile,
    also=[Also(CLAIM, classes_of, should_wake=lets_go), Also(VOLUME, classes_of, should_wake=lets_go)],
)

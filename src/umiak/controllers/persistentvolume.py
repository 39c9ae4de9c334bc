"""Binds claims to volumes, and follows both through their phases.

One controller for both kinds: a key with a namespace is a claim's, one without a volume's. Volumes are made and
destroyed by provisioners (`local_path`, CSI drivers); this one only asks for them by annotation and event.
"""

from collections.abc import Iterable
from datetime import timedelta

from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.core.pod import KIND as POD
from umiak.api.storage.storageclass import KIND as STORAGE_CLASS
from umiak.controllers import _volumes as rules
from umiak.controllers._pods import is_terminal, node_name
from umiak.controllers._volume_counts import MEASURES
from umiak.controllers._volumes import phase, spec
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Hindered, Outcome, RetryAfter

LOOK_AGAIN = RetryAfter(timedelta(seconds=15))
"""Claims that wait say so again this often."""
LOST_REFERENCE = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
LOST_VOLUME = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
MISBOUND = "Two claims are bound to the same volume, this one is bound incorrectly"
NOTHING_SET = "no persistent volumes available for this claim and no storage class is set"


class Misbound(Hindered):
    """A claim says it is bound to a volume that belongs to another."""


# claims


async def sync_claim(ctx: Context, claim: Object) -> Outcome:
    better = rules.migrated_claim(claim)
    if better is not None:
        claim = await ctx.client.update(CLAIM, better)
    if rules.BIND_COMPLETED in meta.annotations(claim):
        await _sync_bound(ctx, claim)
        return DONE
    if spec(claim).get("volumeName"):
        return await _sync_named(ctx, claim)
    return await _sync_unbound(ctx, claim)


async def _sync_unbound(ctx: Context, claim: Object) -> Outcome:
    classes = {meta.name(c): c for c in ctx.cache.list(STORAGE_CLASS)}
    storage_class = classes.get(rules.class_name(claim))
    waits = rules.waits_for_consumer(storage_class)
    volume = rules.best_match(claim, ctx.cache.list(VOLUME), only_promised=waits)
    if volume is not None:
        await bind(ctx, volume, claim)
        return DONE
    default = None if rules.has_class(claim) else rules.default_class(classes.values())
    if default is not None:
        await _give_class(ctx, claim, meta.name(default))
        return DONE
    if waits and rules.SELECTED_NODE not in meta.annotations(claim):
        ctx.events.event(claim, "Normal", *_waiting(ctx, claim))
    elif rules.class_name(claim):
        await _ask_provisioner(ctx, claim, storage_class)
        return LOOK_AGAIN
    else:
        ctx.events.event(claim, "Normal", "FailedBinding", NOTHING_SET)
    await set_claim_phase(ctx, claim, "Pending", None)
    return LOOK_AGAIN


async def _give_class(ctx: Context, claim: Object, name: str) -> None:
    """A claim from before there was a default class gets it (KEP-3333)."""
    assignments = "retroactive StorageClass assignments to persistent volume claim"
    try:
        await ctx.client.update(CLAIM, {**claim, "spec": {**spec(claim), "storageClassName": name}})
    except StatusError:
        ctx.metrics.counter("retroactive_storageclass_errors_total", f"Total number of failed {assignments}").inc()
        raise
    ctx.metrics.counter("retroactive_storageclass_total", f"Total number of {assignments}").inc()


def _waiting(ctx: Context, claim: Object) -> tuple[str, str]:
    """Reason and message while nobody has used the claim, or those who do have no node yet."""
    pods = [p for p in ctx.cache.list(POD, meta.namespace(claim)) if uses(p, meta.name(claim))]
    names = sorted(meta.name(p) for p in pods if not node_name(p) and not is_terminal(p))
    if not names:
        return "WaitForFirstConsumer", "waiting for first consumer to be created before binding"
    word = "pod" if len(names) == 1 else "pods"
    return "WaitForPodScheduled", f"waiting for {word} {','.join(names)} to be scheduled"


def claims_of(pod: Object) -> list[str]:
    """Names of the claims that a pod uses; those of ephemeral volumes are `pod-volume`."""
    return [name for name, _ in rules.claim_names(pod)]


def uses(pod: Object, claim: str) -> bool:
    return claim in claims_of(pod)


async def _ask_provisioner(ctx: Context, claim: Object, storage_class: Object | None) -> None:
    if storage_class is None:
        message = f'storageclass.storage.k8s.io "{rules.class_name(claim)}" not found'
        ctx.events.event(claim, "Warning", "ProvisioningFailed", message)
        await set_claim_phase(ctx, claim, "Pending", None)
        return
    provisioner = rules.provisioner_of(storage_class)
    if rules.is_missing_plugin(provisioner):
        message = f"no volume plugin matched name: {provisioner}"
        ctx.events.event(claim, "Warning", "ProvisioningFailed", message)
        return
    wanted = {rules.STORAGE_PROVISIONER: provisioner, rules.BETA_STORAGE_PROVISIONER: provisioner}
    if meta.annotations(claim).get(rules.STORAGE_PROVISIONER) != provisioner:
        about = {**claim["metadata"], "annotations": {**meta.annotations(claim), **wanted}}
        claim = await ctx.client.update(CLAIM, {**claim, "metadata": about})
    message = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered."
    )
    ctx.events.event(claim, "Normal", "ExternalProvisioning", message)
    await set_claim_phase(ctx, claim, "Pending", None)


async def _sync_named(ctx: Context, claim: Object) -> Outcome:
    """A claim that wants one certain volume."""
    name = spec(claim)["volumeName"]
    volume = ctx.cache.get(VOLUME, Key("", name))
    if volume is None:
        await set_claim_phase(ctx, claim, "Pending", None)
        return LOOK_AGAIN
    if rules.is_for(volume, claim):
        await bind(ctx, volume, claim)
        return DONE
    if not spec(volume).get("claimRef"):
        why = rules.mismatch(volume, claim)
        if not why:
            await bind(ctx, volume, claim)
            return DONE
        message = f'Cannot bind to requested volume "{name}": {why}'
        ctx.events.event(claim, "Warning", "VolumeMismatch", message)
    else:
        ctx.events.event(claim, "Warning", "FailedBinding", f'volume "{name}" already bound to a different claim.')
        if rules.BOUND_BY_CONTROLLER in meta.annotations(claim):
            ref = spec(volume)["claimRef"]
            taken = f'volume already claimed by "{ref.get("namespace")}/{ref.get("name")}"'
            raise Misbound(f'invalid binding of claim "{meta.key(claim)}" to volume "{name}": {taken}')
    await set_claim_phase(ctx, claim, "Pending", None)
    return LOOK_AGAIN


async def _sync_bound(ctx: Context, claim: Object) -> None:
    name = spec(claim).get("volumeName")
    if not name:
        await _lose(ctx, claim, "ClaimLost", LOST_REFERENCE)
        return
    volume = ctx.cache.get(VOLUME, Key("", name))
    if volume is None:
        await _lose(ctx, claim, "ClaimLost", LOST_VOLUME)
        return
    ref = spec(volume).get("claimRef")
    if not ref or ref.get("uid") == meta.uid(claim):
        await bind(ctx, volume, claim)
    else:
        await _lose(ctx, claim, "ClaimMisbound", MISBOUND)


async def _lose(ctx: Context, claim: Object, reason: str, message: str) -> None:
    if phase(claim) != "Lost":
        await set_claim_phase(ctx, claim, "Lost", None)
        ctx.events.event(claim, "Warning", reason, message)


async def set_claim_phase(ctx: Context, claim: Object, new: str, volume: Object | None) -> Object:
    status = rules.claim_status(claim, new, volume)
    if status == (claim.get("status") or {}):
        return claim
    return await ctx.client.update(CLAIM, {**claim, "status": status}, subresource="status")


async def bind(ctx: Context, volume: Object, claim: Object) -> None:
    """Writes the binding on both sides, the volume first; what is written already is left alone."""
    better = rules.bound_volume(volume, claim)
    if better is not None:
        volume = await ctx.client.update(VOLUME, better)
    volume = await set_volume_phase(ctx, volume, "Bound")
    better = rules.bound_claim(claim, volume)
    if better is not None:
        claim = await ctx.client.update(CLAIM, better)
    await set_claim_phase(ctx, claim, "Bound", volume)


# volumes


async def sync_volume(ctx: Context, volume: Object) -> None:
    better = rules.migrated_volume(volume)
    if better is not None:
        volume = await ctx.client.update(VOLUME, better)
    ref = spec(volume).get("claimRef")
    if not ref or not ref.get("uid"):
        await set_volume_phase(ctx, volume, "Available")
        return
    claim = await _claim_of(ctx, volume, ref)
    if claim is None:
        await _release(ctx, volume)
    elif not spec(claim).get("volumeName"):
        _warn_of_modes(ctx, volume, claim)
    elif spec(claim)["volumeName"] == meta.name(volume):
        await set_volume_phase(ctx, volume, "Bound")
    elif (
        rules.PROVISIONED_BY in meta.annotations(volume)
        and spec(volume).get("persistentVolumeReclaimPolicy") == "Delete"
    ):
        await _release(ctx, volume)
    else:
        await _unbind(ctx, volume, ref)


async def _claim_of(ctx: Context, volume: Object, ref: Object) -> Object | None:
    """The claim that the volume is bound to, None when that very claim is gone. Asks the server before it says so."""
    key = Key(ref.get("namespace") or "", ref.get("name") or "")
    claim = ctx.cache.get(CLAIM, key)
    if claim is not None and meta.uid(claim) == ref["uid"]:
        return claim
    if claim is None and phase(volume) in ("Released", "Failed"):
        return None
    try:
        claim = await ctx.client.get(CLAIM, key.name, key.namespace)
    except StatusError as error:
        if error.code != 404:
            raise
        return None
    return claim if meta.uid(claim) == ref["uid"] else None


def _warn_of_modes(ctx: Context, volume: Object, claim: Object) -> None:
    if rules.modes_differ(claim, volume):
        why = "due to incompatible volumeMode."
        text = f'Cannot bind PersistentVolume to requested PersistentVolumeClaim "{meta.name(claim)}" {why}'
        ctx.events.event(volume, "Warning", "VolumeMismatch", text)
        text = f'Cannot bind PersistentVolume "{meta.name(volume)}" to requested PersistentVolumeClaim {why}'
        ctx.events.event(claim, "Warning", "VolumeMismatch", text)


async def _release(ctx: Context, volume: Object) -> None:
    """The claim is gone: what becomes of the volume is for its policy, and its provisioner, to say."""
    if phase(volume) not in ("Released", "Failed"):
        volume = await set_volume_phase(ctx, volume, "Released")
    policy = spec(volume).get("persistentVolumeReclaimPolicy") or "Retain"
    annotations = meta.annotations(volume)
    if rules.MIGRATED_TO in annotations or policy == "Retain":
        return
    if policy == "Recycle":
        await _fail(ctx, volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
    elif policy != "Delete":
        await _fail(ctx, volume, "VolumeUnknownReclaimPolicy", "Volume has unrecognized PersistentVolumeReclaimPolicy")
    elif fault := rules.deletion_fault(volume):
        await _fail(ctx, volume, "VolumeFailedDelete", fault)


async def _fail(ctx: Context, volume: Object, reason: str, message: str) -> None:
    if phase(volume) != "Failed":
        await set_volume_phase(ctx, volume, "Failed", message)
        ctx.events.event(volume, "Warning", reason, message)


async def _unbind(ctx: Context, volume: Object, ref: Object) -> None:
    """The claim went elsewhere. What we bound becomes free; what the user bound stays promised, to the name only."""
    about, new_spec = dict(volume["metadata"]), dict(spec(volume))
    annotations = dict(meta.annotations(volume))
    if annotations.pop(rules.BOUND_BY_CONTROLLER, None) is not None:
        about["annotations"] = annotations
        del new_spec["claimRef"]
    else:
        new_spec["claimRef"] = {k: v for k, v in ref.items() if k not in ("uid", "resourceVersion")}
    volume = await ctx.client.update(VOLUME, {**volume, "metadata": about, "spec": new_spec})
    await set_volume_phase(ctx, volume, "Available")


async def set_volume_phase(ctx: Context, volume: Object, new: str, message: str = "") -> Object:
    if phase(volume) == new:
        return volume
    status = {k: v for k, v in (volume.get("status") or {}).items() if k != "message"}
    status |= {"phase": new} | ({"message": message} if message else {})
    return await ctx.client.update(VOLUME, {**volume, "status": status}, subresource="status")


# both


async def reconcile(ctx: Context, key: Key) -> Outcome:
    if key.namespace:
        claim = ctx.cache.get(CLAIM, key)
        return DONE if claim is None else await sync_claim(ctx, claim)
    volume = ctx.cache.get(VOLUME, key)
    if volume is not None:
        await sync_volume(ctx, volume)
    return DONE


def waiting_claims(cache: Cache) -> Iterable[Key]:
    return [meta.key(c) for c in cache.list(CLAIM) if rules.BIND_COMPLETED not in meta.annotations(c)]


def wakes_of_volume(volume: Object, cache: Cache) -> Iterable[Key]:
    """The volume itself, its claim, and every claim that might want it while it is free."""
    ref = spec(volume).get("claimRef")
    keys = [Key("", meta.name(volume))]
    if ref:
        return [*keys, Key(ref.get("namespace") or "", ref.get("name") or "")]
    return [*keys, *waiting_claims(cache)]


def wakes_of_claim(claim: Object, cache: Cache) -> Iterable[Key]:
    """The volume that the claim is bound to; after the claim's deletion it is released."""
    name = spec(claim).get("volumeName")
    return [Key("", name)] if name else []


def wakes_of_class(storage_class: Object, cache: Cache) -> Iterable[Key]:
    return waiting_claims(cache)


CONTROLLER = Controller(
    name="persistentvolume-binder",
    watches=CLAIM,
    reconcile=reconcile,
    also=[
        Also(VOLUME, wakes_of_volume),
        Also(CLAIM, wakes_of_claim),
        Also(STORAGE_CLASS, wakes_of_class),
    ],
    reads=(POD,),
    workers=10,
    component="persistentvolume-controller",
    measures=MEASURES,
)

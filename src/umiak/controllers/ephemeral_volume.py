"""Makes the claims behind pods' ephemeral volumes, each owned by its pod and named after pod and volume (KEP-1698)."""

from collections.abc import Iterable

from umiak.api.core import persistentvolumeclaim as claims
from umiak.api.core import pod as pods
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Hindered, Outcome


class NotOurs(Hindered):
    """There is a claim of that name, but of somebody else."""


def volumes_of(pod: Object) -> list[Object]:
    return [v for v in pod["spec"].get("volumes") or () if v.get("ephemeral")]


def claim_name(pod: Object, volume: Object) -> str:
    return f"{meta.name(pod)}-{volume['name']}"


def claim_of(pod: Object, volume: Object) -> Object:
    template = volume["ephemeral"]["volumeClaimTemplate"]
    about = {k: v for k, v in meta.metadata(template).items() if k in ("annotations", "labels")}
    owner = {"apiVersion": "v1", "kind": "Pod", "name": meta.name(pod), "uid": meta.uid(pod)}
    owners = [{**owner, "controller": True, "blockOwnerDeletion": True}]
    where = {"name": claim_name(pod, volume), "namespace": meta.namespace(pod), "ownerReferences": owners}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": where | about, "spec": template["spec"]}


def check_owner(pod: Object, claim: Object) -> None:
    """Raises NotOurs."""
    owner = meta.controller_of(claim)
    if owner is None or owner["uid"] != meta.uid(pod):
        names = f"{meta.namespace(claim)}/{meta.name(claim)}", f"{meta.namespace(pod)}/{meta.name(pod)}"
        raise NotOurs(f"PVC {names[0]} was not created for pod {names[1]} (pod is not owner)")


async def _ensure(ctx: Context, pod: Object, volume: Object) -> None:
    wanted = claim_of(pod, volume)
    found = ctx.cache.get(claims.KIND, Key(meta.namespace(pod), meta.name(wanted)))
    if found is not None:
        check_owner(pod, found)
        return
    await ctx.client.create(claims.KIND, wanted)


async def reconcile(ctx: Context, key: Key) -> Outcome:
    pod = ctx.cache.get(pods.KIND, key)
    if pod is None or meta.is_being_deleted(pod):
        return DONE
    for volume in volumes_of(pod):
        try:
            await _ensure(ctx, pod, volume)
        except (NotOurs, StatusError) as error:
            text = f"create PVC {claim_name(pod, volume)}: {error}" if isinstance(error, StatusError) else str(error)
            ctx.events.event(pod, "Warning", "FailedBinding", f"ephemeral volume {volume['name']}: {text}")
            raise
    return DONE


def is_new(old: Object | None, new: Object | None) -> bool:
    """A pod's volumes never change."""
    return old is None and new is not None and bool(volumes_of(new))


def is_gone(old: Object | None, new: Object | None) -> bool:
    return new is None


def pod_behind(claim: Object, cache: Cache) -> Iterable[Key]:
    owner = meta.controller_of(claim)
    if owner is not None and owner["kind"] == "Pod":
        yield Key(meta.namespace(claim), owner["name"])


CONTROLLER = Controller(
    name="ephemeral-volume-controller",
    watches=pods.KIND,
    also=(Also(claims.KIND, pod_behind, is_gone),),
    reconcile=reconcile,
    should_wake=is_new,
    component="ephemeral_volume",
)

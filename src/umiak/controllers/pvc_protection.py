"""Keeps a claim that is being deleted while a pod still uses it (finalizer `kubernetes.io/pvc-protection`)."""

from collections.abc import Iterable

from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.core.pod import KIND as POD
from umiak.api.kind import Kind
from umiak.controllers._pods import is_terminal, node_name
from umiak.controllers.persistentvolume import claims_of, uses
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome

FINALIZER = "kubernetes.io/pvc-protection"


def finalizers(obj: Object) -> list[str]:
    return meta.metadata(obj).get("finalizers") or []


async def set_finalizers(ctx: Context, kind: Kind, obj: Object, wanted: list[str]) -> None:
    """Writes the finalizers of exactly this version of the object; content when it is gone."""
    about = {**obj["metadata"], "finalizers": wanted}
    await ctx.client.update(kind, {**obj, "metadata": about})


def is_in_use(pods: Iterable[Object], claim: str) -> bool:
    """Whether a pod that has a node uses the claim; one that finished does so until it is deleted."""
    return any(uses(p, claim) and node_name(p) for p in pods)


async def reconcile(ctx: Context, key: Key) -> Outcome:
    claim = ctx.cache.get(CLAIM, key)
    if claim is None:
        return DONE
    present = finalizers(claim)
    if meta.is_being_deleted(claim):
        if FINALIZER in present and not await _is_in_use(ctx, key):
            await set_finalizers(ctx, CLAIM, claim, [f for f in present if f != FINALIZER])
    elif FINALIZER not in present:
        await set_finalizers(ctx, CLAIM, claim, [*present, FINALIZER])
    return DONE


async def _is_in_use(ctx: Context, key: Key) -> bool:
    """Asks the server as well before it says no: a pod may have been bound this very moment."""
    if is_in_use(ctx.cache.list(POD, key.namespace), key.name):
        return True
    return is_in_use((await ctx.client.list(POD, key.namespace)).items, key.name)


def claims_of_pod(pod: Object, cache: Cache) -> Iterable[Key]:
    return [Key(meta.namespace(pod), name) for name in claims_of(pod)]


def matters(old: Object | None, new: Object | None) -> bool:
    """A pod that ends, goes, or comes to a node."""
    if old is None or new is None:
        return True
    return is_terminal(old) != is_terminal(new) or node_name(old) != node_name(new)


CONTROLLER = Controller(
    name="persistentvolumeclaim-protection",
    watches=CLAIM,
    reconcile=reconcile,
    also=[Also(POD, claims_of_pod, should_wake=matters)],
)

"""The ResourceClaims of a pod: which they are, and how a claim is given devices and kept for a pod (KEP-4381).

Finding them is pure; `Writing` alone acts. Source: `resourceclaim/resourceclaim.go` and `dynamicresources.go`.
"""

import msgspec

from umiak.api.resource import resourceclaim
from umiak.client.contract import Preconditions
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import Cache, Context
from umiak.scheduler.contract import BindingFailed
from umiak.scheduler.pods import PodView

FINALIZER = "resource.kubernetes.io/delete-protection"
TRIES = 5
"""Writes of a claim that others change at the same time."""


class NoClaim(Exception):
    """A claim of the pod is not there, or not the pod's; the text says so in the reference's words."""


def claims_of(pod: PodView, cache: Cache) -> list[Object]:
    """In the order in which the pod names them. Raises NoClaim."""
    found = []
    for entry in pod.spec.get("resourceClaims") or ():
        name, must_own = _named(pod, entry)
        if not name:
            continue  # its template makes no claim
        claim = cache.get(resourceclaim.KIND, Key(pod.namespace, name))
        if claim is None:
            raise NoClaim(f'could not find ResourceClaim "{pod.namespace}/{name}"')
        if meta.is_being_deleted(claim):
            raise NoClaim(f'resourceclaim "{name}" is being deleted')
        if must_own and (meta.controller_of(claim) or {}).get("uid") != pod.uid:
            about = f"ResourceClaim {pod.namespace}/{name} was not created for Pod {pod.namespace}/{pod.name}"
            raise NoClaim(f"{about} (Pod is not owner)")
        found.append(claim)
    return found


def _named(pod: PodView, entry: Object) -> tuple[str, bool]:
    """The claim's name, and whether it was made for the pod."""
    if entry.get("resourceClaimName"):
        return entry["resourceClaimName"], False
    made = dict(pod.resource_claims)
    if entry["name"] not in made:
        raise NoClaim(f'pod "{pod.namespace}/{pod.name}": ResourceClaim not created yet')
    return made[entry["name"]], True


def allocation_of(claim: Object) -> Object | None:
    return (claim.get("status") or {}).get("allocation")


def reserved_for(claim: Object) -> list[Object]:
    return (claim.get("status") or {}).get("reservedFor") or []


def is_reserved_for(claim: Object, uid: str) -> bool:
    return any(one.get("uid") == uid for one in reserved_for(claim))


class Writing(msgspec.Struct, frozen=True):
    """Writes of one pod's claims."""

    ctx: Context
    pod: PodView

    async def take(self, claim: Object, allocation: Object | None) -> None:
        """Gives the claim its devices, when they were chosen for it, and keeps it for the pod. Raises BindingFailed,
        StatusError, Unreachable."""
        for attempt in range(TRIES):
            try:
                await self._take(claim, allocation)
                return
            except StatusError as error:
                if error.code != 409 or attempt == TRIES - 1:
                    raise
            claim = await self.ctx.client.get(resourceclaim.KIND, meta.name(claim), meta.namespace(claim))

    async def _take(self, claim: Object, allocation: Object | None) -> None:
        where = f"claim {meta.key(claim)}"
        if meta.is_being_deleted(claim):
            raise BindingFailed(f"{where} got deleted in the meantime")
        known = allocation_of(claim)
        if allocation is not None:
            if known is not None:
                raise BindingFailed(f"{where} got allocated elsewhere in the meantime")
            claim = await self._protect(claim)
            known = allocation
        if known is None:
            raise BindingFailed(f"{where} got deallocated elsewhere in the meantime")
        stamp = known.get("allocationTimestamp") or meta.format_time(self.ctx.clock.now())
        own = {"resource": "pods", "name": self.pod.name, "uid": self.pod.uid}
        status = {**(claim.get("status") or {}), "allocation": {**known, "allocationTimestamp": stamp}}
        status["reservedFor"] = [*reserved_for(claim), own]
        await self.ctx.client.update(resourceclaim.KIND, {**claim, "status": status}, subresource="status")

    async def _protect(self, claim: Object) -> Object:
        """With the finalizer that keeps it while it has devices."""
        finalizers = claim["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            return claim
        about = {**claim["metadata"], "finalizers": [*finalizers, FINALIZER]}
        return await self.ctx.client.update(resourceclaim.KIND, {**claim, "metadata": about})

    async def release(self, claim: Object) -> None:
        """Keeps it for the pod no longer."""
        gone = {"$patch": "delete", "uid": self.pod.uid}
        patch = {"metadata": {"uid": meta.uid(claim)}, "status": {"reservedFor": [gone]}}
        name, namespace = meta.name(claim), meta.namespace(claim)
        await self.ctx.client.patch(resourceclaim.KIND, name, namespace, patch, type="strategic", subresource="status")

    async def deallocate(self, claim: Object) -> None:
        """Takes its devices back."""
        left = {k: v for k, v in claim["status"].items() if k not in ("allocation", "reservedFor", "devices")}
        await self.ctx.client.update(resourceclaim.KIND, {**claim, "status": left}, subresource="status")

    async def delete(self, claim: Object) -> None:
        """Together with its protection; it may be gone already."""
        name, namespace = meta.name(claim), meta.namespace(claim)
        patch = {"metadata": {"uid": meta.uid(claim), "$deleteFromPrimitiveList/finalizers": [FINALIZER]}}
        try:
            await self.ctx.client.patch(resourceclaim.KIND, name, namespace, patch, type="strategic")
            await self.ctx.client.delete(resourceclaim.KIND, name, namespace, only=Preconditions(uid=meta.uid(claim)))
        except StatusError as error:
            if error.code != 404:
                raise

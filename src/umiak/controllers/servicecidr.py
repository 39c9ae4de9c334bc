"""Marks ranges of service addresses ready, and keeps those in use from going (KEP-1880)."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from umiak.api.networking import ipaddress as addresses
from umiak.api.networking import servicecidr as ranges
from umiak.controllers.pvc_protection import finalizers, set_finalizers
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome, RetryAfter

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
MANAGED_BY, ALLOCATOR = "ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io"
GRACE = timedelta(seconds=10)
"""Until every API server has heard that no more addresses are to be taken from the range."""
IN_USE = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"
NAME = "service-cidr-controller"
Network = IPv4Network | IPv6Network


def networks(obj: Object) -> list[Network]:
    return [ip_network(cidr) for cidr in obj["spec"].get("cidrs") or ()]


def contains(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def is_covered(obj: Object, others: Sequence[Object]) -> bool:
    """Whether each of its ranges lies within one of the others, so that no address is orphaned."""
    outer = [network for other in others for network in networks(other)]
    return all(any(contains(o, inner) for o in outer) for inner in networks(obj))


def is_needed(obj: Object, others: Sequence[Object], used: Iterable[str]) -> bool:
    """Whether an address in use lies in this range and no other."""
    mine, outer = networks(obj), [network for other in others for network in networks(other)]
    for text in used:
        address = ip_address(text)
        if any(address in network for network in mine) and not any(address in network for network in outer):
            return True
    return False


def is_allocated(address: Object) -> bool:
    return meta.labels(address).get(MANAGED_BY) == ALLOCATOR


async def reconcile(ctx: Context, key: Key) -> Outcome:
    obj = ctx.cache.get(ranges.KIND, key)
    if obj is None:
        return DONE
    if meta.is_being_deleted(obj):
        return await _leave(ctx, obj)
    if FINALIZER not in finalizers(obj):
        await set_finalizers(ctx, ranges.KIND, obj, [*finalizers(obj), FINALIZER])
    await _say(ctx, obj, True, "", "Kubernetes Service CIDR is ready")
    return DONE


async def _leave(ctx: Context, obj: Object) -> Outcome:
    others = [o for o in ctx.cache.list(ranges.KIND) if meta.name(o) != meta.name(obj)]
    used = (meta.name(a) for a in ctx.cache.list(addresses.KIND) if is_allocated(a))
    if not is_covered(obj, others) and is_needed(obj, others, used):
        await _say(ctx, obj, False, "Terminating", IN_USE)
        return DONE
    left = meta.parse_time(meta.metadata(obj)["deletionTimestamp"]) + GRACE - ctx.clock.now()
    if left > timedelta(0):
        return RetryAfter(left)
    if FINALIZER in finalizers(obj):
        await set_finalizers(ctx, ranges.KIND, obj, [f for f in finalizers(obj) if f != FINALIZER])
    return DONE


async def _say(ctx: Context, obj: Object, ready: bool, reason: str, message: str) -> None:
    """Applies the condition where it is another than now."""
    known = (obj.get("status") or {}).get("conditions") or ()
    wanted = {"type": "Ready", "status": str(ready), "reason": reason, "message": message}
    if any(wanted.items() <= {"reason": "", **condition}.items() for condition in known):
        return
    wanted["lastTransitionTime"] = meta.format_time(ctx.clock.now())
    applied = {
        "apiVersion": ranges.KIND.api_version,
        "kind": ranges.KIND.kind,
        "metadata": {"name": meta.name(obj)},
        "status": {"conditions": [wanted]},
    }
    await ctx.client.patch(
        ranges.KIND, meta.name(obj), "", applied, type="apply", subresource="status", field_manager=NAME, force=True
    )


def containing(address: Object, cache: Cache) -> Iterable[Key]:
    """The ranges that an address given by the allocator lies in."""
    if not is_allocated(address):
        return
    found = ip_address(meta.name(address))
    for obj in cache.list(ranges.KIND):
        if any(found in network for network in networks(obj)):
            yield meta.key(obj)


def overlapping(obj: Object, cache: Cache) -> Iterable[Key]:
    mine = networks(obj)
    for other in cache.list(ranges.KIND):
        if any(contains(a, b) or contains(b, a) for a in mine for b in networks(other)):
            yield meta.key(other)


def exists_no_more_or_now(old: Object | None, new: Object | None) -> bool:
    return old is None or new is None


CONTROLLER = Controller(
    name=NAME,
    watches=ranges.KIND,
    also=(
        Also(addresses.KIND, containing, exists_no_more_or_now),
        Also(ranges.KIND, overlapping, exists_no_more_or_now),
    ),
    reconcile=reconcile,
)

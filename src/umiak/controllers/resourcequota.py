"""Recounts what a ResourceQuota limits. Admission charges as objects come; here it is set right as they go or change.

Kinds that this process follows anyway wake the recount; for others the quota is recounted every few seconds, which
costs only those who set such quotas.
"""

from collections.abc import Iterable
from datetime import timedelta

from umiak.api.common import quota as rules
from umiak.api.common.quota_scopes import attributes_classes
from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.core.pod import KIND as POD
from umiak.api.core.replicationcontroller import KIND as REPLICATION_CONTROLLER
from umiak.api.core.resourcequota import KIND as QUOTA
from umiak.api.core.secret import KIND as SECRET
from umiak.api.core.service import KIND as SERVICE
from umiak.api.kind import Kind
from umiak.client.discovery import discover
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome, RetryAfter

FOLLOWED = (POD, SERVICE, CLAIM, CONFIG_MAP, SECRET, REPLICATION_CONTROLLER)
LOOK_AGAIN = timedelta(seconds=5)
DISCOVERY_AGE = timedelta(seconds=30)
RESYNC = timedelta(minutes=5)


async def reconcile(ctx: Context, key: Key) -> Outcome:
    quota = ctx.cache.get(QUOTA, key)
    if quota is None:
        return DONE
    hard = (quota.get("spec") or {}).get("hard") or {}
    kinds = {k for k in map(rules.tracked_by, hard) if k is not None}
    used: rules.Usage = {}
    for group, plural in sorted(kinds):
        objects = await _objects(ctx, group, plural, key.namespace)
        used |= rules.charged(quota, group, plural, objects, ctx.clock.now())
    status = quota.get("status") or {}
    kept = {name: amount for name, amount in (status.get("used") or {}).items() if name in hard}
    new = {"hard": hard, "used": kept | {name: str(amount) for name, amount in used.items()}}
    if (new["hard"], new["used"]) != (status.get("hard"), status.get("used")):
        await _write(ctx, quota, new)
    polled = kinds - {(k.group, k.plural) for k in FOLLOWED} - {("", "resourcequotas")}
    return RetryAfter(LOOK_AGAIN) if polled else DONE


async def _write(ctx: Context, quota: Object, status: Object) -> None:
    try:
        await ctx.client.update(QUOTA, {**quota, "status": status}, subresource="status")
    except StatusError as error:
        if error.code != 404:
            raise


async def _objects(ctx: Context, group: str, plural: str, namespace: str) -> list[Object]:
    for kind in (*FOLLOWED, QUOTA):
        if (kind.group, kind.plural) == (group, plural):
            return ctx.cache.list(kind, namespace)
    kind_there = await _find(ctx, group, plural)
    return [] if kind_there is None else (await ctx.client.list(kind_there, namespace)).items


async def _find(ctx: Context, group: str, plural: str) -> Kind | None:
    """The kind as the server serves it now, or did half a minute ago."""
    now = ctx.clock.monotonic()
    known = ctx.memory.get("kinds")
    if known is None or now - ctx.memory["asked"] > DISCOVERY_AGE.total_seconds():
        known = {(k.group, k.plural): k for k in await discover(ctx.client)}
        ctx.memory.update(kinds=known, asked=now)
    found: Kind | None = known.get((group, plural))
    return found


def quotas_of(obj: Object, cache: Cache) -> Iterable[Key]:
    return cache.keys(QUOTA, meta.namespace(obj))


def frees(old: Object | None, new: Object | None) -> bool:
    """An object that goes, a pod that ends, a service or claim that changes; what comes is charged by admission."""
    if old is None or new is None:
        return new is None
    return _charge(old) != _charge(new)


def _charge(obj: Object) -> object:
    spec = obj.get("spec") or {}
    phase = (obj.get("status") or {}).get("phase")
    size = (spec.get("resources") or {}).get("requests")
    return phase in ("Succeeded", "Failed"), meta.is_being_deleted(obj), spec.get("type"), size, attributes_classes(obj)


def limits_changed(old: Object | None, new: Object | None) -> bool:
    if old is None or new is None:
        return True
    return (old.get("spec") or {}).get("hard") != (new.get("spec") or {}).get("hard")


CONTROLLER = Controller(
    name="resourcequota",
    watches=QUOTA,
    reconcile=reconcile,
    also=[Also(kind, quotas_of, should_wake=frees) for kind in FOLLOWED],
    should_wake=limits_changed,
    resync=RESYNC,
)

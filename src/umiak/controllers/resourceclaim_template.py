"""Makes the ResourceClaims that pods want from templates, tells the pods their names, and reserves for pods that came
to a node without the scheduler what is allocated already.
"""

from collections.abc import Iterable

from umiak.api.core.pod import KIND as POD
from umiak.api.resource.resourceclaim import KIND as CLAIM
from umiak.api.resource.resourceclaimtemplate import KIND as TEMPLATE
from umiak.controllers import _resource_claims as rules
from umiak.controllers._memory import Places
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome

MANAGER = "ResourceClaimController"
PODS = Places()
"""Pods with claims, by ("claim" or "template", namespace, name)."""


async def reconcile(ctx: Context, key: Key) -> Outcome:
    pod = ctx.cache.get(POD, key)
    if pod is None or not rules.needs_work(pod, lambda name: ctx.cache.get(CLAIM, Key(key.namespace, name))):
        return DONE
    if (pod["spec"].get("schedulingGroup") or {}).get("podGroupName"):
        return DONE  # groups of pods share claims; as with the reference, not without the feature for them
    made: dict[str, str] = {}
    for entry in rules.pod_claims(pod):
        try:
            name = await _make(ctx, pod, entry)
        except StatusError as error:
            message = f"PodResourceClaim {entry['name']}: {error}"
            ctx.events.event(pod, "Warning", "FailedResourceClaimCreation", message)
            raise
        if name:
            made[entry["name"]] = name
    if made:
        pod = await _tell(ctx, pod, made)
    for name in rules.all_claims(pod):
        await _reserve(ctx, pod, name)
    return DONE


async def _make(ctx: Context, pod: Object, entry: Object) -> str:
    """The name of the claim that the pod's status does not tell yet; empty when there is nothing to tell."""
    found = rules.named(pod, entry)
    if found is not None and (not found.name or await _exists(ctx, pod, found)):
        return ""
    template_name = entry.get("resourceClaimTemplateName")
    if not template_name:
        return ""
    claim = rules.made_for(entry, ctx.cache.owned(CLAIM, meta.uid(pod)))
    if claim is not None:
        return meta.name(claim)
    template = ctx.cache.get(TEMPLATE, Key(meta.namespace(pod), template_name))
    if template is None:
        missing = f'resourceclaimtemplate.resource.k8s.io "{template_name}" not found'
        raise StatusError(404, "NotFound", f'resource claim template "{template_name}": {missing}')
    return meta.name(await _create(ctx, rules.claim_from(template, pod, entry)))


async def _create(ctx: Context, wanted: Object) -> Object:
    created = ctx.metrics.counters(
        "dynamic_resource_allocation_resourceclaim_creates_total",
        "Number of ResourceClaims creation requests, categorized by creation status, admin access, and owning API "
        "group and kind (either Pod or scheduling.k8s.io/PodGroup)",
        *("status", "admin_access", "owner_api_group", "owner_api_kind"),
    )
    about = (rules.admin_access(wanted), "", "Pod")
    try:
        made = await ctx.client.create(CLAIM, wanted)
    except StatusError as error:
        created.at("failure", *about).inc()
        raise StatusError(error.code, error.reason, f"create ResourceClaim : {error}") from error
    created.at("success", *about).inc()
    return made


async def _exists(ctx: Context, pod: Object, found: rules.Named) -> bool:
    """Asks the server before it says no. A claim in the pod's status that is not the pod's own does not count."""
    claim = ctx.cache.get(CLAIM, Key(meta.namespace(pod), found.name))
    if claim is None:
        try:
            claim = await ctx.client.get(CLAIM, found.name, meta.namespace(pod))
        except StatusError as error:
            if error.code != 404:
                raise
            return False
    return not found.must_be_own or rules.is_own(pod, claim)


async def _tell(ctx: Context, pod: Object, made: dict[str, str]) -> Object:
    where = {"name": meta.name(pod), "namespace": meta.namespace(pod)}
    status = {"resourceClaimStatuses": rules.statuses(pod, made)}
    applied = {"apiVersion": "v1", "kind": "Pod", "metadata": where, "status": status}
    return await ctx.client.patch(
        POD,
        where["name"],
        where["namespace"],
        applied,
        type="apply",
        subresource="status",
        field_manager=MANAGER,
        force=True,
    )


async def _reserve(ctx: Context, pod: Object, name: str) -> None:
    claim = ctx.cache.get(CLAIM, Key(meta.namespace(pod), name))
    if claim is None or not rules.must_be_reserved(pod, claim):
        return
    status = claim["status"]
    status["reservedFor"] = [*(status.get("reservedFor") or ()), rules.consumer(pod)]
    await ctx.client.update(CLAIM, claim, subresource="status")


def has_claims(old: Object | None, new: Object | None) -> bool:
    return new is not None and bool(rules.pod_claims(new))


def note(pod: Object, cache: Cache) -> Iterable[Key]:
    """Remembers which claims and templates the pod uses; it is woken by itself anyway."""
    for entry in rules.pod_claims(pod):
        found = rules.named(pod, entry)
        if found is not None:
            PODS.put(cache, ("claim", meta.namespace(pod), found.name), meta.key(pod))
        if entry.get("resourceClaimTemplateName"):
            place = ("template", meta.namespace(pod), entry["resourceClaimTemplateName"])
            PODS.put(cache, place, meta.key(pod))
    return ()


def pods_of(what: str, obj: Object, cache: Cache) -> Iterable[Key]:
    place = (what, meta.namespace(obj), meta.name(obj))
    return PODS.find(cache, place, lambda key: key if cache.version(POD, key) else None)


CONTROLLER = Controller(
    name="resourceclaim-template",
    component="resource_claim",
    watches=POD,
    reconcile=reconcile,
    should_wake=has_claims,
    also=(
        Also(POD, note, has_claims),
        Also(CLAIM, lambda claim, cache: pods_of("claim", claim, cache)),
        Also(TEMPLATE, lambda template, cache: pods_of("template", template, cache)),
    ),
    workers=10,
)

"""Evicts pods that use devices with NoExecute taints which their claims do not tolerate, or no longer, and tells in
each DeviceTaintRule's status how far it is (KEP-5055).

One controller for both: a key with a namespace is a pod's, one without a rule's.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from umiak.api.core.pod import KIND as POD
from umiak.api.resource.devicetaintrule import KIND as RULE
from umiak.api.resource.resourceclaim import KIND as CLAIM
from umiak.api.resource.resourceslice import KIND as SLICE
from umiak.client.contract import Preconditions
from umiak.controllers import _device_taints as taints
from umiak.controllers._device_taints import Cause, Count, Eviction
from umiak.controllers._memory import Memory, Places
from umiak.controllers._pods import condition, node_name
from umiak.controllers._resource_claims import is_pod
from umiak.controllers._status import new_condition, with_condition
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome, RetryAfter

NAME = "device-taint-eviction-controller"
REASON = "DeviceTaintManagerEviction"
BETWEEN_UPDATES = timedelta(seconds=10)
"""The shortest time between two updates of a rule's status."""
BOUNDS = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 30, 60, 120, 180, 240)
"""Of the histogram of delays, in seconds."""
PENDING: Memory[str] = Memory()
"""Uids of pods that are to go, by their keys."""
EVICTED: Memory[int] = Memory()
"""How many pods each rule (by uid) has evicted."""
PLACES = Places()
"""Slices and claims, by ("slice" or "claim", driver, pool)."""


# pods


def slices_of(cache: Cache, driver: str, pool: str) -> list[Object]:
    def still(key: Key) -> Object | None:
        found = cache.get(SLICE, key)
        return found if found is not None and _pool(found) == (driver, pool) else None

    return PLACES.find(cache, ("slice", driver, pool), still)


def _pool(found: Object) -> tuple[str, str]:
    return found["spec"]["driver"], found["spec"]["pool"]["name"]


def eviction_of(cache: Cache, pod: Object, rules: Iterable[Object]) -> Eviction | None:
    def taints_of(result: Object) -> Iterable[tuple[Cause, Object]]:
        yield from taints.slice_taints(slices_of(cache, result["driver"], result["pool"]), result)
        yield from taints.rule_taints(rules, result)

    return taints.pod_eviction(pod, lambda name: cache.get(CLAIM, Key(meta.namespace(pod), name)), taints_of)


async def _sync_pod(ctx: Context, key: Key) -> Outcome:
    pending = PENDING.of(ctx)
    pod = ctx.cache.get(POD, key)
    if pod is None or meta.is_being_deleted(pod):
        pending.pop(key, None)
        return DONE
    eviction = eviction_of(ctx.cache, pod, ctx.cache.list(RULE))
    if eviction is None:
        if pending.pop(key, None) == meta.uid(pod):
            _tell(ctx, pod, "Cancelling deletion")
        return DONE
    pending[key] = meta.uid(pod)
    left = eviction.when - ctx.clock.now()
    if left > timedelta(0):
        return RetryAfter(left)
    if await _evict(ctx, pod):
        _count(ctx, (ctx.clock.now() - eviction.when).total_seconds())
        for cause in eviction.causes:
            if cause.rule:
                EVICTED.of(ctx)[cause.rule] = EVICTED.of(ctx).get(cause.rule, 0) + 1
    pending.pop(key, None)
    return DONE


def _count(ctx: Context, seconds: float) -> None:
    """One more pod evicted, so long after it was due."""
    subsystem = "device_taint_eviction_controller"
    ctx.metrics.counter(
        f"{subsystem}_pod_deletions_total",
        "Total number of Pods deleted by DeviceTaintEvictionController since its start.",
    ).inc()
    ctx.metrics.histogram(
        f"{subsystem}_pod_deletion_duration_seconds",
        "Latency, in seconds, between the time when a device taint effect has been activated and a Pod's deletion via "
        "DeviceTaintEvictionController.",
        BOUNDS,
    ).observe(seconds)


def _tell(ctx: Context, pod: Object, message: str) -> None:
    about = {"apiVersion": "v1", "kind": "Pod", "name": meta.name(pod), "namespace": meta.namespace(pod)}
    ctx.events.event({**about, "uid": meta.uid(pod)}, "Normal", REASON, message)


async def _evict(ctx: Context, pod: Object) -> bool:
    """Says in the pod's status why, then deletes it; False when it was gone already."""
    name, namespace, uid = meta.name(pod), meta.namespace(pod), meta.uid(pod)
    _tell(ctx, pod, "Marking for deletion")
    try:
        if (condition(pod, "DisruptionTarget") or {}).get("status") != "True":
            message = "Device Taint manager: deleting due to NoExecute taint"
            made = new_condition("DisruptionTarget", "True", "DeletionByDeviceTaintManager", message, ctx.clock.now())
            change = {"metadata": {"uid": uid}, "status": with_condition(pod, made)}
            await ctx.client.patch(POD, name, namespace, change, type="strategic", subresource="status")
        await ctx.client.delete(POD, name, namespace, only=Preconditions(uid=uid))
    except StatusError as error:
        if error.code != 404:
            raise
        return False
    return True


# rules


def count(cache: Cache, rule: Object) -> Count:
    """What the rule does; for one without effect, what it would do with it."""
    if taints.effect(rule) == taints.NO_EXECUTE:
        return _pods_of(cache, rule, cache.list(RULE), Count())
    if taints.effect(rule) != "None":
        return Count()
    pools: dict[tuple[str, str], list[Object]] = {}
    for found in cache.list(SLICE):
        pools.setdefault(_pool(found), []).append(found)
    published = [
        (*pool, d["name"]) for pool, slices in pools.items() for s in taints.current(slices) for d in _devices(s)
    ]
    allocated = [taints.place(r) for claim in cache.list(CLAIM) for r in taints.results(claim)]
    devices = Count(*(sum(taints.selects(rule, *p) for p in places) for places in (published, allocated)))
    spec = {**rule["spec"], "taint": {**rule["spec"]["taint"], "effect": taints.NO_EXECUTE}}
    return _pods_of(cache, rule, [{**rule, "spec": spec}], devices)


def _devices(found: Object) -> list[Object]:
    return found["spec"].get("devices") or []


def _pods_of(cache: Cache, rule: Object, rules: list[Object], devices: Count) -> Count:
    """Pods that must go because of `rule`, when `rules` hold."""
    found = [k for k in _all_users(cache) if _is_cause(cache, rule, rules, k)]
    return Count(devices.published, devices.allocated, len(found), len({k.namespace for k in found}))


def _is_cause(cache: Cache, rule: Object, rules: list[Object], key: Key) -> bool:
    pod = cache.get(POD, key)
    if pod is None or meta.is_being_deleted(pod):
        return False
    eviction = eviction_of(cache, pod, rules)
    return eviction is not None and any(c.rule == meta.uid(rule) for c in eviction.causes)


async def _sync_rule(ctx: Context, name: str) -> Outcome:
    rule = ctx.cache.get(RULE, Key("", name))
    if rule is None:
        return DONE
    before = condition(rule, taints.IN_PROGRESS)
    wait = _until_update(rule, before, ctx.clock.now())
    if wait > timedelta(0):
        return RetryAfter(wait)
    made = taints.progress(rule, count(ctx.cache, rule), EVICTED.of(ctx).get(meta.uid(rule), 0))
    if before is None or any(before.get(field) != value for field, value in made.items()):
        made["lastTransitionTime"] = meta.format_time(ctx.clock.now())
        about = {"name": name, "uid": meta.uid(rule)}
        applied = {
            "apiVersion": RULE.api_version,
            "kind": RULE.kind,
            "metadata": about,
            "status": {"conditions": [made]},
        }
        await ctx.client.patch(
            RULE, name, "", applied, type="apply", subresource="status", field_manager=NAME, force=True
        )
    return RetryAfter(BETWEEN_UPDATES) if made["status"] == "True" else DONE


def _until_update(rule: Object, before: Object | None, now: datetime) -> timedelta:
    """How long the condition of an unchanged rule stays as it is, however little it says."""
    if before is None or before.get("observedGeneration") != meta.generation(rule):
        return timedelta(0)
    return meta.parse_time(before["lastTransitionTime"]) + BETWEEN_UPDATES - now


async def reconcile(ctx: Context, key: Key) -> Outcome:
    return await _sync_pod(ctx, key) if key.namespace else await _sync_rule(ctx, key.name)


# what wakes it


def users(claim: Object) -> list[Key]:
    """The pods for which a claim is reserved."""
    consumers = (claim.get("status") or {}).get("reservedFor") or ()
    return [Key(meta.namespace(claim), c["name"]) for c in consumers if is_pod(c)]


def _all_users(cache: Cache) -> Iterable[Key]:
    return dict.fromkeys(key for claim in cache.list(CLAIM) for key in users(claim))


def wakes_of_claim(claim: Object, cache: Cache) -> Iterable[Key]:
    """Its pods, and the rules that make them leave."""
    for result in taints.results(claim):
        PLACES.put(cache, ("claim", result["driver"], result["pool"]), meta.key(claim))
    pods = users(claim)
    places = [taints.place(r) for r in taints.results(claim)]
    rules = [r for r in cache.list(RULE) if taints.effect(r) == taints.NO_EXECUTE] if places else []
    return [*pods, *(Key("", meta.name(r)) for r in rules if any(taints.selects(r, *p) for p in places))]


def wakes_of_slice(found: Object, cache: Cache) -> Iterable[Key]:
    """The pods that use devices of its pool."""
    PLACES.put(cache, ("slice", *_pool(found)), meta.key(found))
    claims = PLACES.find(cache, ("claim", *_pool(found)), lambda key: cache.get(CLAIM, key))
    return [key for claim in claims for key in users(claim)]


def wakes_of_rule(rule: Object, cache: Cache) -> Iterable[Key]:
    return [Key("", meta.name(rule)), *_all_users(cache)]


def spec_changed(old: Object | None, new: Object | None) -> bool:
    return old is None or new is None or old["spec"] != new["spec"]


def claim_matters(old: Object | None, new: Object | None) -> bool:
    """A change of what is allocated, and for whom."""
    before, after = (((c or {}).get("status") or {}) for c in (old, new))
    return any(before.get(field) != after.get(field) for field in ("allocation", "reservedFor"))


def pod_matters(old: Object | None, new: Object | None) -> bool:
    """A pod with claims that is new, came to a node, or got to know its claims."""
    if new is None or not new["spec"].get("resourceClaims"):
        return False
    if old is None or node_name(old) != node_name(new):
        return True
    field = "resourceClaimStatuses"
    return (old.get("status") or {}).get(field) != (new.get("status") or {}).get(field)


CONTROLLER = Controller(
    name=NAME,
    component=NAME,
    watches=POD,
    reconcile=reconcile,
    should_wake=pod_matters,
    also=(
        Also(CLAIM, wakes_of_claim, claim_matters),
        Also(SLICE, wakes_of_slice, spec_changed),
        Also(RULE, wakes_of_rule, spec_changed),
    ),
    workers=8,
)

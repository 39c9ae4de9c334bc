"""Keeps the numbers by which evictions are judged: how many pods there are, should be, and may go."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from umiak.api.apps import deployment, replicaset, statefulset
from umiak.api.core import pod as pods
from umiak.api.core import replicationcontroller
from umiak.api.policy import poddisruptionbudget as budgets
from umiak.controllers._claims import selector_of
from umiak.controllers._pods import is_ready
from umiak.controllers._scaled import scaled
from umiak.controllers._scales import expected_scale
from umiak.controllers._texts import selector_text
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome, RetryAfter

DELETION_TIMEOUT = timedelta(minutes=2)
"""How long an evicted pod counts as gone though it is still there; then the eviction counts as failed."""
ALLOWED = "DisruptionAllowed"
KEPT = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


class Disrupted(msgspec.Struct, frozen=True):
    """Evicted pods that are still there, with the time of their eviction."""

    kept: dict[str, str]
    overdue: list[Object]
    recheck: datetime | None


def disrupted(budget: Object, pods: Sequence[Object], now: datetime) -> Disrupted:
    """Forgets evictions that have happened and those that did not in time."""
    known = (budget.get("status") or {}).get("disruptedPods") or {}
    kept: dict[str, str] = {}
    overdue, ends = [], []
    for pod in pods:
        moment = known.get(meta.name(pod))
        if moment is None or meta.is_being_deleted(pod):
            continue
        end = meta.parse_time(moment) + DELETION_TIMEOUT
        if end <= now:
            overdue.append(pod)
        else:
            kept[meta.name(pod)] = moment
            ends.append(end)
    return Disrupted(kept, overdue, min(ends, default=None))


def count_healthy(pods: Sequence[Object], evicted: dict[str, str], now: datetime) -> int:
    def counts(pod: Object) -> bool:
        moment = evicted.get(meta.name(pod))
        leaving = moment is not None and meta.parse_time(moment) + DELETION_TIMEOUT > now
        return not meta.is_being_deleted(pod) and not leaving and is_ready(pod)

    return sum(map(counts, pods))


def needs_scale(budget: Object) -> bool:
    """Whether the budget depends on how many pods the controllers want, not just on those that are there."""
    spec = budget["spec"]
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def desired_healthy(budget: Object, expected: int) -> int:
    spec = budget["spec"]
    if spec.get("maxUnavailable") is not None:
        return max(0, expected - scaled(spec["maxUnavailable"], expected, round_up=True))
    return scaled(spec.get("minAvailable"), expected, round_up=True)


def condition(budget: Object, value: bool, reason: str, message: str, generation: int, now: datetime) -> list[Object]:
    """The conditions with DisruptionAllowed set; its time moves when its status does."""
    known = list((budget.get("status") or {}).get("conditions") or ())
    before = next((c for c in known if c["type"] == ALLOWED), None)
    status = "True" if value else "False"
    same = before is not None and before["status"] == status
    made = {
        "type": ALLOWED,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if before and same else meta.format_time(now),
        "reason": reason,
        "message": message,
    }
    return [made if c is before else c for c in known] if before else [*known, made]


def status_of(budget: Object, expected: int, healthy: int, evicted: dict[str, str], now: datetime) -> Object:
    desired, generation = desired_healthy(budget, expected), meta.generation(budget)
    allowed = max(0, healthy - desired) if expected > 0 else 0
    reason = "SufficientPods" if allowed > 0 else "InsufficientPods"
    status: Object = {
        "observedGeneration": generation,
        "disruptedPods": evicted,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "conditions": condition(budget, allowed > 0, reason, "", generation, now),
    }
    return {k: v for k, v in status.items() if v or k in KEPT}


def failed_status(budget: Object, error: Exception, now: datetime) -> Object:
    """Nothing may go while the numbers are not known."""
    was = budget.get("status") or {}
    generation = was.get("observedGeneration") or 0
    numbers = {field: was.get(field) or 0 for field in KEPT}
    conditions = condition(budget, False, "SyncFailed", str(error), generation, now)
    return {**was, **numbers, "disruptionsAllowed": 0, "conditions": conditions}


def unmanaged_text(budget: Object) -> str:
    return (
        f"Pods selected by this PodDisruptionBudget (selector: {selector_text(budget['spec'].get('selector'))}) "
        "were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, "
        "which may result in undefined behavior. To account for these pods please set "
        '".spec.minAvailable" field of the PDB to an integer value.'
    )


async def _expected(ctx: Context, budget: Object, mine: Sequence[Object]) -> int:
    if not needs_scale(budget):
        return len(mine)
    try:
        count, unmanaged = await expected_scale(ctx, mine)
    except Exception as error:
        message = f"Failed to calculate the number of expected pods: {error}"
        ctx.events.event(budget, "Warning", "CalculateExpectedPodCountFailed", message)
        raise
    if unmanaged:
        ctx.events.event(budget, "Warning", "UnmanagedPods", unmanaged_text(budget))
    return count


async def _judge(ctx: Context, budget: Object, mine: Sequence[Object]) -> tuple[Object, Outcome]:
    expected, now = await _expected(ctx, budget, mine), ctx.clock.now()
    evicted = disrupted(budget, mine, now)
    for pod in evicted.overdue:
        space = meta.namespace(budget)  # sic: the reference prints the namespace twice
        message = f"Pod was expected by PDB {space}/{space} to be deleted but it wasn't"
        ctx.events.event(pod, "Warning", "NotDeleted", message)
    healthy = count_healthy(mine, evicted.kept, now)
    outcome = DONE if evicted.recheck is None else RetryAfter(evicted.recheck - now)
    return status_of(budget, expected, healthy, evicted.kept, now), outcome


async def reconcile(ctx: Context, key: Key) -> Outcome:
    budget = ctx.cache.get(budgets.KIND, key)
    if budget is None:
        return DONE
    mine = ctx.cache.list(pods.KIND, key.namespace, selector_of(budget))
    if not mine:
        ctx.events.event(budget, "Normal", "NoPods", "No matching pods found")
    outcome: Outcome
    try:
        status, outcome = await _judge(ctx, budget, mine)
    except Exception as error:
        status, outcome = failed_status(budget, error, ctx.clock.now()), DONE
    if status != (budget.get("status") or {}):
        await ctx.client.update(budgets.KIND, {**budget, "status": status}, subresource="status")
    return outcome


def keys_of_pod(pod: Object, cache: Cache) -> list[Key]:
    known = cache.list(budgets.KIND, meta.namespace(pod))
    return [meta.key(b) for b in known if selector_of(b).matches(meta.labels(pod))]


def pod_matters(old: Object | None, new: Object | None) -> bool:
    return old is None or new is None or _view(old) != _view(new)


def _view(pod: Object) -> tuple[object, ...]:
    return is_ready(pod), meta.is_being_deleted(pod), meta.labels(pod), meta.owners(pod), meta.uid(pod)


CONTROLLER = Controller(
    name="disruption-controller",
    component="controllermanager",
    watches=budgets.KIND,
    reconcile=reconcile,
    also=(Also(pods.KIND, keys_of_pod, pod_matters),),
    reads=(deployment.KIND, replicaset.KIND, statefulset.KIND, replicationcontroller.KIND),
)

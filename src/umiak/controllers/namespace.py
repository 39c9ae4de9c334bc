"""Empties namespaces that are being deleted, pods first, and lets them go once nothing is left.

What remains, and why, is told in the namespace's conditions. Five seconds pass first, so that every API server of
the cluster has heard of the deletion and lets nothing new in.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.api.core.pod import KIND as POD
from umiak.api.kind import Kind
from umiak.client.contract import Unreachable
from umiak.client.discovery import discover
from umiak.controllers._act import is_code
from umiak.controllers._status import find_condition, new_condition
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Hindered, Outcome, RetryAfter

FINALIZER = "kubernetes"
HEARD_BY_ALL = timedelta(seconds=5)
FINALIZER_SECONDS = 15
"""How long finalizers are thought to need."""
PAGE = 500

FINE = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


class Unfinished(Hindered):
    """Some of the namespace's content could not be deleted."""


class Left(msgspec.Struct):
    """What one round of deletion left behind. `seconds` estimates how long the rest may take."""

    seconds: int = 0
    kinds: Counter[str] = msgspec.field(default_factory=Counter)
    finalizers: Counter[str] = msgspec.field(default_factory=Counter)
    errors: list[str] = msgspec.field(default_factory=list)

    def note(self, kind: Kind, grace: int, items: Iterable[Object]) -> None:
        remaining = list(items)
        if not remaining:
            return
        held = Counter(f for item in remaining for f in meta.metadata(item).get("finalizers") or ())
        self.kinds[f"{kind.plural}.{kind.group}"] += len(remaining)
        self.finalizers += held
        self.seconds = max(self.seconds, grace or (FINALIZER_SECONDS if held else 0))
        if not grace and not held:
            where = meta.namespace(remaining[0])
            gvr = f"{kind.group}/{kind.version}, Resource={kind.plural}"
            self.errors.append(f"unexpected items still remain in namespace: {where} for gvr: {gvr}")


def problems(left: Left, discovery: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Conditions that are true now, by type: reason and message."""
    found: dict[str, tuple[str, str]] = {}
    if discovery:
        what = ", ".join(f"{gv}: {why}" for gv, why in sorted(discovery.items()))
        text = f"unable to retrieve the complete list of server APIs: {what}"
        text = f"Discovery failed for some groups, {len(discovery)} failing: {text}"
        found["NamespaceDeletionDiscoveryFailure"] = ("DiscoveryFailed", text)
    if left.errors:
        text = f"Failed to delete all resource types, {len(left.errors)} remaining: {', '.join(sorted(left.errors))}"
        found["NamespaceDeletionContentFailure"] = ("ContentDeletionFailed", text)
    if left.kinds:
        text = ", ".join(sorted(f"{what} has {count} resource instances" for what, count in left.kinds.items()))
        found["NamespaceContentRemaining"] = ("SomeResourcesRemain", f"Some resources are remaining: {text}")
    if left.finalizers:
        text = ", ".join(sorted(f"{what} in {count} resource instances" for what, count in left.finalizers.items()))
        text = f"Some content in the namespace has finalizers remaining: {text}"
        found["NamespaceFinalizersRemaining"] = ("SomeFinalizersRemain", text)
    return found


def updated(status: Object, wrong: dict[str, tuple[str, str]], now: datetime) -> Object:
    """The status with all five conditions, changed only where they say something new."""
    conditions = list(status.get("conditions") or ())
    for type, fine in FINE.items():
        value = "True" if type in wrong else "False"
        reason, message = wrong.get(type, fine)
        old = find_condition(status, type)
        made = new_condition(type, value, reason, message, now)
        if old is None:
            conditions.append(made)
        else:
            if old.get("status") == value:
                made["lastTransitionTime"] = old.get("lastTransitionTime")
            conditions[conditions.index(old)] = made
    return {**status, "conditions": conditions}


def grace_left(pods: Iterable[Object], deleted_at: datetime, now: datetime) -> int:
    """Seconds that the slowest of `pods` may take, 0 once they are over."""
    running = (p for p in pods if (p.get("status") or {}).get("phase") not in ("Succeeded", "Failed"))
    longest = max(((p.get("spec") or {}).get("terminationGracePeriodSeconds") or 0 for p in running), default=0)
    return longest if now - deleted_at < timedelta(seconds=longest) else 0


async def remove_all(ctx: Context, kind: Kind, namespace: str, grace: int, left: Left) -> None:
    """Deletes every object of `kind` in `namespace` and notes what is still there."""
    try:
        if "deletecollection" in kind.verbs:
            await ctx.client.delete_collection(kind, namespace)
        else:
            await _remove_each(ctx, kind, namespace)
        if "list" in kind.verbs:
            left.note(kind, grace, (await ctx.client.list(kind, namespace)).items)
    except (StatusError, Unreachable) as error:
        if not is_code(error, 404) and not is_code(error, 405):
            left.errors.append(str(error))
            left.seconds = max(left.seconds, grace)


async def _remove_each(ctx: Context, kind: Kind, namespace: str) -> None:
    if "list" not in kind.verbs:
        return
    for obj in (await ctx.client.list(kind, namespace)).items:
        try:
            await ctx.client.delete(kind, meta.name(obj), namespace, propagation="Background")
        except StatusError as error:
            if error.code not in (404, 405):
                raise


async def remove_content(ctx: Context, kinds: Iterable[Kind], name: str, deleted_at: datetime) -> Left:
    """One round. Everything but pods waits until the pods are gone: they may need it to end well."""
    left = Left()
    pods = (await ctx.client.list(POD, name)).items
    grace = grace_left(pods, deleted_at, ctx.clock.now())
    await remove_all(ctx, POD, name, grace, left)
    if left.kinds:
        return Left(left.seconds, errors=left.errors)  # the reference does not count pods alone among what remains
    for kind in kinds:
        if kind.namespaced and "delete" in kind.verbs and (kind.group, kind.plural) != ("", "pods"):
            await remove_all(ctx, kind, name, 0, left)
    return left


async def reconcile(ctx: Context, key: Key) -> Outcome:
    cached = ctx.cache.get(NAMESPACE, key)
    if cached is None or not meta.is_being_deleted(cached):
        return DONE
    deleted_at = meta.parse_time(cached["metadata"]["deletionTimestamp"])
    wait = deleted_at + HEARD_BY_ALL - ctx.clock.now()
    if wait > timedelta(0):
        return RetryAfter(wait)
    try:
        return await _terminate(ctx, key.name, deleted_at)
    except StatusError as error:
        if error.code == 404:
            return DONE
        raise


async def _terminate(ctx: Context, name: str, deleted_at: datetime) -> Outcome:
    namespace = await ctx.client.get(NAMESPACE, name)
    if not meta.is_being_deleted(namespace):
        return DONE
    status = namespace.get("status") or {}
    if status.get("phase") != "Terminating":
        wanted = {**namespace, "status": {**status, "phase": "Terminating"}}
        namespace = await ctx.client.update(NAMESPACE, wanted, subresource="status")
    if not (namespace.get("spec") or {}).get("finalizers"):
        return DONE
    failures: dict[str, str] = {}
    kinds = await discover(ctx.client, failures)
    left = await remove_content(ctx, kinds, name, deleted_at)
    namespace = await _tell(ctx, namespace, problems(left, failures))
    if left.errors or failures:
        raise Unfinished(", ".join([*left.errors, *failures.values()]))
    if left.seconds > 0:
        return RetryAfter(timedelta(seconds=left.seconds // 2 + 1))
    await _finalize(ctx, namespace)
    return DONE


async def _tell(ctx: Context, namespace: Object, wrong: dict[str, tuple[str, str]]) -> Object:
    status = namespace.get("status") or {}
    new = updated(status, wrong, ctx.clock.now())
    if new == status:
        return namespace
    try:
        return await ctx.client.update(NAMESPACE, {**namespace, "status": new}, subresource="status")
    except StatusError as error:
        if error.code != 409:
            raise
        return await ctx.client.get(NAMESPACE, meta.name(namespace))


async def _finalize(ctx: Context, namespace: Object) -> None:
    spec = namespace.get("spec") or {}
    rest = sorted(f for f in spec.get("finalizers") or () if f != FINALIZER)
    await ctx.client.update(NAMESPACE, {**namespace, "spec": {**spec, "finalizers": rest}}, subresource="finalize")


def should_wake(old: Object | None, new: Object | None) -> bool:
    return new is not None and meta.is_being_deleted(new)


CONTROLLER = Controller(
    name="namespace",
    watches=NAMESPACE,
    reconcile=reconcile,
    should_wake=should_wake,
    workers=10,
)

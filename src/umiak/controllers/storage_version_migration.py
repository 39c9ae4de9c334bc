"""Has every object of a resource written anew, so that all are stored in the current version, with the current
encryption keys (StorageVersionMigration, KEP-4192).

Objects older than the moment at which a migration began are patched with nothing but their own resourceVersion: the
server stores what it would store differently now. Newer ones need it not. One migration of a resource runs at a time.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from umiak.api.apiextensions.customresourcedefinition import KIND as DEFINITION
from umiak.api.kind import Kind
from umiak.api.storagemigration.storageversionmigration import KIND as MIGRATION
from umiak.client.contract import Unreachable
from umiak.client.discovery import discover
from umiak.controllers import _migrations as rules
from umiak.controllers._migrations import Progress, Resource
from umiak.controllers._pods import is_true
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome, RetryAfter

NAME = "storage-version-migrator-controller"
RUNNER = "migration-runner-controller"
"""Who sets the conditions of definitions, as the reference calls it."""
PAGE = 500
PATIENCE = timedelta(minutes=1)
"""How long a resource may be missing: its definition may have been made just now."""
LOOK_AGAIN = RetryAfter(timedelta(seconds=5))


class Item(NamedTuple):
    """One object to be migrated."""

    key: Key
    version: str


# who may run


async def _take_turns(ctx: Context, resource: Resource) -> None:
    mine = [m for m in ctx.cache.list(MIGRATION) if rules.resource_of(m) == resource]
    turn = rules.turn(mine)
    for migration in turn.over:
        await _tell_definition(ctx, resource, migration)
        await _write(ctx, rules.put_away(migration, ctx.clock.now()))
    if turn.next is not None:
        await _tell_definition(ctx, resource, turn.next)
        await _write(ctx, rules.begun(turn.next, ctx.clock.now()))


async def _tell_definition(ctx: Context, resource: Resource, migration: Object) -> None:
    """Says at the CustomResourceDefinition, if there is one, that its objects are, or were, being migrated."""
    try:
        found = await ctx.client.get(DEFINITION, str(resource))
    except StatusError as error:
        if error.code != 404:
            raise
        return
    about = {"name": str(resource), "resourceVersion": meta.resource_version(found)}
    status = rules.definition_status(found, migration, ctx.clock.now())
    applied = {"apiVersion": DEFINITION.api_version, "kind": DEFINITION.kind, "metadata": about, "status": status}
    await ctx.client.patch(
        DEFINITION, str(resource), "", applied, type="apply", subresource="status", field_manager=RUNNER, force=True
    )


async def _write(ctx: Context, migration: Object) -> Object:
    return await ctx.client.update(MIGRATION, migration, subresource="status")


# the one that runs


async def _run(ctx: Context, migration: Object) -> Outcome:
    resource = rules.resource_of(migration)
    kind = next((k for k in await discover(ctx.client) if (k.group, k.plural) == resource), None)
    if kind is None:
        if ctx.clock.now() - meta.parse_time(migration["metadata"]["creationTimestamp"]) < PATIENCE:
            return LOOK_AGAIN
        return await _fail(ctx, migration, "resource does not exist in discovery")
    if not set(rules.VERBS) <= set(kind.verbs):
        where = f"{kind.group}/{kind.version}, Resource={kind.plural}"
        message = f'resource "{where}" does not support discovery operations: [{" ".join(rules.VERBS)}]'
        return await _fail(ctx, migration, message)
    since = (migration.get("status") or {}).get("resourceVersion")
    if not since:
        listed = await ctx.client.list(kind, limit=1)
        status = {**(migration.get("status") or {}), "resourceVersion": listed.resource_version}
        migration = await _write(ctx, {**migration, "status": status})
        since = listed.resource_version
    return await _migrate(ctx, migration, kind, int(since))


async def _fail(ctx: Context, migration: Object, message: str) -> Outcome:
    await _write(ctx, rules.failed(migration, message, ctx.clock.now()))
    return DONE


async def _migrate(ctx: Context, migration: Object, kind: Kind, since: int) -> Outcome:
    found, total = await _older(ctx, kind, since)
    left = len(found)
    for item in found:
        try:
            await _rewrite(ctx, kind, item)
        except (StatusError, Unreachable) as error:
            progress, now = Progress(left, total), ctx.clock.now()
            if isinstance(error, Unreachable) or error.reason in rules.RETRIED:
                await _write(ctx, rules.at_work(migration, progress, now, str(error)))
                raise
            message = f"{left}/{total} not yet migrated. migration encountered unhandled error: {error}"
            return await _fail(ctx, rules.at_work(migration, progress, now), message)
        left -= 1
    await _write(ctx, rules.succeeded(migration, Progress(left, total), ctx.clock.now()))
    return DONE


async def _older(ctx: Context, kind: Kind, since: int) -> tuple[list[Item], int]:
    """The objects that were last written at `since` or before, and how many there are in all."""
    found: list[Item] = []
    total, more = 0, ""
    while True:
        page = await ctx.client.list(kind, limit=PAGE, continue_token=more)
        items = [Item(meta.key(o), meta.resource_version(o)) for o in page.items]
        found += [item for item in items if int(item.version) <= since]
        total, more = total + len(items), page.continue_token
        if not more:
            return found, total


async def _rewrite(ctx: Context, kind: Kind, item: Item) -> None:
    """One that was changed, or deleted, meanwhile needs it no longer."""
    change = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"resourceVersion": item.version}}
    try:
        await ctx.client.patch(kind, item.key.name, item.key.namespace, change, field_manager=NAME)
    except StatusError as error:
        if error.reason != "Conflict" and error.code != 404:
            raise


async def reconcile(ctx: Context, key: Key) -> Outcome:
    migration = ctx.cache.get(MIGRATION, key)
    if migration is None:
        return DONE
    await _take_turns(ctx, rules.resource_of(migration))
    fresh = ctx.cache.get(MIGRATION, key)
    if fresh is None or not is_true(fresh, rules.RUNNING) or rules.is_over(fresh):
        return DONE
    return await _run(ctx, fresh)


def others_of(migration: Object, cache: Cache) -> Iterable[Key]:
    """Whose turn it may be now: all of the same resource."""
    mine = rules.resource_of(migration)
    return [meta.key(m) for m in cache.list(MIGRATION) if rules.resource_of(m) == mine]


def gives_way(old: Object | None, new: Object | None) -> bool:
    """A migration that is over, or gone."""
    return new is None or (rules.is_over(new) and (old is None or not rules.is_over(old)))


CONTROLLER = Controller(
    name=NAME,
    watches=MIGRATION,
    reconcile=reconcile,
    also=(Also(MIGRATION, others_of, gives_way),),
    workers=5,
)

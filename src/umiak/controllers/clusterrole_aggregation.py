"""Fills cluster roles that are made of others by label (`aggregationRule`), such as admin, edit and view."""

from collections.abc import Iterable

from umiak.api.rbac.clusterrole import KIND as CLUSTER_ROLE
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.selectors import from_label_selector
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome

FIELD_MANAGER = "clusterrole-aggregation-controller"


def aggregated(role: Object, roles: Iterable[Object]) -> list[Object]:
    """The rules of all roles that the selectors choose, selector by selector, role by name, each rule once."""
    others = sorted((r for r in roles if meta.name(r) != meta.name(role)), key=meta.name)
    rules: list[Object] = []
    for chosen in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
        selector = from_label_selector(chosen)
        for other in others:
            if selector.matches(meta.labels(other)):
                rules += [rule for rule in other.get("rules") or () if rule not in rules]
    return rules


async def reconcile(ctx: Context, key: Key) -> Outcome:
    role = ctx.cache.get(CLUSTER_ROLE, key)
    if role is None or role.get("aggregationRule") is None:
        return DONE
    rules = aggregated(role, ctx.cache.list(CLUSTER_ROLE))
    if rules != (role.get("rules") or []):
        await write(ctx, {**role, "rules": rules})
    return DONE


async def write(ctx: Context, role: Object) -> None:
    """Applies, so that rules others own are not touched; updates where a server cannot apply, as the reference does."""
    name = meta.name(role)
    wanted = {k: role[k] for k in ("apiVersion", "kind", "rules")} | {"metadata": {"name": name}}
    try:
        await ctx.client.patch(CLUSTER_ROLE, name, "", wanted, type="apply", field_manager=FIELD_MANAGER, force=True)
    except StatusError as error:
        if error.code != 415:
            raise
        await ctx.client.update(CLUSTER_ROLE, role)


def made_of_others(role: Object, cache: Cache) -> Iterable[Key]:
    return [meta.key(r) for r in cache.list(CLUSTER_ROLE) if r.get("aggregationRule") is not None]


def has_aggregation(old: Object | None, new: Object | None) -> bool:
    return new is not None and new.get("aggregationRule") is not None


CONTROLLER = Controller(
    name="clusterrole-aggregation",
    watches=CLUSTER_ROLE,
    reconcile=reconcile,
    should_wake=has_aggregation,
    also=[Also(CLUSTER_ROLE, made_of_others)],
)

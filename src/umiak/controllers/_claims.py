"""Who owns what: a controller adopts orphans that its selector matches, and lets go of what no longer matches.

`sort_out` decides; `claim` asks the server for the changes. Both bind to the uid that was judged.
"""

from collections.abc import Callable, Sequence

import msgspec

from umiak.api.kind import Kind
from umiak.client.contract import Client
from umiak.controllers._act import every
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.selectors import NOTHING, InvalidSelector, Selector, from_label_selector, from_set
from umiak.objects.types import Object
from umiak.reconcile.contract import Cache, Context


def selector_of(owner: Object) -> Selector:
    """spec.selector; nothing matches one that cannot be read."""
    try:
        return from_label_selector(owner["spec"].get("selector"))
    except InvalidSelector:
        return NOTHING


def map_selector(labels: dict[str, str]) -> Selector:
    """A plain map of labels; nothing matches an empty one."""
    return from_set(labels) if labels else NOTHING


class Claims(msgspec.Struct):
    """What becomes of a set of objects."""

    mine: list[Object] = msgspec.field(default_factory=list)
    adopt: list[Object] = msgspec.field(default_factory=list)
    release: list[Object] = msgspec.field(default_factory=list)


def candidates(
    cache: Cache, kind: Kind, owner: Object, selector: Selector, read: Callable[[bytes], Object] | None = None
) -> list[Object]:
    """The owner's objects and the orphans in its namespace that it may adopt. `read` is as for `Cache.owned`."""
    owned = cache.owned(kind, meta.uid(owner), read)
    others = cache.list(kind, meta.namespace(owner), selector, not_of=meta.uid(owner))
    return owned + [o for o in others if meta.controller_of(o) is None]


Suits = Callable[[Object], bool]


def anything(obj: Object) -> bool:
    return True


def sort_out(owner: Object, selector: Selector, objects: Sequence[Object], suits: Suits = anything) -> Claims:
    """An owner that is being deleted neither adopts nor releases. `suits` says what a match needs besides labels."""
    claims = Claims()
    deleting = meta.is_being_deleted(owner)
    for obj in {meta.uid(o): o for o in objects}.values():
        controller = meta.controller_of(obj)
        matches = selector.matches(meta.labels(obj)) and suits(obj)
        if controller is not None and controller.get("uid") != meta.uid(owner):
            continue
        if controller is not None:
            if matches:
                claims.mine.append(obj)
            elif not deleting:
                claims.release.append(obj)
        elif matches and not deleting and not meta.is_being_deleted(obj):
            claims.adopt.append(obj)
    return claims


def adoption(owner: Object, obj: Object, finalizers: Sequence[str] = ()) -> Object:
    """The patch that makes `owner` the controller of `obj`."""
    about: Object = {"uid": meta.uid(obj), "ownerReferences": [meta.owner_reference(owner)]}
    if finalizers:
        about["finalizers"] = list(finalizers)
    return {"metadata": about}


def disowning(owner: Object, obj: Object, finalizers: Sequence[str] = ()) -> Object:
    """The patch that takes `owner` off `obj`."""
    about: Object = {"uid": meta.uid(obj), "ownerReferences": [{"$patch": "delete", "uid": meta.uid(owner)}]}
    if finalizers:
        about["$deleteFromPrimitiveList/finalizers"] = list(finalizers)
    return {"metadata": about}


async def _check_may_adopt(ctx: Context, owner_kind: Kind, owner: Object) -> None:
    """Asks the server itself, since the cache may not know yet that the owner is going (kubernetes#42639)."""
    fresh = await ctx.client.get(owner_kind, meta.name(owner), meta.namespace(owner))
    if meta.uid(fresh) != meta.uid(owner):
        gone = f"original {owner_kind.kind} {meta.key(owner)} is gone"
        raise RuntimeError(f"{gone}: got uid {meta.uid(fresh)}, wanted {meta.uid(owner)}")
    if meta.is_being_deleted(fresh):
        raise RuntimeError(f"{meta.key(owner)} has just been deleted at {fresh['metadata']['deletionTimestamp']}")


async def _adopt(client: Client, kind: Kind, obj: Object, patch: Object) -> Object | None:
    """The object as adopted; None when it is gone."""
    try:
        return await client.patch(kind, meta.name(obj), meta.namespace(obj), patch, type="strategic")
    except StatusError as error:
        if error.code == 404:
            return None
        raise


async def release(client: Client, kind: Kind, obj: Object, patch: Object) -> None:
    """Applies a disowning; an object that is gone or not ours any more needs none."""
    try:
        await client.patch(kind, meta.name(obj), meta.namespace(obj), patch, type="strategic")
    except StatusError as error:
        if error.code not in (404, 422):
            raise


async def claim(
    ctx: Context,
    kind: Kind,
    owner_kind: Kind,
    owner: Object,
    selector: Selector,
    objects: Sequence[Object],
    finalizers: Sequence[str] = (),
    suits: Suits = anything,
) -> list[Object]:
    """Adopts and releases as due; returns what the owner now has. Raises the first error after trying all."""
    claims = sort_out(owner, selector, objects, suits)
    if claims.adopt:
        await _check_may_adopt(ctx, owner_kind, owner)
    adopted = await every(_adopt(ctx.client, kind, o, adoption(owner, o, finalizers)) for o in claims.adopt)
    await every(release(ctx.client, kind, o, disowning(owner, o, finalizers)) for o in claims.release)
    return claims.mine + [o for o in adopted if o is not None]


def waking_keys(kind: Kind, selector: Callable[[Object], Selector]) -> Callable[[Object, Cache], list[Key]]:
    """For `Also`: the object's controller; for an orphan, everyone of `kind` who would adopt it."""

    def keys(obj: Object, cache: Cache) -> list[Key]:
        owner = meta.controller_of(obj)
        if owner is not None:
            ours = owner["kind"] == kind.kind and owner["apiVersion"] == kind.api_version
            return [Key(meta.namespace(obj), owner["name"])] if ours else []
        labels = meta.labels(obj)
        known = cache.list(kind, meta.namespace(obj)) if labels else []
        return [meta.key(o) for o in known if selector(o).matches(labels)]

    return keys

"""Where the verbs meet the bookkeeping: a request's scope, manager and time."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from umiak.api import registry
from umiak.api.kind import Kind
from umiak.objects.fieldset import NONE, FieldSet, InvalidFields
from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.server import metadata
from umiak.server.contract import Admitted, Phase
from umiak.server.managed_fields import manager
from umiak.server.managed_fields.entries import decode
from umiak.server.managed_fields.merging import Scope
from umiak.server.metadata import is_custom

if TYPE_CHECKING:
    from umiak.server.call import Call

T = TypeVar("T")
SPOILT = (
    ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating "
    "admission controller; please fix your requests: {}"
)


def scope(call: "Call", kind: Kind, subresource: str) -> Scope:
    found = Scope(kind, subresource, partial(_find, call, kind), same_schema=not is_custom(kind))
    if kind.comes_converted:
        from umiak.server.custom.afar import converter

        found.convert = converter(call, kind)
    return found


async def undisturbed(kind: Kind, work: Callable[[], T]) -> T:
    """Runs bookkeeping; in a thread where a webhook may have to be waited for in the middle of it."""
    return await asyncio.to_thread(work) if kind.comes_converted else work()


def _find(call: "Call", kind: Kind, api_version: str) -> Kind | None:
    """The kind in another version; only those of its own group can be converted to."""
    group, _, version = api_version.rpartition("/")
    try:
        return registry.find(api_version, kind.kind)
    except registry.UnknownKind:
        return call.app.custom.get((group, version, kind.plural))


async def mutate(call: "Call", admitted: Admitted) -> None:
    """Lets plugins change the object, but not make its managed fields invalid."""
    assert admitted.new is not None
    before = metadata.of(admitted.new).get("managedFields")
    await call.app.gate.pass_through(admitted, Phase.MUTATE)
    about = metadata.of(admitted.new)
    entries = about.get("managedFields")
    if entries is before or not entries:
        return
    try:
        decode(entries)
    except InvalidFields as error:
        about["managedFields"] = before
        call.warn([SPOILT.format(error)])


def own_scope(kind: Kind, subresource: str) -> Scope:
    """Of a write by the server itself, which has to do with built-in kinds only."""

    def find(api_version: str) -> Kind | None:
        try:
            return registry.find(api_version, kind.kind)
        except registry.UnknownKind:
            return None

    return Scope(kind, subresource, find)


def fields_of_new(call: "Call", obj: Object, emptied: FieldSet) -> FieldSet | None:
    """What the creator of `obj` will manage; None when owners or managed fields that came with it have a say."""
    about = metadata.of(obj)
    if "managedFields" in about or metadata.without_duplicate_owners({**about}, after_admission=False):
        return None
    return manager.fields_of_new(scope(call, call.kind, ""), obj, emptied)


async def track_creation(
    call: "Call",
    obj: Object,
    asked: str,
    kind: Kind | None = None,
    subresource: str = "",
    emptied: FieldSet = NONE,
    fields: FieldSet | None = None,
) -> None:
    """`asked` is the manager's name from the request's options, or empty; `kind` is that of the call if not given;
    `fields` are those of `fields_of_new`, if known."""
    name, now = manager.name_of(asked, call.request.header("user-agent")), format_time(call.app.clock.now())
    kind = kind or call.kind
    where = scope(call, kind, subresource)
    if fields is None:
        await undisturbed(kind, lambda: manager.created(where, obj, name, now, emptied))
    else:
        manager.hold(where, obj, fields, name, now)


async def track_change(call: "Call", kind: Kind, subresource: str, old: Object, new: Object, asked: str) -> None:
    """`old` and `new` are of `kind`, in the view of the request's path."""
    name = manager.name_of(asked, call.request.header("user-agent"))
    where, now = scope(call, kind, subresource), format_time(call.app.clock.now())
    await undisturbed(kind, lambda: manager.updated(where, old, new, name, now))

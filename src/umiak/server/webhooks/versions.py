"""One resource under several names: other versions and groups that store the same objects.

A webhook or policy with matchPolicy Equivalent is asked under the name it knows, and sees the object in that version.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from umiak.api import registry, schema
from umiak.api.kind import Kind
from umiak.objects.errors import StatusError, internal
from umiak.objects.types import Object
from umiak.server.contract import Admitted, Objects
from umiak.server.webhooks.matching import Target, target_of
from umiak.server.webhooks.review import Seen

if TYPE_CHECKING:
    from umiak.server.app import ApiServer


@lru_cache(1)
def _built_in() -> dict[str, list[Kind]]:
    found: dict[str, list[Kind]] = {}
    for kind in registry.kinds():
        found.setdefault(kind.store_prefix(), []).append(kind)
    return found


class Equivalents:
    """Looks up kinds among those that a server serves."""

    def __init__(self, app: "Callable[[], ApiServer]") -> None:
        self._app = app

    def others(self, request: Admitted) -> tuple[Target, ...]:
        """Further names of the resource of a request."""
        asked, place = request.attributes, request.kind.store_prefix()
        custom = request.kind.is_custom
        kinds = self._app().custom.values() if custom else _built_in().get(place, ())
        return tuple(
            Target(other.group, other.version, other.plural, asked.subresource)
            for other in kinds
            if other.store_prefix() == place and (other.group, other.version) != (asked.group, asked.version)
        )

    def kind(self, target: Target) -> Kind:
        """The kind behind a name that `others` gave, or that of a request."""
        found = self._app().kind(target.group, target.version, target.resource)
        assert found is not None
        return found

    def named(self, api_version: str, kind: str) -> Kind | None:
        """The kind of that name, if it is served."""
        group, _, version = api_version.rpartition("/")
        try:
            return registry.find(api_version, kind)
        except registry.UnknownKind:
            served = self._app().custom.values()
            return next((k for k in served if (k.group, k.version, k.kind) == (group, version, kind)), None)

    async def seen(self, objects: Objects, request: Admitted, target: Target) -> Seen:
        """The object of a write under another name of its resource."""
        kind, new = _kind_of(request), request.new if request.operation != "DELETE" else None
        if target == target_of(request):
            return Seen(kind, kind, new, request.old)
        other = self.kind(target)
        told = {"group": other.group, "version": other.version, "kind": other.kind}
        new = None if new is None else await objects.in_version(new, request.kind, other)
        old = None if request.old is None else await objects.in_version(request.old, request.kind, other)
        return Seen(told, kind, new, old)


def _kind_of(request: Admitted) -> Object:
    """Group, version and kind of the object, which for some subresources is not that of the resource."""
    shown = request.new or request.old or {}
    version = shown.get("apiVersion") or request.kind.api_version
    group, _, number = version.rpartition("/")
    return {"group": group, "version": number, "kind": shown.get("kind") or request.kind.kind}


def read(kind: Kind, changed: Object, strict: bool = False) -> Object:
    """A changed object's fields by the schema, with defaults, as if it had been sent so. Raises 500."""
    if changed.get("kind") != kind.kind:
        return changed  # a subresource's own kind
    try:
        found, faults = schema.decode(kind.schema, changed, kind.kind, kind.version)
    except StatusError as error:
        _, _, why = error.message.rpartition(f"cannot be handled as a {kind.kind}: ")
        raise internal(why if strict else error.message) from None
    if strict and faults:
        raise internal(f"strict decoding error: {', '.join(faults)}")
    kind.default(found)
    return found

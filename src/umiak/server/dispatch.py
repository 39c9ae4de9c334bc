"""Finds what answers a call: which verb of which kind, or which subresource.

Refuses with 404, 405, 415 and 406 in that order, as the reference's router does.
"""

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

from umiak.api.kind import Kind
from umiak.kit.modules import exported
from umiak.server.answer import ACCEPTED_TYPES, Answer, method_not_allowed, no_such_resource
from umiak.server.call import Call, Exchange, Handler
from umiak.server.contract import Request
from umiak.server.deprecation import warnings
from umiak.server.negotiation import CUSTOM, EVERYTHING, LISTED_TYPES, PLAIN, media_of, negotiate, routable, unroutable
from umiak.server.part import SubresourceHandlers
from umiak.server.route import Route
from umiak.server.verbs.get import get

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Dispatch:
    """Routes of all kinds, from what each kind says it can do."""

    @cached_property
    def _subresources(self) -> dict[tuple[str, str, str] | str, SubresourceHandlers]:
        """By (group, plural, name), or by name alone where it is the same for all kinds."""
        found: dict[tuple[str, str, str] | str, SubresourceHandlers] = {}
        for sub in exported("umiak.server.subresources", "SUBRESOURCE").values():
            if sub.of is None:
                found[sub.name] = sub
            for group, plural in sub.of or ():
                found[group, plural, sub.name] = sub
        return found

    def subresource(self, kind: Kind, name: str) -> SubresourceHandlers | None:
        own = self._subresources.get((kind.group, kind.plural, name))
        if own is not None:
            return own
        return self._subresources.get(name) if any(s.name == name for s in kind.subresources) else None

    def prepare(
        self, app: "ApiServer", request: Request, found: Route, kind: Kind, exchange: Exchange
    ) -> tuple[Call, Handler]:
        """Raises what the router raises."""
        run = self._handler(request, found, kind)
        accept = request.header("accept")
        if found.subresource and self._connects(kind, found.subresource):
            # What is answered is somebody else's; and clients of other servers need a task for their timeouts.
            media = negotiate(accept) or PLAIN
            return Call(app, request, found, kind, media, exchange, warnings(kind)), _in_a_task(run)
        if not routable(accept):
            raise unroutable(LISTED_TYPES if found.verb in ("list", "watch") else ACCEPTED_TYPES)
        media = media_of(request, CUSTOM if kind.is_custom else EVERYTHING)
        if kind.comes_converted:  # somebody may have to be asked, with a timeout
            run = _in_a_task(run)
        return Call(app, request, found, kind, media, exchange, warnings(kind)), run

    def _connects(self, kind: Kind, name: str) -> bool:
        sub = self.subresource(kind, name)
        return sub is not None and sub.connects

    def _handler(self, request: Request, found: Route, kind: Kind) -> Handler:
        if not found.well_formed or not _is_in_scope(found, kind):
            raise no_such_resource()
        if found.subresource:
            return self._part(request, found, kind)
        if request.method == "GET" and found.name and found.verb == "get":
            if "get" in kind.verbs:
                return get
            raise method_not_allowed()
        return self._verb(request, found, kind)

    def _part(self, request: Request, found: Route, kind: Kind) -> Handler:
        sub = self.subresource(kind, found.subresource)
        if sub is None or (found.rest and not sub.connects):
            raise no_such_resource()
        run = sub.answer("GET" if request.method == "HEAD" else request.method)
        if run is None:
            raise method_not_allowed()
        return run

    def _verb(self, request: Request, found: Route, kind: Kind) -> Handler:
        """Verbs other than get are loaded when first used."""
        verb = found.verb if found.verb in kind.verbs else ""
        is_collection = not found.name or found.verb in ("list", "watch")
        if kind.namespaced and not found.namespace and found.verb not in ("list", "watch"):
            verb = ""
        if verb in ("create", "deletecollection") and not is_collection:
            verb = ""
        if verb in ("update", "patch", "delete") and is_collection:
            verb = ""
        match verb:
            case "create":
                return self._create(kind)
            case "list":
                from umiak.server.verbs.list import list_objects

                return list_objects
            case "watch":
                from umiak.server.verbs.watch import watch

                return watch
            case "update":
                from umiak.server.verbs.update import update

                return update
            case "patch":
                from umiak.server.verbs.patch import patch

                return patch
            case "delete":
                from umiak.server.verbs.delete import delete

                return delete
            case "deletecollection":
                from umiak.server.verbs.deletecollection import delete_collection

                return delete_collection
            case "get":
                return get
        raise method_not_allowed()

    def _create(self, kind: Kind) -> Handler:
        """Some kinds are created only to be answered."""
        if (own := self._subresources.get((kind.group, kind.plural, ""))) and (run := own.answer("POST")):
            return run
        from umiak.server.verbs.create import create

        return create


def _in_a_task(run: Handler) -> Handler:
    async def later(call: Call) -> Answer | None:
        await asyncio.sleep(0)
        return await run(call)

    return later


def _is_in_scope(found: Route, kind: Kind) -> bool:
    """Whether the path has a namespace exactly where the kind wants one."""
    if kind.namespaced:
        return bool(found.namespace) or not found.name or found.verb in ("list", "watch")
    return not found.namespace or found.resource == "namespaces"

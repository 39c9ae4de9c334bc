"""Keeps the kinds that are served in step with the definitions in the store, and the definitions' status with both.

Every process that shares a store serves what is defined. What has to be written one of them writes; where several do,
as several machines may, who is second finds nothing left to do.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from umiak.api import compiled
from umiak.api.apiextensions.customresourcedefinition import KIND as DEFINITION
from umiak.api.apiregistration.apiservice import KIND as SERVICE
from umiak.api.kind import Kind
from umiak.objects.encoding import copy
from umiak.objects.errors import StatusError, forbidden
from umiak.objects.types import Object
from umiak.server import stored
from umiak.server.custom import conditions
from umiak.server.custom.checks import Rules, rules_of
from umiak.server.custom.kinds import forms_of, kinds, stored_version
from umiak.server.custom.registration import register, unregister
from umiak.server.custom.removal import remove_all
from umiak.server.special import Reserved, Special
from umiak.server.webhooks.sender import Sender
from umiak.store.contract import Cancel, Event, Mismatch, Store

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

log = logging.getLogger(__name__)
TRY_AGAIN = 1.0
"""Seconds to wait after a failure, such as a full disk."""
ENDING_TEXT = "create not allowed while custom resource definition is terminating"


Work = str | tuple[str, str]
"""The name of a definition, or a group and version whose APIService has to come or go."""


class Defined(msgspec.Struct, eq=False):
    """A definition, and the kinds made of it; `waits` ends the wait for its last objects to go."""

    definition: Object
    kinds: list[Kind] = msgspec.field(default_factory=list)
    waits: Cancel | None = None


class Definitions:
    """All definitions. `put` and `drop` are told by the store; a task of its own does what has to be written."""

    def __init__(self, app: "ApiServer", changed: Callable[[], None], rules: Rules = rules_of) -> None:
        """`changed` is called whenever the kinds served change."""
        self._app = app
        self._changed = changed
        self._rules = rules
        self._known: dict[str, Defined] = {}
        self._due: dict[Work, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._asking: Sender | None = None
        self._unfollow = app.store.watch(SERVICE.store_prefix(), app.store.revision, self._services_changed)

    def _services_changed(self, events: Iterable[Event]) -> None:
        """Services that belong to a definition come back, as they were."""
        names = (event.entry.key.rpartition("/")[2] for event in events)
        changed = {(group, version) for version, _, group in (name.partition(".") for name in names)}
        wanted = (pair for known in self._known.values() for pair in group_versions(known.definition))
        self._later(changed.intersection(wanted))

    def put(self, name: str, value: bytes) -> None:
        definition: Object = msgspec.json.decode(value)
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = Defined(definition)
            self._publish(known, [])
            self._later([name, *group_versions(definition)])
        else:
            self._learn(known, definition)
            self._later([name])

    def _learn(self, known: Defined, definition: Object) -> None:
        """Takes news of a definition, unless they are old."""
        before = known.definition
        if int(definition["metadata"]["resourceVersion"]) <= int(before["metadata"]["resourceVersion"]):
            return
        known.definition = definition
        if _served_from(before) != _served_from(definition):
            self._publish(known, known.kinds)
            self._later({*group_versions(before), *group_versions(definition)})

    def drop(self, name: str) -> None:
        known = self._known.pop(name, None)
        if known is None:
            return
        if known.waits:
            known.waits()
        gone = known.definition["spec"]
        self._app.specials.pop((gone["group"], gone["names"]["plural"]), None)
        self._replace(known.definition, known.kinds, [])
        self._later([*self._neighbours(gone["group"]), *group_versions(known.definition)])

    async def stop(self) -> None:
        self._unfollow()
        if self._asking is not None:
            await self._asking.close()
        if self._task is not None:
            self._task.cancel()
        for known in self._known.values():
            if known.waits:
                known.waits()

    # What is served

    def _publish(self, known: Defined, before: list[Kind]) -> None:
        definition = known.definition
        known.kinds = []
        if conditions.is_true(definition, "Established"):
            known.kinds = [kind for kind in self._made(definition) if not _is_built_in(kind)]
        spec = definition["spec"]
        place = spec["group"], spec["names"]["plural"]
        if definition["metadata"].get("deletionTimestamp") and known.kinds:
            self._app.specials[place] = Special(reserve=_refusing(known.kinds[0]))
        self._replace(definition, before, known.kinds)

    def _made(self, definition: Object) -> list[Kind]:
        """No kinds of a definition that nobody checked; the store's events must go on."""
        try:
            return kinds(definition, self._rules)
        except Exception:
            log.exception("custom resource definition %s can not be served", definition["metadata"]["name"])
            return []

    def _replace(self, definition: Object, before: list[Kind], after: list[Kind]) -> None:
        if not before and not after:
            return
        custom, views = self._app.custom, self._app.objects.views
        for kind in before:
            custom.pop((kind.group, kind.version, kind.plural), None)
            views.pop(kind, None)
        custom.update({(kind.group, kind.version, kind.plural): kind for kind in after})
        views.update(self._views(definition, after))
        for watcher in [w for w in self._app.watchers if w.kind in before]:
            watcher.close()
        self._changed()

    def _views(self, definition: Object, kinds: list[Kind]) -> dict[Kind, Store]:
        """Stores of the kinds that a webhook converts."""
        if not kinds or not kinds[0].comes_converted:
            return {}
        from umiak.server.custom.converter import Converter
        from umiak.server.custom.version_store import VersionStore

        converter = Converter(definition, forms_of(definition), self._sender(), self._app.dice)
        resource, stored_in = definition["metadata"]["name"], stored_version(definition)
        return {k: VersionStore(self._app.store, converter, resource, k.api_version, stored_in) for k in kinds}

    def _sender(self) -> Sender:
        if self._asking is None:
            self._asking = Sender(self._app.objects, self._app.dice)
        return self._asking

    # What is written

    def _neighbours(self, group: str, name: str = "") -> list[str]:
        """The other definitions of a group, whose names may have become free, or not."""
        return [other for other, d in self._known.items() if d.definition["spec"]["group"] == group and other != name]

    def _later(self, work: Iterable[Work]) -> None:
        if not self._app.keeps_house:
            return
        self._due.update(dict.fromkeys(work))
        if self._due and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        while self._due:
            work = next(iter(self._due))
            del self._due[work]
            try:
                await self._do(work)
            except StatusError as error:
                if error.reason != "NotFound":
                    await self._failed(work, error)
            except Exception as error:
                await self._failed(work, error)

    async def _do(self, work: Work) -> None:
        if isinstance(work, str):
            await self._settle(work)
        elif any(work in group_versions(known.definition) for known in self._known.values()):
            await register(self._app, *work)
        else:
            await unregister(self._app, *work)

    async def _failed(self, work: Work, error: Exception) -> None:
        log.error("custom resource definition %s: %s", work, error)
        await self._app.clock.sleep(TRY_AGAIN)
        self._due[work] = None

    async def _settle(self, name: str) -> None:
        known = self._known.get(name)
        if known is None:
            return
        if conditions.is_ending(known.definition):
            await self._end(name, known)
            return
        spec = known.definition["spec"]
        names = conditions.accepted(known.definition)
        others = [self._known[other].definition for other in self._neighbours(spec["group"], name)]
        now = self._app.clock.now()
        settled = copy(known.definition)
        conditions.settle(settled, others, now)
        if settled == known.definition:
            return
        await self._write(known, lambda latest: conditions.settle(latest, others, now))
        if conditions.accepted(known.definition) != names:
            self._later(self._neighbours(spec["group"], name))

    async def _write(self, known: Defined, change: Callable[[Object], None]) -> None:
        """Changes the stored definition, if it is still the same one."""
        uid = known.definition["metadata"]["uid"]

        def changed(latest: Object) -> Object | None:
            if latest["metadata"]["uid"] != uid:
                return None
            change(latest)
            return latest

        name = known.definition["metadata"]["name"]
        written = await self._app.objects.modify(DEFINITION, "", name, changed, "status")
        if self._known.get(name) is known and written["metadata"]["uid"] == uid:
            self._learn(known, written)

    async def _end(self, name: str, known: Defined) -> None:
        """Removes the definition's objects, then lets the definition go; waits for objects that something holds."""
        now = self._app.clock.now()
        if known.waits is None:
            await self._write(known, lambda latest: conditions.going_on(latest, now))
        kind = min(known.kinds, key=lambda kind: kind.version != kind.storage_version, default=None)
        if kind is not None:
            await remove_all(self._app, kind, now)
            if self._app.store.count(kind.store_prefix()):
                self._wait(name, known, kind)
                return
        if known.waits is not None:
            known.waits()
            known.waits = None
        await self._let_go(known)

    def _wait(self, name: str, known: Defined, kind: Kind) -> None:
        """Looks again with every object that goes."""
        if known.waits is not None:
            return

        def sink(events: Iterable[Event]) -> None:
            if any(event.deleted for event in events):
                self._later([name])

        known.waits = self._app.store.watch(kind.store_prefix(), self._app.store.revision, sink)
        self._later([name])  # the last one may have gone just before

    async def _let_go(self, known: Defined) -> None:
        """Drops the finalizer; with the last one goes the definition."""
        now = self._app.clock.now()
        await self._write(known, lambda latest: conditions.ended(latest, now))
        about = known.definition["metadata"]
        while not about.get("finalizers"):
            entry = await self._app.store.latest(DEFINITION.store_key("", about["name"]))
            if entry is None:
                return
            latest = stored.read(DEFINITION, entry.value)
            if latest["metadata"]["uid"] != about["uid"] or latest["metadata"].get("finalizers"):
                return
            try:
                await self._app.vanish(DEFINITION, entry, latest)
            except Mismatch:
                continue
            return


def group_versions(definition: Object) -> list[tuple[str, str]]:
    """What a definition wants to be served under."""
    spec = definition["spec"]
    return [(spec["group"], version["name"]) for version in spec["versions"] if version.get("served")]


def _served_from(definition: Object) -> tuple[object, ...]:
    """All that the kinds are made from, besides the definition's generation, which moves with the specification."""
    about = definition["metadata"]
    return (
        about["uid"],
        definition["spec"],
        conditions.accepted(definition),
        conditions.is_true(definition, "Established"),
        bool(about.get("deletionTimestamp")),
    )


def _is_built_in(kind: Kind) -> bool:
    """A resource of the server itself can not be replaced."""
    return any(facts.plural == kind.plural for facts in compiled.resources(kind.api_version))


def _refusing(kind: Kind) -> Callable[[Object, Object | None, bool], Awaitable[Reserved]]:
    """Nothing is created any more while the definition goes."""

    async def reserve(new: Object, old: Object | None, dry_run: bool) -> Reserved:
        if old is None:
            raise forbidden(kind.group, kind.plural, new["metadata"].get("name") or "", ENDING_TEXT)
        return NOTHING_TAKEN

    return reserve


class _Nothing:
    async def commit(self) -> None:
        """There is nothing to keep."""

    async def revert(self) -> None:
        """There is nothing to give back."""


NOTHING_TAKEN = _Nothing()

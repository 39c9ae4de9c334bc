"""All groups and versions that others serve: who serves which, and whether they are available.

Every process asks for itself what is served; one of those that share a store also checks and writes whether it is
available. Services and their endpoints are followed as soon as there is somebody to serve.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from umiak.api.apiregistration.apiservice import KIND as SERVICES
from umiak.api.core.service import KIND as SERVICE
from umiak.api.discovery.endpointslice import KIND as ENDPOINT_SLICE
from umiak.kit.backoff import Backoff
from umiak.kit.tasks import Tasks
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.server.access.feed import follow
from umiak.server.aggregation import proxy
from umiak.server.aggregation.availability import LOCAL, PASSED, Verdict, is_available, told
from umiak.server.aggregation.discovery import entry
from umiak.server.aggregation.extension import Extension
from umiak.server.answer import Answer
from umiak.server.call import Exchange
from umiak.server.contract import Request
from umiak.server.route import Route
from umiak.server.service_endpoints import SERVICE_NAME

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

log = logging.getLogger(__name__)
RECHECK = 30.0
"""Seconds after which an available server is asked again."""
BACKOFF = Backoff(0.1, RECHECK)
OPENAPI_3 = "/openapi/v3/"
LEGACY = "v1."
"""The APIService of the group without a name."""


class _About(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct):
    metadata: _About


_LABELLED = msgspec.json.Decoder(_Labelled)


def _service_of(value: bytes) -> str:
    """Whose endpoints a slice has; empty when it does not say so in a way that is understood."""
    try:
        return (_LABELLED.decode(value).metadata.labels or {}).get(SERVICE_NAME, "")
    except msgspec.DecodeError:
        return ""


class Extensions:
    def __init__(self, app: "ApiServer", changed: Callable[[], None]) -> None:
        """`changed` is called when what is served elsewhere changes."""
        self._app = app
        self._changed = changed
        self._known: dict[str, Extension] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._tasks = Tasks("aggregation")
        self._stops: list[Callable[[], None]] = []
        self._follows = False
        self._failures = app.metrics.registry.counters(
            "aggregator_unavailable_apiservice_total", "How often API services became unavailable.", "name", "reason"
        )

    # What the store tells

    def put(self, name: str, value: bytes) -> None:
        service: Object = msgspec.json.decode(value)
        if service["spec"].get("service") is None:
            self.drop(name)
            if self._app.keeps_house:
                self._tasks.start(name, self._write(name, LOCAL))
            return
        known = self._known.get(name)
        if known is not None:
            known.renew(service)
        else:
            self._add(name, service)
        self._changed()

    def _add(self, name: str, service: Object) -> None:
        app = self._app
        extension = Extension(service, app.front_proxy_client, app.upstreams, app.dice)
        self._known[name] = extension
        self._running[name] = self._tasks.start(name, self._run(name, extension))
        if not self._follows:
            self._follows = True
            self._tasks.start("services", self._follow())

    def drop(self, name: str) -> None:
        if self._known.pop(name, None) is not None:
            self._running.pop(name).cancel()
            self._changed()

    async def close(self) -> None:
        for stop in self._stops:
            stop()
        await self._tasks.close()

    async def _follow(self) -> None:
        """Checks at once when a Service or its endpoints change."""

        def heard(key: str, value: bytes | None) -> None:
            namespace, _, name = key.partition("/")
            self._touched(namespace, name)

        def heard_slice(key: str, value: bytes | None) -> None:
            self._touched(key.partition("/")[0], _service_of(value) if value is not None else "")

        store = self._app.store
        self._stops.append(await follow(store, SERVICE.store_prefix(), heard))
        self._stops.append(await follow(store, ENDPOINT_SLICE.store_prefix(), heard_slice))

    def _touched(self, namespace: str, name: str) -> None:
        """Of a slice that is gone it is not known whose it was."""
        for extension in self._known.values():
            reference = extension.reference
            if reference["namespace"] == namespace and name in ("", reference["name"]):
                extension.moved()

    # Whether they are available, and what they serve

    async def _run(self, name: str, extension: Extension) -> None:
        failures = 0
        while True:
            extension.due.clear()
            passed = await self._look(name, extension)
            failures = 0 if passed else failures + 1
            await self._pause(extension, RECHECK if passed else BACKOFF.wait(failures))

    async def _look(self, name: str, extension: Extension) -> bool:
        """Whether all is well."""
        try:
            if self._app.keeps_house:
                verdict = await extension.checked(self._app.objects)
                await self._write(name, verdict)
                passed = verdict is PASSED
            else:
                passed = extension.is_available
            await self._learn(extension)
        except Exception:  # whatever a server behind this one answers, it is asked again
            log.exception("API service %s", name)
            return False
        return passed

    async def _learn(self, extension: Extension) -> None:
        before = extension.served
        await extension.learn(self._app.objects)
        if extension.served != before:
            self._changed()

    async def _pause(self, extension: Extension, seconds: float) -> None:
        """Until the time is over, or something changes."""
        waits = [
            asyncio.ensure_future(self._app.clock.sleep(seconds)),
            asyncio.ensure_future(extension.due.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _write(self, name: str, verdict: Verdict) -> None:
        """Unless the APIService is gone, or became another sort."""
        was_available: list[bool] = []

        def change(latest: Object) -> Object | None:
            if (latest["spec"].get("service") is None) is not (verdict is LOCAL):
                return None
            was_available.append(is_available(latest))
            told(latest, verdict, self._app.clock.now())
            return latest

        try:
            await self._app.objects.modify(SERVICES, "", name, change, "status")
        except StatusError as error:
            if error.reason != "NotFound":
                raise
        if was_available and was_available[-1] and verdict.status != "True":
            self._failures.at(name, verdict.reason).inc()

    # What requests ask

    def behind(self, path: str) -> Extension | None:
        """Who serves a path, if somebody else does."""
        parts = path.split("/", 4)
        if len(parts) > 3 and parts[1] == "apis":
            return self._known.get(f"{parts[3]}.{parts[2]}")
        if len(parts) > 1 and parts[1] == "api":
            return self._known.get(LEGACY)
        if path.startswith(OPENAPI_3):
            return self.documents().get(path.removeprefix(OPENAPI_3), (path, None))[1]
        return None

    async def hand_on(self, request: Request, route: Route, exchange: Exchange, extension: Extension) -> Answer | None:
        """None when the answer is passed on as it comes; a watch goes on after this returns."""
        found = await proxy.hand_on(self._app, request, exchange, extension)
        if found is None or isinstance(found, Answer):
            return found
        passing = found.pass_on()
        if route.verb == "watch":  # waits for nobody's turn any longer
            self._tasks.start("watch", passing)
        else:
            await passing
        return None

    def unavailable(self) -> set[str]:
        """The names of the API services that are not available."""
        return {name for name, extension in self._known.items() if not extension.is_available}

    def entries(self) -> dict[tuple[str, str], Object]:
        """By (group, version): entries of aggregated discovery."""
        return {
            extension.group_version: entry(
                extension.group_version[1], extension.served.resources, extension.served.is_current
            )
            for extension in self._known.values()
        }

    def documents(self) -> dict[str, tuple[str, Extension]]:
        """OpenAPI 3 documents by name: (URL below their server, server)."""
        return {
            name: (url, extension)
            for extension in self._known.values()
            for name, url in extension.served.documents.items()
        }

    async def openapi_2(self) -> list[tuple[Object, list[str]]]:
        """(document, the paths in it that count) of every server that has one."""
        extensions = [extension for extension in self._known.values() if extension.is_available]
        found = await asyncio.gather(*(extension.openapi_2(self._app.objects) for extension in extensions))
        return [(document, [e.root]) for e, document in zip(extensions, found, strict=True) if document is not None]

"""Follows API services: how important each group and version is, and which of them are served elsewhere."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from umiak.kit.metrics import Registry
from umiak.objects.types import Object
from umiak.server.access.feed import follow as follow_store

if TYPE_CHECKING:
    from umiak.server.aggregation.extensions import Extensions
    from umiak.server.app import ApiServer

log = logging.getLogger(__name__)
PREFIX = "/apiregistration.k8s.io/apiservices/"


class _Spec(msgspec.Struct):
    group: str = ""
    version: str = ""
    groupPriorityMinimum: int = 0
    versionPriority: int = 0
    service: msgspec.Raw = msgspec.Raw(b"null")


class _Service(msgspec.Struct):
    spec: _Spec


_SERVICES = msgspec.json.Decoder(_Service)


class Services:
    """All API services, as far as everybody has to know them."""

    def __init__(self, app: "ApiServer", changed: Callable[[], None]) -> None:
        """`changed` is called when what discovery says may have changed."""
        self._app = app
        self._changed = changed
        self._known: dict[str, tuple[tuple[str, str], tuple[int, int]]] = {}
        self._extensions: Extensions | None = None
        self._counted: set[str] = set()
        app.metrics.on_read.append(self._count)

    def _count(self, metrics: Registry) -> None:
        """Which API services are not available, all of them by name."""
        gauges = metrics.gauges("aggregator_unavailable_apiservice", "API services that are not available.", "name")
        for name in self._counted - set(self._known):
            gauges.forget(name)
        self._counted = set(self._known)
        missing = self._extensions.unavailable() if self._extensions is not None else ()
        for name in self._known:
            gauges.at(name).set(float(name in missing))

    @property
    def priorities(self) -> dict[tuple[str, str], tuple[int, int]]:
        """By (group, version): (the group's priority, the version's)."""
        return dict(self._known.values())

    # What documents ask

    def entries(self) -> dict[tuple[str, str], Object]:
        """By (group, version): entries of aggregated discovery for what is served elsewhere."""
        return self._extensions.entries() if self._extensions is not None else {}

    def documents(self) -> dict[str, str]:
        """OpenAPI 3 documents of servers elsewhere, by name: their URLs."""
        if self._extensions is None:
            return {}
        return {name: url for name, (url, _) in self._extensions.documents().items()}

    async def openapi_2(self, path: str) -> list[tuple[Object, list[str]]]:
        """OpenAPI 2 documents of servers elsewhere, and the paths in each that count; none for any other path."""
        if self._extensions is None or path.rstrip("/") != "/openapi/v2":
            return []
        await asyncio.sleep(0)  # what follows has timeouts, which need a task
        return await self._extensions.openapi_2()

    @property
    def extensions(self) -> "Extensions | None":
        """Groups and versions that are served elsewhere; None as long as there were none."""
        return self._extensions

    def heard(self, name: str, value: bytes | None) -> None:
        """Never raises: the store's events must go on."""
        try:
            self._heard(name, value)
        except Exception:
            log.exception("API service %s is not understood", name)

    def _heard(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._known.pop(name, None)
        else:
            spec = _SERVICES.decode(value).spec
            self._known[name] = (spec.group, spec.version), (spec.groupPriorityMinimum, spec.versionPriority)
            if bytes(spec.service) != b"null" or b'"reason":"Local"' not in value:
                self._begin().put(name, value)
                return
        if self._extensions is not None:
            self._extensions.drop(name)
        self._changed()

    def _begin(self) -> "Extensions":
        if self._extensions is None:
            from umiak.server.aggregation.extensions import Extensions

            self._extensions = Extensions(self._app, self._changed)
        return self._extensions


async def follow(app: "ApiServer") -> Callable[[], Awaitable[None]]:
    """From now on until the function returned is called."""
    services = app.services
    assert services is not None
    cancel = await follow_store(app.store, PREFIX, services.heard)

    async def stop() -> None:
        cancel()
        if services.extensions is not None:
            await services.extensions.close()

    return stop

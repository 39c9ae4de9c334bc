"""Speaks the Kubernetes API about kinds, over any transport."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from umiak.api.kind import Kind
from umiak.client.contract import (
    NO_CONDITIONS,
    ObjectList,
    Preconditions,
    RawEvent,
    RawList,
    Response,
    Transport,
    WatchEvent,
)
from umiak.client.refusals import error_of
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
JSON = {"Content-Type": "application/json"}
METADATA_LIST = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"}
METADATA = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"}
MAX_LINE = 64 * 1024 * 1024
"""A watch event longer than this is taken for a broken stream."""


class _ListMeta(msgspec.Struct):
    resourceVersion: str = ""


class _RawItems(msgspec.Struct):
    """A list as caches want it; null metadata or items are empty ones."""

    metadata: _ListMeta | None = None
    items: list[msgspec.Raw] | None = None


class _RawWatch(msgspec.Struct):
    type: str
    object: msgspec.Raw


_raw_items = msgspec.json.Decoder(_RawItems)
_raw_watch = msgspec.json.Decoder(_RawWatch)


def target(path: str, **options: Any) -> str:
    """Path and query; options that are empty, 0 or False are left out."""
    query = urlencode({name: _text(value) for name, value in options.items() if value})
    return f"{path}?{query}" if query else path


def _text(value: Any) -> str:
    return "true" if value is True else str(value)


def named(kind: Kind, obj: Object) -> Object:
    """`obj` with apiVersion and kind, which servers leave out of list items."""
    if "kind" in obj and "apiVersion" in obj:
        return obj
    return {"apiVersion": kind.api_version, "kind": kind.kind, **obj}


async def lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cuts a stream into lines, without the empty ones. A last line without an end is dropped: it is not whole."""
    pending: list[bytes] = []
    size = 0
    async for piece in pieces:
        *whole, rest = piece.split(b"\n")
        for line in whole:
            joined = b"".join((*pending, line)) if pending else line
            pending, size = [], 0
            if joined:
                yield joined
        if rest:
            pending.append(rest)
            size += len(rest)
            if size > MAX_LINE:
                raise StatusError(500, "InternalError", "a watch event is longer than 64 MiB")


async def closed(iterator: AsyncIterator[Any]) -> None:
    """Closes a generator now; left to the garbage collector its connection would stay open for a while."""
    close = getattr(iterator, "aclose", None)
    if close is not None:
        await close()


class ApiClient:
    """A `client.contract.Client` over a transport."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Object:
        return await self._send("GET", kind.path(namespace, name))

    async def list(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> ObjectList:
        found = await self._send(
            "GET",
            target(
                kind.path(namespace),
                labelSelector=labels,
                fieldSelector=fields,
                limit=limit,
                resourceVersion=resource_version,
                **{"continue": continue_token},
            ),
        )
        about = found.get("metadata") or {}
        items = [named(kind, item) for item in found.get("items") or ()]
        return ObjectList(items, about.get("resourceVersion") or "", about.get("continue") or "")

    async def create(
        self, kind: Kind, obj: Object, *, namespace: str = "", subresource: str = "", name: str = ""
    ) -> Object:
        return await self._send("POST", kind.path(namespace or meta.namespace(obj), name, subresource), obj)

    async def update(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object:
        return await self._send("PUT", kind.path(meta.namespace(obj), meta.name(obj), subresource), obj)

    async def patch(
        self,
        kind: Kind,
        name: str,
        namespace: str,
        patch: Any,
        *,
        type: str = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Object:
        where = target(kind.path(namespace, name, subresource), fieldManager=field_manager, force=force)
        return await self._send("PATCH", where, patch, {"Content-Type": PATCH_TYPES[type]})

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str = "",
        *,
        only: Preconditions = NO_CONDITIONS,
        grace_seconds: int | None = None,
        propagation: str = "",
    ) -> Object:
        options: Object = {}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if preconditions := only.as_object():
            options["preconditions"] = preconditions
        if propagation:
            options["propagationPolicy"] = propagation
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options} if options else None
        return await self._send("DELETE", kind.path(namespace, name), body)

    async def delete_collection(self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "") -> Object:
        return await self._send("DELETE", target(kind.path(namespace), labelSelector=labels, fieldSelector=fields))

    async def watch(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        timeout: int = 0,
    ) -> AsyncIterator[WatchEvent]:
        events = self.raw_watch(
            kind, namespace, labels=labels, fields=fields, resource_version=resource_version, timeout=timeout
        )
        try:
            async for event in events:
                yield WatchEvent(event.type, msgspec.json.decode(event.object))
        finally:
            await closed(events)

    async def raw_list(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        metadata_only: bool = False,
    ) -> RawList:
        where = target(
            kind.path(namespace), labelSelector=labels, fieldSelector=fields, resourceVersion=resource_version
        )
        response = await self.raw("GET", where, headers=METADATA_LIST if metadata_only else None)
        found = _raw_items.decode(response.body)
        version = found.metadata.resourceVersion if found.metadata else ""
        return RawList([bytes(item) for item in found.items or ()], version)

    async def raw_watch(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        timeout: int = 0,
        metadata_only: bool = False,
    ) -> AsyncIterator[RawEvent]:
        where = target(
            kind.path(namespace),
            watch=True,
            allowWatchBookmarks=True,
            labelSelector=labels,
            fieldSelector=fields,
            resourceVersion=resource_version,
            timeoutSeconds=timeout,
        )
        stream = self.transport.stream("GET", where, METADATA if metadata_only else None)
        try:
            async for line in lines(stream):
                event = _raw_watch.decode(line)
                if event.type == "ERROR":
                    raise StatusError.from_status(msgspec.json.decode(event.object))
                yield RawEvent(event.type, bytes(event.object))
        finally:
            await closed(stream)

    async def raw(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        if body is None:
            data = b""
        else:
            data = body if isinstance(body, bytes) else msgspec.json.encode(body)
            headers = {**JSON, **(headers or {})}
        response = await self.transport.request(method, target, headers, data)
        if not 200 <= response.status < 300:
            raise error_of(response, method, target)
        return response

    async def _send(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Object:
        response = await self.raw(method, target, body, headers)
        answer: Object = msgspec.json.decode(response.body)
        return answer

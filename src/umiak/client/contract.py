"""What a client is to those who use it, and what a transport is to a client."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import msgspec

from umiak.api.kind import Kind
from umiak.objects.types import Object


class Response(msgspec.Struct, frozen=True):
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Carries requests to one server: over HTTP, or straight into an API server in the same process.

    `target` is path and query. Raises `Unreachable` when no answer came.
    """

    async def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", timeout: float = 60
    ) -> Response: ...

    def stream(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> AsyncIterator[bytes]:
        """The body of an endless answer in pieces as they come. Raises StatusError when the status is not 2xx."""
        ...

    async def close(self) -> None: ...


class Unreachable(Exception):
    """The server did not answer: connection refused, broken or timed out."""


class ObjectList(msgspec.Struct, frozen=True):
    """One page, or all. Every item carries apiVersion and kind."""

    items: list[Object]
    resource_version: str
    continue_token: str = ""


class WatchEvent(msgspec.Struct, frozen=True):
    """`type` is ADDED, MODIFIED, DELETED or BOOKMARK. An ERROR event is raised as StatusError instead."""

    type: str
    object: Object


class RawList(msgspec.Struct, frozen=True):
    """A list whose items stay encoded, for caches; each item lacks apiVersion and kind unless the server sent them."""

    items: list[bytes]
    resource_version: str


class RawEvent(msgspec.Struct, frozen=True):
    """A watch event whose object stays encoded."""

    type: str
    object: bytes


class Preconditions(msgspec.Struct, frozen=True):
    """What must still hold when a deletion happens; empty strings do not matter."""

    uid: str = ""
    resource_version: str = ""

    def as_object(self) -> dict[str, str]:
        found = {"uid": self.uid, "resourceVersion": self.resource_version}
        return {k: v for k, v in found.items() if v}


NO_CONDITIONS = Preconditions()


class Client(Protocol):
    """Speaks the Kubernetes API about kinds. Every method raises StatusError or Unreachable."""

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Object: ...

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
    ) -> ObjectList: ...

    async def create(
        self, kind: Kind, obj: Object, *, namespace: str = "", subresource: str = "", name: str = ""
    ) -> Object:
        """Creates `obj` in its own namespace unless one is given. With `name` and `subresource`, posts to that
        subresource of an existing object (binding, eviction, token)."""
        ...

    async def update(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object: ...

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
        """`type` is merge, strategic, json or apply."""
        ...

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str = "",
        *,
        only: Preconditions = NO_CONDITIONS,
        grace_seconds: int | None = None,
        propagation: str = "",
    ) -> Object: ...

    async def delete_collection(
        self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> Object: ...

    def watch(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        timeout: int = 0,
    ) -> AsyncIterator[WatchEvent]:
        """Ends when the server ends it."""
        ...

    async def raw_list(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        metadata_only: bool = False,
    ) -> RawList: ...

    def raw_watch(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        timeout: int = 0,
        metadata_only: bool = False,
    ) -> AsyncIterator[RawEvent]: ...

    async def raw(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Any request, JSON-encoding `body` when it is not bytes; raises StatusError unless the answer is 2xx."""
        ...

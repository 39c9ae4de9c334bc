"""What clients asked of a cluster over HTTP, for tests to look at."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from umiak.kit.http.exchange import Exchange, Pieces, Stream
from umiak.server.contract import Request
from umiak.server.route import Route

KEPT = 10_000
"""Requests; the oldest go first."""
UPGRADED = 101


class Asked(msgspec.Struct):
    """One request. `status` is 0 until it is answered; `body` is what was sent."""

    verb: str
    path: str
    group: str
    version: str
    resource: str
    subresource: str
    namespace: str
    name: str
    user_agent: str
    body: bytes
    status: int = 0

    def __str__(self) -> str:
        what = f"{self.resource}/{self.subresource}" if self.subresource else self.resource or self.path
        where = "/".join(part for part in (self.namespace, self.name) if part)
        return f"{self.status or '...'} {self.verb} {what} {where}".rstrip()


def asked(request: Request, about: Route) -> Asked:
    return Asked(
        about.verb,
        request.path,
        about.group,
        about.version,
        about.resource,
        about.subresource,
        about.namespace,
        about.name,
        request.header("user-agent"),
        request.body,
    )


class Filter(msgspec.Struct, frozen=True):
    """Which requests are meant; what is left empty does not matter. `user_agent` is a part of it."""

    verb: str = ""
    resource: str = ""
    subresource: str | None = None
    namespace: str = ""
    name: str = ""
    user_agent: str = ""

    def matches(self, request: Asked) -> bool:
        pairs = (
            (self.verb, request.verb),
            (self.resource, request.resource),
            (self.namespace, request.namespace),
            (self.name, request.name),
        )
        if any(wanted and wanted != found for wanted, found in pairs):
            return False
        if self.subresource is not None and self.subresource != request.subresource:
            return False
        return self.user_agent in request.user_agent


class Requests:
    """All requests so far, the newest last. Prints as a line each."""

    def __init__(self) -> None:
        self._kept: deque[Asked] = deque(maxlen=KEPT)

    def add(self, request: Asked) -> None:
        self._kept.append(request)

    def clear(self) -> None:
        self._kept.clear()

    def matching(self, **wanted: str) -> list[Asked]:
        """Those of a verb, resource, subresource, namespace, name or user_agent (see `Filter`)."""
        chosen = Filter(**wanted)
        return [request for request in self if chosen.matches(request)]

    def __iter__(self) -> Iterator[Asked]:
        return iter(list(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def __str__(self) -> str:
        return "\n".join(map(str, self))


class Noting:
    """An exchange that notes how a request was answered."""

    def __init__(self, exchange: Exchange, request: Asked) -> None:
        self._exchange = exchange
        self._request = request

    @property
    def answered(self) -> bool:
        return self._exchange.answered

    @property
    def client_gone(self) -> bool:
        return self._exchange.client_gone

    def reply(self, status: int, headers: Any, body: bytes | Pieces = b"") -> None:
        self._note(status, lambda: self._exchange.reply(status, headers, body))

    def start(self, status: int, headers: Any) -> Stream:
        stream: Stream = self._note(status, lambda: self._exchange.start(status, headers))
        return stream

    def upgrade(self, headers: Any) -> Any:
        return self._note(UPGRADED, lambda: self._exchange.upgrade(headers))

    def hijack(self) -> Any:
        return self._note(UPGRADED, self._exchange.hijack)

    def abort(self) -> None:
        self._exchange.abort()

    def _note(self, status: int, act: Callable[[], Any]) -> Any:
        self._request.status = status  # before the client can see the answer, and look here
        return act()

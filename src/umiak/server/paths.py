"""Paths that are no resources: health, version, metrics, the index, discovery and whatever else hangs itself in.

Modules of this package that serve such paths export `ROUTES`: (path, handler) pairs, where a path that ends in "/"
stands for everything below it.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from umiak.api import registry
from umiak.server import health, index, issuer_discovery, metrics, zpages
from umiak.server.answer import Answer, method_not_allowed, page_not_found
from umiak.server.contract import Request

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

PathHandler = Callable[["ApiServer", Request], Awaitable[Answer]]


class Paths:
    """Longest prefix wins; an exact path wins over any prefix."""

    def __init__(self) -> None:
        self.exact: dict[str, PathHandler] = {}
        self.below: dict[str, PathHandler] = {}
        self.unlisted: set[str] = set()
        for module in (health, index, metrics, zpages):
            for path, handler in module.ROUTES:
                self.add(path, handler)

    def add(self, path: str, handler: PathHandler, *, listed: bool = True) -> None:
        if not listed:
            self.unlisted.add(path)
        (self.below if path.endswith("/") and path != "/" else self.exact)[path] = handler

    @property
    def listed(self) -> list[str]:
        """What the index shows."""
        return sorted({*self.exact, *(path.rstrip("/") for path in self.below)} - {"/"} - self.unlisted)

    async def answer(self, app: "ApiServer", request: Request) -> Answer:
        path = request.path
        if request.method != "GET" and _is_only_read(path.rstrip("/")):
            raise method_not_allowed()
        handler = self.exact.get(path) or self.exact.get(path.rstrip("/")) or self._nearest(path)
        return page_not_found() if handler is None else await handler(app, request)

    def _nearest(self, path: str) -> PathHandler | None:
        fitting = [prefix for prefix in self.below if path.startswith(prefix) or path == prefix[:-1]]
        return self.below[max(fitting, key=len)] if fitting else None


def _is_only_read(path: str) -> bool:
    """Documents of go-restful's web services; plain handlers, as those of `/apis` and health, answer any method."""
    if path in ("/api", "/version", issuer_discovery.CONFIGURATION, issuer_discovery.JWKS):
        return True
    _, _, group_version = path.partition("/apis/" if path.startswith("/apis/") else "/api/")
    return group_version in registry.group_versions()

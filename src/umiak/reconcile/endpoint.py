"""What scheduler and controllers tell over HTTPS: /healthz, /livez and /readyz to everybody, /metrics and /configz to
those whom the API server allows it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from umiak.client.contract import Unreachable
from umiak.client.reviews import Caller, Reviews
from umiak.kit.metrics import CONTENT_TYPE
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

if TYPE_CHECKING:
    from umiak.kit.http.exchange import Exchange, HttpRequest

ANONYMOUS = Caller("system:anonymous", ("system:unauthenticated",))
HEADERS = (("Cache-Control", "no-cache, private"), ("X-Content-Type-Options", "nosniff"))
PLAIN, JSON = "text/plain; charset=utf-8", "application/json"
Reply = tuple[int, str, bytes]
"""Status, content type, body."""
Checks = dict[str, Callable[[], bool]]


def health(name: str, checks: Checks, verbose: bool) -> Reply:
    """`ok`, or check by check when asked or when one fails."""
    states = {check: fine() for check, fine in checks.items()}
    if all(states.values()) and not verbose:
        return 200, PLAIN, b"ok"
    lines = [f"[+]{check} ok" if fine else f"[-]{check} failed: reason withheld" for check, fine in states.items()]
    word = "passed" if all(states.values()) else "failed"
    return (200 if word == "passed" else 500), PLAIN, "\n".join([*lines, f"{name} check {word}", ""]).encode()


def refusal(caller: Caller, path: str, verb: str) -> Reply:
    error = StatusError(403, "Forbidden", f'forbidden: User "{caller.name}" cannot {verb} path "{path}"', {})
    return 403, JSON, msgspec.json.encode(error.status())


class Endpoint:
    """`handle` serves one request. `ready` are the checks of /readyz; `described` is the configuration, complete, of a
    part that has one.
    """

    def __init__(
        self, reviews: Reviews, ready: Checks, metrics: Callable[[], bytes], described: Object | None = None
    ) -> None:
        self._reviews = reviews
        alive: Checks = {"ping": lambda: True}
        self._health = {"healthz": alive, "livez": alive, "readyz": {**alive, **ready}}
        self._told: dict[str, Callable[[], Reply]] = {"/metrics": lambda: (200, CONTENT_TYPE, metrics())}
        if described is not None:
            self._told["/configz"] = lambda: (200, JSON, msgspec.json.encode({"componentconfig": described}))

    async def handle(self, request: "HttpRequest", exchange: "Exchange") -> None:
        authorization = (request.headers.get("authorization") or [""])[0]
        status, kind, body = await self.answer(request.method, request.target, authorization)
        exchange.reply(status, [("Content-Type", kind), *HEADERS], body)

    async def answer(self, method: str, target: str, authorization: str) -> Reply:
        url = urlsplit(target)
        name = url.path.strip("/")
        if name in self._health:
            return health(name, self._health[name], "verbose" in parse_qs(url.query, keep_blank_values=True))
        verb = {"GET": "get", "HEAD": "get"}.get(method, method.lower())
        try:
            caller = await self._reviews.bearer(authorization) if authorization else ANONYMOUS
            if caller is None:
                return 401, JSON, msgspec.json.encode(StatusError(401, "Unauthorized", "Unauthorized").status())
            about: dict[str, Any] = {"path": url.path, "verb": verb}
            if not await self._reviews.allowed(caller, nonResourceAttributes=about):
                return refusal(caller, url.path, verb)
        except (StatusError, Unreachable) as error:
            return 500, PLAIN, f"{error}\n".encode()
        told = self._told.get(url.path)
        return told() if told is not None else (404, PLAIN, b"404 page not found\n")

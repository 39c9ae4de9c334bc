"""`/healthz`, `/livez` and `/readyz`, as a whole or check by check."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from umiak.server.answer import Answer, plain
from umiak.server.contract import Request

if TYPE_CHECKING:
    from umiak.server.app import ApiServer


class Check(msgspec.Struct, frozen=True):
    """`fault` says what is wrong, or nothing."""

    name: str
    fault: Callable[["ApiServer"], str]


def _store_fault(app: "ApiServer") -> str:
    return "" if app.store.revision > 0 else "the store does not answer"


PING = Check("ping", lambda app: "")
LOG = Check("log", lambda app: "")
STORE = Check("etcd", _store_fault)
STARTED = Check(
    "poststarthook/rbac/bootstrap-roles", lambda app: "" if app.is_ready or app.is_closing else "not finished"
)
INFORMERS = Check("informer-sync", lambda app: "" if app.is_ready or app.is_closing else "not started yet")
SHUTDOWN = Check("shutdown", lambda app: "process is shutting down" if app.is_closing else "")

CHECKS = {
    "healthz": (PING, LOG, STORE, STARTED),
    "livez": (PING, LOG, STORE, STARTED),
    "readyz": (PING, LOG, STORE, INFORMERS, STARTED, SHUTDOWN),
}
"""Named as the reference names them, since probes exclude them by name; the store answers for `etcd`."""


async def whole(app: "ApiServer", request: Request) -> Answer:
    name = request.path.strip("/")
    excluded = set(request.query.get("exclude") or ())
    lines, failed = [], []
    for check in (*CHECKS[name], *app.checks):
        if check.name in excluded:
            excluded.discard(check.name)
            lines.append(f"[+]{check.name} excluded: ok\n")
        elif check.fault(app):
            failed.append(check.name)
            lines.append(f"[-]{check.name} failed: reason withheld\n")
        else:
            lines.append(f"[+]{check.name} ok\n")
    if excluded:
        names = ",".join(msgspec.json.encode(n).decode() for n in sorted(excluded))
        lines.append(f"warn: some health checks cannot be excluded: no matches for {names}\n")
    if failed:
        return plain(f"{''.join(lines)}{name} check failed\n", 500)
    return plain(f"{''.join(lines)}{name} check passed\n" if "verbose" in request.query else "ok")


async def single(app: "ApiServer", request: Request) -> Answer:
    name, _, wanted = request.path.strip("/").partition("/")
    for check in (*CHECKS[name], *app.checks):
        if check.name == wanted:
            fault = check.fault(app)
            return plain(f"internal server error: {fault}\n", 500) if fault else plain("ok")
    return plain("404 page not found\n", 404)


ROUTES = [pair for name in CHECKS for pair in ((f"/{name}", whole), (f"/{name}/", single))]

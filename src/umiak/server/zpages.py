"""`/statusz` and `/flagz`: how long the server runs, what it is, and what it was told; for people, or as objects of
config.k8s.io/v1beta1 for who names them in the Accept header (apiserver's `pkg/server/{statusz,flagz}`)."""

import platform
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.server.answer import TEXT, Answer, indented
from umiak.server.contract import Request
from umiak.server.negotiation import clauses, not_acceptable
from umiak.server.settings import VERSION

if TYPE_CHECKING:
    from umiak.server.app import ApiServer

GROUP, WRITTEN = "config.k8s.io", "v1beta1"
ACCEPTED = "application/json, application/yaml, text/plain"
WARNING = (
    "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is "
    "for debugging purposes only."
)
PATHS = ("/flagz", "/healthz", "/livez", "/metrics", "/readyz", "/statusz", "/version")


def _form(request: Request, kind: str) -> str:
    """text, json or yaml. Raises 406."""
    for _, media, parameters in clauses(request.header("accept") or "*/*"):
        if media in ("*/*", "text/*", "text/plain"):
            return "text"
        wanted = {"g": GROUP, "v": WRITTEN, "as": kind}
        if media in ("application/json", "application/yaml") and parameters == wanted:
            return media.partition("/")[2]
    raise not_acceptable(ACCEPTED)


def _structured(form: str, kind: str, fields: Object) -> Answer:
    obj = {"kind": kind, "apiVersion": f"{GROUP}/{WRITTEN}", "metadata": {"name": "apiserver"}, **fields}
    about = f";g={GROUP};v={WRITTEN};as={kind}"
    if form == "json":
        return Answer(200, indented(msgspec.json.encode(obj)), f"application/json{about}")
    from umiak.objects.encoding import to_yaml

    return Answer(200, to_yaml(obj), f"application/yaml{about}")


def _told(name: str, lines: list[str]) -> Answer:
    return Answer(200, "\n".join([f"\napiserver {name}", WARNING, *lines, ""]).encode(), TEXT)


async def statusz(app: "ApiServer", request: Request) -> Answer:
    form = _form(request, "Statusz")
    up = int(app.clock.monotonic() - app.began)
    started = app.clock.now() - timedelta(seconds=up)
    runtime, binary = f"python{platform.python_version()}", VERSION.removeprefix("v")
    emulated = binary.rpartition(".")[0]
    if form != "text":
        about = {"startTime": format_time(started), "uptimeSeconds": up, "goVersion": runtime}
        versions = {"binaryVersion": binary, "emulationVersion": emulated}
        return _structured(form, "Statusz", {**about, **versions, "paths": list(PATHS)})
    lines = [
        "",
        f"Started: {started:%a %b %d %H:%M:%S} UTC {started:%Y}",
        f"Up: {up // 3600} hr {up // 60 % 60:02} min {up % 60:02} sec",
        f"Go version: {runtime}",
        f"Binary version: {binary}",
        f"Emulation version: {emulated}",
        f"Paths: {' '.join(PATHS)}",
    ]
    return _told("statusz", lines)


async def flagz(app: "ApiServer", request: Request) -> Answer:
    form = _form(request, "Flagz")
    flags = dict(sorted(app.settings.flags.items()))
    if form != "text":
        return _structured(form, "Flagz", {"flags": flags})
    return _told("flagz", [f"{name}:{value}" for name, value in flags.items()])


ROUTES = [("/statusz", statusz), ("/flagz", flagz)]

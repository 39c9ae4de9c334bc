"""`/` lists the paths there are, `/version` tells what is served, `/metrics` how it goes."""

import platform
from typing import TYPE_CHECKING

import msgspec

from umiak.server.answer import Answer, indented
from umiak.server.contract import Request
from umiak.server.negotiation import json_only
from umiak.server.settings import VERSION

if TYPE_CHECKING:
    from umiak.server.app import ApiServer


async def listing(app: "ApiServer", request: Request) -> Answer:
    return Answer(200, indented(msgspec.json.encode({"paths": app.paths.listed})))


async def version(app: "ApiServer", request: Request) -> Answer:
    json_only(request)
    major, minor, _ = VERSION.removeprefix("v").split(".")
    told = {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"{VERSION}+umiak",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{_machine()}",
    }
    return Answer(200, indented(msgspec.json.encode(told)))


def _machine() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


ROUTES = [("/", listing), ("/index.html", listing), ("/version", version)]

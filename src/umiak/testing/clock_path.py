"""`/umiak/clock`: reads and turns the virtual clock of a cluster over HTTP, e.g. with `kubectl get --raw`."""

import msgspec

from umiak.objects.errors import bad_request
from umiak.server.answer import Answer, as_json
from umiak.server.app import ApiServer
from umiak.server.contract import Request
from umiak.testing.clock import VirtualClock

PATH = "/umiak/clock"
MOST = 400 * 24 * 3600.0
"""Seconds that one request may let pass."""


class Turn(msgspec.Struct):
    seconds: float


def hang_in(app: ApiServer, clock: VirtualClock) -> None:
    """Authorized as any other path that is no resource."""

    async def answer(app: ApiServer, request: Request) -> Answer:
        if request.method == "POST":
            await clock.advance(seconds_of(request.body))
        return as_json({"now": clock.now().isoformat().replace("+00:00", "Z")})

    app.paths.add(PATH, answer, listed=False)


def seconds_of(body: bytes) -> float:
    """Raises 400."""
    try:
        seconds = msgspec.json.decode(body, type=Turn).seconds
    except msgspec.DecodeError as error:
        raise bad_request(f'expected {{"seconds": N}}: {error}') from None
    if not 0 <= seconds <= MOST:
        raise bad_request(f"seconds: {seconds:g} must be between 0 and {MOST:g}")
    return seconds

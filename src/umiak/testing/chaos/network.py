"""What lies between the parts and the server: it delays, refuses, loses answers, and lets watches lag, stall and break.

A request reaches the server within `LATENCY` or not at all; what takes long is the answer. So a part that was
restarted never meets a request of its former life. What is no fault but left out, to save time: Events are
acknowledged and thrown away, discovery tells only of `SERVED`, and of kinds that nobody uses here there is nothing.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from functools import cache
from typing import Any

import msgspec

from umiak.api.registry import kinds
from umiak.client.contract import Response, Transport, Unreachable
from umiak.testing.chaos.plan import LONGEST_ANSWER, Plan
from umiak.testing.chaos.trace import Trace
from umiak.testing.chaos.world import ACTOR, DEED
from umiak.testing.fakeapi import discovery

LATENCY = 0.02
LAG = 0.05
"""Seconds: the most that a request travels, and that a watch usually lags."""
SERVED = {
    *("pods", "nodes", "configmaps", "replicasets", "deployments", "statefulsets", "daemonsets", "jobs"),
    *("controllerrevisions", "poddisruptionbudgets"),
}
USED = {*SERVED, "leases", "namespaces", "serviceaccounts", ""}
NOTHING = Response(200, {}, b'{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}')
WRITES = ("POST", "PUT", "PATCH", "DELETE")
REFUSALS = (409, 429, 500, 503, 0)
"""0 is a connection that breaks."""
REASONS = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout"}


@cache
def _discovery(path: str) -> Response:
    return discovery([k for k in kinds() if k.plural in SERVED and k.version == "v1"], path)


def refusal(code: int) -> Response:
    """Raises Unreachable for 0."""
    if code == 0:
        raise Unreachable("connection reset by peer")
    status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    status |= {"message": f"chaos: {REASONS[code]}", "reason": REASONS[code], "code": code}
    if code == 429:
        status["details"] = {"retryAfterSeconds": 1}
    return Response(code, {}, msgspec.json.encode(status))


EXPIRED = msgspec.json.encode(
    {"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"}}
)


def resource_of(path: str) -> str:
    """The plural that a path is about, whatever its subresource."""
    words = path.strip("/").split("/")[2 if path.startswith("/api/") else 3 :]
    return words[2] if words[:1] == ["namespaces"] and len(words) > 2 else words[0] if words else ""


def is_unused(path: str) -> bool:
    """Whether no schedule has any object of that resource, so that it need not be asked for."""
    return resource_of(path) not in USED


class Weather(msgspec.Struct):
    """What goes wrong now. `calm` ends it all."""

    plan: Plan
    dice: random.Random
    is_calm: bool = False

    def strikes(self, rate: float) -> bool:
        return not self.is_calm and rate > 0 and self.dice.random() < rate


class Line(msgspec.Struct):
    """One process' connection (`client.contract.Transport`). With `faultless` it only takes its time."""

    server: Transport
    weather: Weather
    trace: Trace
    who: str
    faultless: bool = False
    on_death: Callable[[], None] = lambda: None
    dead: bool = False
    stalled: dict[str, float] = msgspec.field(default_factory=dict)
    """Until when nothing is heard of a resource."""

    async def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"", timeout: float = 60
    ) -> Response:
        path = target.partition("?")[0]
        if resource_of(path) == "events":
            return Response(201, {}, body)
        if path in ("/api", "/apis"):
            await self._travel()
            return _discovery(path)
        if is_unused(path):
            await self._travel()
            return NOTHING
        ACTOR.set(self.who)
        return await self._exchange(method, target, headers, body)

    async def _exchange(self, method: str, target: str, headers: Mapping[str, str] | None, body: bytes) -> Response:
        await self._travel()
        code = self._refused(method)
        if code is not None:
            self._tell(method, target, body, "refused with", code or "a broken connection")
            return refusal(code)
        # goes on when its sender is no more
        work = asyncio.ensure_future(self.server.request(method, target, headers, body))
        work.add_done_callback(lambda done: done.cancelled() or done.exception())
        answer = await asyncio.shield(work)
        writes = method in WRITES and not self.faultless
        if writes and self.weather.strikes(self.weather.plan.deaths):
            self._tell(method, target, body, answer.status, "but dies before it hears")
            self.on_death()
        if writes and self.weather.strikes(self.weather.plan.losses):
            return await self._lost(method, target, body, answer)
        if not self.faultless and self.weather.strikes(self.weather.plan.slowness):
            await asyncio.sleep(self.weather.dice.uniform(0.2, LONGEST_ANSWER))
        await self._travel()
        if writes or self.faultless or answer.status >= 400:
            self._tell(method, target, body, answer.status, _message(answer))
        return answer

    def _refused(self, method: str) -> int | None:
        if self.faultless or not self.weather.strikes(self.weather.plan.refusals):
            return None
        code = self.weather.dice.choice(REFUSALS)
        return 500 if code == 409 and method not in ("PUT", "PATCH") else code

    async def _lost(self, method: str, target: str, body: bytes, answer: Response) -> Response:
        if self.weather.dice.random() < 0.5:  # else it is told at once, before any watch can tell
            await asyncio.sleep(self.weather.dice.uniform(0.0, LONGEST_ANSWER))
        code = self.weather.dice.choice((0, 500, 504))
        told = code or "a broken connection"
        self._tell(method, target, body, answer.status, _message(answer), f"but hears of {told}")
        return refusal(code)

    async def _travel(self) -> None:
        await asyncio.sleep(self.weather.dice.uniform(0.001, LATENCY))
        if self.dead:
            raise Unreachable("the process is no more")

    async def stream(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> AsyncIterator[bytes]:
        await self._travel()
        if is_unused(target.partition("?")[0]):
            await asyncio.get_running_loop().create_future()
        resource, plan, weather = resource_of(target.partition("?")[0]), self.weather.plan, self.weather
        code = self._refused(method)
        if code is not None:
            raise Unreachable(f"watch refused with {code}")
        async with aclosing(self.server.stream(method, target, headers)) as pieces:  # type: ignore[type-var]
            async for piece in pieces:
                await self._lag(resource)
                if not self.faultless and weather.strikes(plan.breaks):
                    self.trace.add(self._now(), self.who, "lost", "the watch of", resource)
                    if weather.dice.random() < 0.7:
                        raise Unreachable("connection reset by peer")
                    yield EXPIRED + b"\n"
                    return
                self._saw(resource, piece)
                yield piece

    async def _lag(self, resource: str) -> None:
        await asyncio.sleep(self.weather.dice.uniform(0.0, LAG))
        left = self.stalled.get(resource, 0.0) - self._now()
        if left > 0 and not self.weather.is_calm:
            await asyncio.sleep(left)

    async def close(self) -> None:
        """Nothing to let go of."""

    # for people

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _tell(self, method: str, target: str, body: bytes, *answer: object) -> None:
        who = f"{self.who}/{DEED.get()}" if DEED.get() else self.who
        asked = _brief(target)
        told = " ".join(str(a) for a in answer if a)
        self.trace.add(self._now(), who, method, asked, told, self._words(method, body))

    def _words(self, method: str, body: bytes) -> str:
        return body.decode(errors="replace")[:4000] if self.trace.words and method in WRITES else ""

    def _saw(self, resource: str, piece: bytes) -> None:
        if not self.trace.words:
            return
        for line in piece.splitlines():
            event = msgspec.json.decode(line)
            about = event["object"].get("metadata") or {}
            name = f"{about.get('name', '')}@{about.get('resourceVersion', '')}"
            self.trace.add(self._now(), self.who, "saw", event["type"], resource, name)


def _brief(target: str) -> str:
    return target.removeprefix("/apis/").removeprefix("/api/").replace("namespaces/default/", "")


def _message(answer: Response) -> str:
    if answer.status < 400:
        return ""
    found = msgspec.json.decode(answer.body)
    return f"({found.get('message', '')})" if isinstance(found, dict) else ""

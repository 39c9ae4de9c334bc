"""Stands before an API server: notes what clients ask, and has go wrong what a test wants to go wrong."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from umiak.kit.clock import RealClock
from umiak.kit.http.exchange import Exchange
from umiak.server.app import ApiServer, refused, request_of
from umiak.server.contract import Request
from umiak.server.route import route
from umiak.testing.embedded.faults import Fault, Faults, error_of
from umiak.testing.embedded.requests import Asked, Noting, Requests, asked


class Gateway:
    """An HTTP handler. `app` is set before anybody knows the port."""

    app: ApiServer

    def __init__(self) -> None:
        self.requests = Requests()
        self.faults = Faults()
        self.asked = asyncio.Event()
        """Set with the first request."""
        self._clock = RealClock()

    def handler(self, incoming: Any, exchange: Exchange) -> Coroutine[Any, Any, None] | None:
        request = request_of(incoming)
        about = asked(request, route(request))
        self.requests.add(about)
        self.asked.set()
        noting = Noting(exchange, about)
        fault = self.faults.next_for(about)
        if fault is None:
            return self.app.handler(incoming, noting)
        return self._befall(fault, incoming, request, about, noting)

    async def _befall(self, fault: Fault, incoming: Any, request: Request, about: Asked, exchange: Noting) -> None:
        if fault.delay:
            await self._clock.sleep(fault.delay)
        if fault.breaks:
            exchange.abort()
        elif fault.status:
            await self.app.reply(request, exchange, refused(request, error_of(fault.status, about)))
        elif (work := self.app.handler(incoming, exchange)) is not None:
            await work

"""Puts the gate before a server's requests that its settings ask for."""

from functools import partial

from umiak.api import registry
from umiak.kit.metrics import Registry
from umiak.server.answer import Answer
from umiak.server.app import ApiServer
from umiak.server.bootstrap.start import keep_flow_control
from umiak.server.contract import Request
from umiak.server.flow.control import FlowControl
from umiak.server.flow.inflight import MaxInFlight
from umiak.server.flow.sizes import Sizes


def hang_in(app: ApiServer) -> None:
    settings = app.settings
    if not settings.priority_and_fairness:
        _limit(app, MaxInFlight(settings.max_requests_inflight, settings.max_mutating_requests_inflight))
        return
    seats = settings.max_requests_inflight + settings.max_mutating_requests_inflight
    sizes = Sizes(app.store, app.clock, app.kind)
    control = FlowControl(seats, app.clock, app.objects, app.watchers, sizes.of, reports=app.keeps_house)
    app.flow = control
    upkeep = partial(keep_flow_control, app.objects, registry.find, app.clock)

    async def start() -> None:
        await control.start()
        if app.keeps_house:
            control.run(upkeep())

    app.on_start.append(start)
    app.on_close.append(control.stop)
    app.metrics.on_read.append(partial(_count, control))
    for path in DUMPS:
        app.paths.add(path, partial(_dump, control), listed=False)


def _limit(app: ApiServer, gate: MaxInFlight) -> None:
    app.flow = gate

    def count(into: Registry) -> None:
        from umiak.server.flow.metrics import refresh_in_flight

        refresh_in_flight(into, gate.running)

    app.metrics.on_read.append(count)


def _count(control: FlowControl, into: Registry) -> None:
    from umiak.server.flow.metrics import refresh

    refresh(into, control)


DUMPS = tuple(
    f"/debug/api_priority_and_fairness/{name}" for name in ("dump_priority_levels", "dump_queues", "dump_requests")
)


async def _dump(control: FlowControl, app: ApiServer, request: Request) -> Answer:
    from umiak.server.flow.dumps import dump

    return dump(control, request)

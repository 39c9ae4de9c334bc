"""`apiserver_flowcontrol_*` and `apiserver_current_inflight_requests`, made when they are asked for.

Left out are the reference's histograms over every nanosecond (`*_utilization`, `demand_seats`,
`read_vs_write_current_requests`), which would cost each request more than the rest of flow control, and what speaks of
its fixed-point arithmetic (`epoch_advance_total`).
"""

from collections.abc import Iterable, Mapping

from umiak.kit.metrics import Registry
from umiak.server.flow.control import FlowControl, InFlight
from umiak.server.flow.levels import State
from umiak.server.flow.measure import Stats
from umiak.server.flow.queues import Ticket

PREFIX = "apiserver_flowcontrol_"
LEVEL, FLOW = ("priority_level",), ("priority_level", "flow_schema")


LEVEL_GAUGES = {
    "nominal_limit_seats": "Seats that each priority level has by its shares.",
    "lower_limit_seats": "Seats that each priority level keeps when it lends.",
    "upper_limit_seats": "Seats that each priority level has at most when it borrows.",
    "current_limit_seats": "Seats that each priority level has now.",
    "demand_seats_high_watermark": "The most seats wanted in the last period.",
    "demand_seats_average": "The average of the seats wanted in the last period.",
    "demand_seats_stdev": "The standard deviation of the seats wanted in the last period.",
    "demand_seats_smoothed": "The seats wanted, smoothed over periods.",
    "target_seats": "The seats that each priority level should have.",
    "current_r": "R at the last change.",
}
FLOW_GAUGES = {
    "current_inqueue_requests": "Requests that wait.",
    "current_inqueue_seats": "Seats that are waited for.",
    "current_executing_requests": "Requests that run, watches only until they have begun.",
    "current_executing_seats": "Seats of requests that run.",
}


def refresh_in_flight(registry: Registry, running: InFlight, waiting: InFlight | None = None) -> None:
    family = registry.gauges(
        "apiserver_current_inflight_requests",
        "The most requests at once since this was last asked.",
        "request_kind",
    )
    family.at("mutating").set(running.peak(True))
    family.at("readOnly").set(running.peak(False))
    if waiting is not None:
        queued = registry.gauges(
            "apiserver_current_inqueue_requests",
            "The most requests waiting at once since this was last asked.",
            "request_kind",
        )
        queued.at("mutating").set(waiting.peak(True))
        queued.at("readOnly").set(waiting.peak(False))


def refresh(registry: Registry, control: FlowControl) -> None:
    """Brings the metrics up to date."""
    refresh_in_flight(registry, control.running, control.waiting)
    levels = control.levels
    fair = registry.gauge(f"{PREFIX}seat_fair_frac", "The fraction of its target that each level got.")
    fair.set(levels.fair_fraction)
    for name, state in levels.states.items():
        _level(registry, name, state)
    now = {flow: [0, 0, 0, 0] for flow in levels.stats}
    for state in levels.states.values():
        _count(now, (ticket for queue in state.queues.queues for ticket in queue.waiting), 0)
        _count(now, state.queues.executing, 2)
    for flow, stats in levels.stats.items():
        _gauges(registry, flow, now[flow])
        state_of = levels.states.get(flow[0])
        stats.settle(state_of is not None and state_of.level.queuing is not None)
        _flow(registry, flow, stats)


def _level(registry: Registry, name: str, state: State) -> None:
    demand = state.queues.demand
    values = (
        state.limits.nominal,
        state.limits.lowest,
        state.limits.highest,
        state.current,
        state.highest,
        demand.average,
        demand.deviation,
        demand.smoothed,
        state.target,
        state.queues.r,
    )
    for (metric, help_), value in zip(LEVEL_GAUGES.items(), values, strict=True):
        registry.gauges(PREFIX + metric, help_, *LEVEL).at(name).set(value)


def _count(now: Mapping[tuple[str, str], list[int]], tickets: Iterable[Ticket], column: int) -> None:
    for ticket in tickets:
        counts = now[ticket.flow.schema.level, ticket.flow.schema.name]
        counts[column] += 1
        counts[column + 1] += ticket.width.seats


def _gauges(registry: Registry, flow: tuple[str, str], values: Iterable[float]) -> None:
    for (metric, help_), value in zip(FLOW_GAUGES.items(), values, strict=True):
        registry.gauges(PREFIX + metric, help_, *FLOW).at(*flow).set(value)


def _flow(registry: Registry, flow: tuple[str, str], stats: Stats) -> None:
    dispatched = registry.counters(f"{PREFIX}dispatched_requests_total", "Requests that ran.", *FLOW)
    dispatched.at(*flow).value = stats.dispatched
    rejected = registry.counters(f"{PREFIX}rejected_requests_total", "Requests turned away.", *FLOW, "reason")
    for reason, count in stats.rejected.items():
        rejected.at(*flow, reason).value = count
    waits = registry.histograms(
        f"{PREFIX}request_wait_duration_seconds", "How long requests waited in their queue.", *FLOW, "execute"
    )
    waits.keep(stats.waited, *flow, "true")
    if stats.rejected:
        waits.keep(stats.waited_in_vain, *flow, "false")
    runs = registry.histograms(f"{PREFIX}request_execution_seconds", "How long requests ran.", *FLOW, "type")
    for type_, histogram in stats.ran.items():
        runs.keep(histogram, *flow, type_)
    for name, help_, kept in (
        ("request_queue_length_after_enqueue", "Length of its queue, as each request saw it.", stats.lengths),
        ("work_estimated_seats", "Seats that requests were taken to need.", stats.seats),
        ("watch_count_samples", "Watchers of what requests changed.", stats.watchers),
    ):
        if any(kept.counts):
            registry.histograms(PREFIX + name, help_, *FLOW).keep(kept, *flow)

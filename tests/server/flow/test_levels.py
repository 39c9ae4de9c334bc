"""What the configuration objects come to. The figures of the defaults are those that kube-apiserver 1.37.1 shows in
its metrics a few seconds after its start, when nobody has asked anything."""

import pytest

from umiak.server.bootstrap.flow_control import objects
from umiak.server.contract import Request, User
from umiak.server.flow.estimate import ONE
from umiak.server.flow.levels import CATCH_ALL, EXEMPT, Levels, level_of
from umiak.server.flow.queues import Ticket
from umiak.server.route import route

IDLE = {
    "catch-all": (13, 13, 613, 30),
    "exempt": (0, 0, 600, 0),
    "global-default": (49, 24, 649, 56),
    "leader-election": (25, 25, 625, 58),
    "node-high": (98, 73, 698, 170),
    "system": (74, 50, 674, 117),
    "workload-high": (98, 49, 698, 114),
    "workload-low": (245, 24, 845, 56),
}
SCHEMAS = [obj for obj in objects("") if obj["kind"] == "FlowSchema"]
LEVELS = [obj for obj in objects("") if obj["kind"] != "FlowSchema"]
PERSON = User("ann", groups=("system:authenticated",))
PODS = route(Request("GET", "/api/v1/pods", {}, {}))


def defaults() -> Levels:
    levels = Levels(600, 0.0)
    levels.digest(LEVELS, SCHEMAS, 0.0)
    return levels


def test_seats_of_the_defaults():
    levels = defaults()
    levels.adjust(10.0)
    found = {
        name: (s.limits.nominal, s.limits.lowest, s.limits.highest, s.current) for name, s in levels.states.items()
    }
    assert found == IDLE
    assert levels.fair_fraction == pytest.approx(7 / 3)


def test_without_objects_the_mandatory_ones_hold():
    levels = Levels(600, 0.0)
    assert set(levels.states) == {EXEMPT, CATCH_ALL}
    assert levels.flow_of(PERSON, PODS).schema.name == CATCH_ALL
    assert levels.flow_of(User("root", groups=("system:masters",)), PODS).schema.name == EXEMPT


def test_long_running_requests_are_not_limited():
    for path in ("/api/v1/namespaces/a/pods/x/log", "/api/v1/namespaces/a/services/x/proxy/y", "/debug/pprof/heap"):
        assert defaults().flow_of(PERSON, route(Request("GET", path, {}, {}))) is None


def test_a_level_that_is_deleted_stays_until_its_requests_are_done():
    levels = defaults()
    flow = levels.flow_of(PERSON, PODS)
    ticket = Ticket(ONE, flow)
    flow.state.queues.arrive(ticket, flow.hand, 1.0)
    levels.digest([obj for obj in LEVELS if obj["metadata"]["name"] != "global-default"], SCHEMAS, 2.0)
    assert levels.states["global-default"].retires
    assert levels.flow_of(PERSON, PODS).schema.name == CATCH_ALL
    flow.state.queues.finish(ticket, 3.0)
    levels.digest([obj for obj in LEVELS if obj["metadata"]["name"] != "global-default"], SCHEMAS, 4.0)
    assert "global-default" not in levels.states


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "Limited"},
        {"type": "Exempt", "exempt": {}},
        {"type": "Limited", "limited": {"limitResponse": {"type": "Queue"}}},
        {
            "type": "Limited",
            "limited": {
                "limitResponse": {"type": "Queue", "queuing": {"queues": 4, "handSize": 5, "queueLengthLimit": 1}}
            },
        },
    ],
)
def test_levels_that_make_no_sense_are_passed_over(spec):
    assert level_of({"metadata": {"name": "x"}, "spec": spec}) is None

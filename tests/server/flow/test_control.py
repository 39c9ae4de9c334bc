"""The gate before a whole server: who gets in, who waits, who is sent away, what objects say (KEP-1040)."""

import asyncio
import random

import msgspec
import pytest

from umiak.api import registry
from umiak.api.flowcontrol.flowschema import KIND as FLOW_SCHEMA
from umiak.api.flowcontrol.prioritylevelconfiguration import KIND as PRIORITY_LEVEL
from umiak.client.contract import Response
from umiak.server.answer import plain
from umiak.server.app import ApiServer
from umiak.server.bootstrap import flow_control
from umiak.server.bootstrap.start import put_flow_control_right
from umiak.server.contract import Decision, Request, User
from umiak.server.flow.control import longest_wait
from umiak.server.flow.retrying import Retrying
from umiak.server.flow.setup import hang_in
from umiak.server.local import LocalExchange
from umiak.server.route import route
from umiak.server.settings import Settings
from umiak.store.memory import MemoryStore
from umiak.testing.clock import VirtualClock, settle
from umiak.testing.patience import LONG

ANYBODY = "system:authenticated"
ADMIN = User("root", groups=("system:masters", ANYBODY))
NODE = User("system:node:n1", groups=("system:nodes", ANYBODY))
LEADER = User("system:kube-scheduler", groups=(ANYBODY,))
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1"

SMALL = {"max_requests_inflight": 30, "max_mutating_requests_inflight": 0}


def person(name):
    return User(name, groups=(ANYBODY,))


class Anybody:
    async def authorize(self, attributes):
        return Decision(True)


class Server:
    """A server whose path /slow answers when the test says so."""

    def __init__(self, **settings):
        self.clock = VirtualClock()
        self.store = MemoryStore()
        self.app = ApiServer(
            self.store,
            clock=self.clock,
            random=random.Random(1),
            authenticators=(),
            authorizer=Anybody(),
            settings=Settings(**settings),
        )
        self.held: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[Response]] = []
        self.app.paths.add("/slow", self._slow)
        hang_in(self.app)

    async def _slow(self, app, request):
        self.held.append(event := asyncio.Event())
        await event.wait()
        return plain("done")

    def ask(self, user, method="GET", path="/slow", **query):
        exchange = LocalExchange(asyncio.get_running_loop().create_future())
        request = Request(method, path, {k: [v] for k, v in query.items()}, {})

        async def run() -> Response:
            await self.app.serve_as(user, request, exchange)
            return await exchange.response

        self.tasks.append(task := asyncio.create_task(run()))
        return task

    @property
    def level(self):
        return self.app.flow.levels.states["global-default"]

    async def fill(self):
        """Takes all seats that people have."""
        tasks = [self.ask(person("full")) for _ in range(self.level.current)]
        await settle()
        assert 0 < len(tasks) == len(self.held)
        return tasks

    def answer(self, count=1):
        for _ in range(count):
            self.held.pop(0).set()


@pytest.fixture
async def made():
    servers = []

    async def make(**settings):
        server = Server(**settings)
        await put_flow_control_right(server.app.objects, registry.find, server.clock.now())
        await server.app.start()
        servers.append(server)
        return server

    yield make
    for server in servers:
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
        await server.app.close()
        await server.store.close()


async def answers(tasks):
    return [(await task).status for task in tasks]


async def test_every_answer_names_its_schema_and_level(made):
    server = await made()
    schema = await server.app.objects.get(FLOW_SCHEMA, "", "global-default")
    level = await server.app.objects.get(PRIORITY_LEVEL, "", "global-default")
    for path in ("/version", "/nowhere", "/api/v1/namespaces/x"):
        headers = (await server.ask(person("ann"), path=path)).headers
        assert headers["x-kubernetes-pf-flowschema-uid"] == schema["metadata"]["uid"]
        assert headers["x-kubernetes-pf-prioritylevel-uid"] == level["metadata"]["uid"]


async def test_many_clients_are_sent_away_while_the_system_works(made):
    """Three people, each with six queues of 50 at most: some wait, others are told to come back; nodes, leaders and
    administrators are served at once."""
    server = await made(max_requests_inflight=20, max_mutating_requests_inflight=10)
    crowd = [server.ask(person(f"p{n % 3}")) for n in range(1500)]
    await settle()
    refused = [task for task in crowd if task.done()]
    assert 0 < len(refused) < len(crowd)
    answer = refused[0].result()
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert answer.body == b"Too many requests, please try again later.\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    for user, method, path in ((NODE, "GET", LEASE), (LEADER, "GET", LEASE), (ADMIN, "GET", "/api/v1/nodes")):
        assert (await asyncio.wait_for(server.ask(user, method, path), LONG)).status in (200, 404)
    level = server.level
    assert level.queues.seats <= level.current
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    assert level.queues.is_idle
    assert level.queues.demand.now == 0


async def test_users_take_turns(made):
    server = await made(**SMALL)
    many = [server.ask(person("greedy")) for _ in range(60)]
    few = [server.ask(person("modest")) for _ in range(3)]
    await settle()
    while not all(task.done() for task in few):
        server.answer()
        await settle()
    assert sum(task.done() for task in many) < 15
    while not all(task.done() for task in many):
        server.answer()
        await settle()


async def test_who_waits_a_quarter_of_its_time_is_sent_away(made):
    server = await made(**SMALL)
    running = await server.fill()
    patient, hasty = server.ask(person("a"), timeout="20s"), server.ask(person("a"), timeout="8s")
    await server.clock.advance(2.5)
    assert (hasty.done(), patient.done()) == (True, False)
    assert (await hasty).status == 429
    await server.clock.advance(2.6)
    assert (await patient).status == 429
    server.answer(len(running))
    assert await answers(running) == [200] * len(running)
    dump = await server.ask(ADMIN, path="/debug/api_priority_and_fairness/dump_priority_levels")
    row = next(line.split() for line in dump.body.decode().splitlines() if line.startswith("global-default"))
    assert row[-4:] == [f"{len(running)},", "2,", "0,", "2"]


async def test_a_level_that_is_wanted_borrows_from_those_that_are_not(made):
    server = await made(**SMALL)
    tasks = [server.ask(person(f"p{n}")) for n in range(12)]
    await settle()
    before = len(server.held)
    assert before == server.level.current < 12
    await server.clock.advance(10.1)
    assert len(server.held) == 12
    server.answer(12)
    assert await answers(tasks) == [200] * 12


@pytest.mark.parametrize(
    ("asked", "watch", "seconds"),
    [("", False, 15), ("8s", False, 2), ("1h", False, 15), ("0s", False, 15), ("8s", True, 15)],
)
def test_how_long_requests_may_wait(asked, watch, seconds):
    """`priority-and-fairness.go`, getRequestWaitContext: a quarter of the time that a request has."""
    query = {"timeout": [asked]} if asked else {}
    request = Request("GET", "/api/v1/pods", query | ({"watch": ["1"]} if watch else {}), {})
    assert longest_wait(request, route(request)) == seconds


async def test_a_client_that_goes_frees_its_place(made):
    server = await made(**SMALL)
    running = await server.fill()
    second, third = (server.ask(person("a")) for _ in range(2))
    await settle()
    second.cancel()
    await settle()
    server.answer(len(running))
    await settle()
    assert len(server.held) == 1
    third.cancel()
    await settle()
    assert server.level.queues.is_idle


async def test_a_watch_takes_a_seat_only_until_it_has_begun(made):
    server = await made()
    watching = server.ask(person("a"), path="/api/v1/pods", watch="1")
    assert (await watching).status == 200
    assert server.level.queues.is_idle
    assert len(server.app.watchers) == 1


async def test_objects_take_effect_at_once_and_say_what_they_lack(made):
    server = await made()
    spec = {
        "matchingPrecedence": 50,
        "priorityLevelConfiguration": {"name": "mine"},
        "rules": [
            {
                "subjects": [{"kind": "User", "user": {"name": "ann"}}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }
        ],
    }
    schema = {"metadata": {"name": "mine"}, "spec": spec}
    await server.app.objects.create(FLOW_SCHEMA, schema)
    await settle()
    found = await server.app.objects.get(FLOW_SCHEMA, "", "mine")
    (condition,) = found["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("True", "NotFound")
    text = 'This FlowSchema references the PriorityLevelConfiguration object named "mine" but there is no such object'
    assert condition["message"] == text
    level = {"type": "Limited", "limited": {"nominalConcurrencyShares": 0, "limitResponse": {"type": "Reject"}}}
    level["limited"]["borrowingLimitPercent"] = 0
    await server.app.objects.create(PRIORITY_LEVEL, {"metadata": {"name": "mine"}, "spec": level})
    await settle()
    found = await server.app.objects.get(FLOW_SCHEMA, "", "mine")
    assert found["status"]["conditions"][0]["reason"] == "Found"
    assert [(await server.ask(person(who), path="/version")).status for who in ("ann", "bob")] == [200, 200]
    held = server.ask(person("ann"))
    await settle()
    assert (await server.ask(person("ann"))).status == 429
    server.answer()
    await held


async def test_without_priority_and_fairness_numbers_count(made):
    server = await made(priority_and_fairness=False, max_requests_inflight=2, max_mutating_requests_inflight=1)
    held = [server.ask(person("a")) for _ in range(2)]
    await settle()
    refused, changing = await server.ask(person("a")), await server.ask(person("a"), "POST", "/nowhere")
    assert (refused.status, refused.headers["retry-after"], changing.status) == (429, "1", 404)
    assert "x-kubernetes-pf-flowschema-uid" not in refused.headers
    assert (await server.ask(ADMIN, path="/version")).status == 200
    server.answer(2)
    assert await answers(held) == [200, 200]


async def test_metrics(made):
    server = await made(**SMALL)
    running = len(await server.fill())
    server.ask(person("a"))
    await settle()
    text = (await server.ask(ADMIN, path="/metrics")).body.decode()
    flow = '{priority_level="global-default",flow_schema="global-default"}'
    assert f"apiserver_flowcontrol_current_executing_requests{flow} {running}\n" in text
    assert f"apiserver_flowcontrol_current_inqueue_requests{flow} 1\n" in text
    assert 'apiserver_flowcontrol_nominal_limit_seats{priority_level="global-default"} 3\n' in text
    assert f"apiserver_flowcontrol_dispatched_requests_total{flow} {running}\n" in text
    assert 'apiserver_current_inflight_requests{request_kind="readOnly"}' in text


async def test_dumps_show_who_waits(made):
    server = await made(**SMALL)
    await server.fill()
    server.ask(person("ann"))
    await settle()
    path = "/debug/api_priority_and_fairness/dump_requests"
    text = (await server.ask(ADMIN, path=path, includeRequestDetails="1")).body.decode()
    lines = [line.split() for line in text.splitlines() if line.startswith("global-default")]
    assert [(line[3], line[4], line[10], line[12]) for line in lines if line[4] == "ann,"] == [
        ("0,", "ann,", "ann,", "/slow,")
    ]
    assert all(line[3] == "-1," for line in lines if line[4] == "full,")
    listed = msgspec.json.decode((await server.ask(ADMIN, path="/")).body)["paths"]
    assert not any("debug" in path for path in listed)


class TestUpkeep:
    async def change(self, server, kind, name, **changed):
        def change(latest):
            return {**latest, **{k: {**latest[k], **v} for k, v in changed.items()}}

        await server.app.objects.modify(kind, "", name, change)

    async def test_spec_follows_until_somebody_claims_it(self, made):
        server = await made()
        name = "workload-low"
        wanted = (await server.app.objects.get(PRIORITY_LEVEL, "", name))["spec"]
        changed = {**wanted, "limited": {**wanted["limited"], "nominalConcurrencyShares": 7}}
        await self.change(server, PRIORITY_LEVEL, name, spec=changed)
        await server.clock.advance(61)
        assert (await server.app.objects.get(PRIORITY_LEVEL, "", name))["spec"] == wanted
        claimed = {"annotations": {flow_control.FOLLOWS: "false"}}
        await self.change(server, PRIORITY_LEVEL, name, spec=changed, metadata=claimed)
        await server.clock.advance(61)
        assert (await server.app.objects.get(PRIORITY_LEVEL, "", name))["spec"] == changed

    async def test_mandatory_objects_can_not_be_claimed(self, made):
        server = await made()
        before = await server.app.objects.get(FLOW_SCHEMA, "", "catch-all")
        claimed = {"annotations": {flow_control.FOLLOWS: "false"}}
        await self.change(server, FLOW_SCHEMA, "catch-all", spec={"matchingPrecedence": 9}, metadata=claimed)
        await server.clock.advance(61)
        after = await server.app.objects.get(FLOW_SCHEMA, "", "catch-all")
        assert after["spec"] == before["spec"]
        assert after["metadata"]["annotations"] == {flow_control.FOLLOWS: "true"}

    async def test_operators_set_the_shares_of_exempt(self, made):
        server = await made()
        mine = {"exempt": {"nominalConcurrencyShares": 5, "lendablePercent": 50}}
        await self.change(server, PRIORITY_LEVEL, "exempt", spec=mine)
        await server.clock.advance(61)
        assert (await server.app.objects.get(PRIORITY_LEVEL, "", "exempt"))["spec"]["exempt"] == mine["exempt"]

    async def test_what_is_deleted_comes_back_and_what_is_of_another_release_goes(self, made):
        server = await made()
        await server.app.objects.remove(FLOW_SCHEMA, "", "probes")
        old = await server.app.objects.get(FLOW_SCHEMA, "", "service-accounts")
        annotations = dict(flow_control.ANNOTATIONS)
        await server.app.objects.create(
            FLOW_SCHEMA, {**old, "metadata": {"name": "of-old", "annotations": annotations}}
        )
        await server.clock.advance(61)
        assert await server.app.objects.find(FLOW_SCHEMA, "", "probes")
        assert await server.app.objects.find(FLOW_SCHEMA, "", "of-old") is None


def test_clients_stay_away_longer_while_many_are_sent_away():
    """apiserver's `dropped_requests_tracker_test.go`: doubles while at least three a second are, then goes down."""
    retrying = Retrying()
    told = [retrying.turned_away(second) for second in range(100, 140) for _ in range(40)][::40]
    assert told[:2] == [1, 2]
    assert max(told) >= 16
    quiet = [retrying.turned_away(second) for second in range(400, 800, 10)]
    assert quiet[-1] == 1

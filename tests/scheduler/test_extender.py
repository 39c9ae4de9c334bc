"""Extenders: what they are asked, and what their answers mean (kube-scheduler's extender_test.go)."""

import base64
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from umiak.kit import pki
from umiak.kit.clock import RealClock
from umiak.kit.http.server import Server, serve
from umiak.kit.tls import server_context
from umiak.scheduler import consult, preemption
from umiak.scheduler.contract import Reject
from umiak.scheduler.decide import Placement, Refusal
from umiak.scheduler.extender import (
    Asked,
    Extender,
    ExtenderFailed,
    extenders_of,
    ignored_resources,
    is_interested,
    read_filtered,
    read_scores,
    read_victims,
)

URL = "http://e"


class Answering(Extender):
    """Says what a test wants said, or fails."""

    def __init__(self, answers: dict[str, Callable[[Any], Any]], **told: Any) -> None:
        verbs = dict.fromkeys(answers, "x")
        super().__init__({"urlPrefix": URL, "nodeCacheCapable": True, **verbs, **told})
        self.answers = answers
        self.questions: list[tuple[str, Any]] = []

    async def _ask(self, verb: str, question: Any) -> Any:
        self.questions.append((verb, msgspec.json.decode(msgspec.json.encode(question))))
        return self.answers[verb](question)


def failing(question: Any) -> Any:
    raise ExtenderFailed("no answer")


def only(*names: str) -> Callable[[Any], Any]:
    return lambda question: {"NodeNames": [n for n in question["NodeNames"] if n in names]}


@pytest.mark.parametrize(
    ("managed", "spec", "want"),
    [
        pytest.param([], {}, True, id="manages everything"),
        pytest.param(["a.com/b"], {"containers": [{"resources": {"requests": {"cpu": "1"}}}]}, False, id="others"),
        pytest.param(["a.com/b"], {"containers": [{"resources": {"requests": {"a.com/b": "1"}}}]}, True, id="request"),
        pytest.param(["a.com/b"], {"containers": [{"resources": {"limits": {"a.com/b": "1"}}}]}, True, id="limit"),
        pytest.param(["a.com/b"], {"initContainers": [{"resources": {"limits": {"a.com/b": "1"}}}]}, True, id="init"),
    ],
)
def test_interest(managed, spec, want):
    assert is_interested(frozenset(managed), spec) is want


@pytest.mark.parametrize(
    ("answer", "by_name", "names", "rejected"),
    [
        pytest.param({"NodeNames": ["a"]}, True, ["a"], {}, id="names"),
        pytest.param({"nodenames": ["a"]}, True, ["a"], {}, id="in lower case"),
        pytest.param({"Nodes": {"items": [{"metadata": {"name": "b"}}]}}, False, ["b"], {}, id="objects"),
        pytest.param({"Nodes": {"items": [{"metadata": {"name": "b"}}]}}, True, ["b"], {}, id="both"),
        pytest.param({}, True, [], {}, id="nothing"),
        pytest.param(
            {"NodeNames": [], "FailedNodes": {"a": "no", "b": "no"}, "FailedAndUnresolvableNodes": {"b": "never"}},
            True,
            [],
            {"a": Reject(("no",)), "b": Reject(("never",), hopeless=True)},
            id="reasons, the hopeless ones first",
        ),
    ],
)
def test_filter_answers(answer, by_name, names, rejected):
    found = read_filtered(URL, answer, ["a", "b"], by_name)
    assert (list(found.names), found.rejected) == (names, rejected)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"Error": "broken"}, "broken"),
        (
            {"NodeNames": ["z"]},
            'extender "http://e" claims a filtered node "z" which is not found in the input node list',
        ),
    ],
)
def test_filter_answers_that_are_errors(answer, error):
    with pytest.raises(ExtenderFailed, match=error):
        read_filtered(URL, answer, ["a", "b"], by_name=True)


def test_scores_are_scaled_and_weighed():
    assert read_scores([{"Host": "a", "Score": 10}, {"host": "b", "score": 3}], 2) == {"a": 200, "b": 60}


def test_victims_that_are_not_there(world, node_of):
    world.add_nodes(node_of("a"))
    with pytest.raises(ExtenderFailed) as found:
        read_victims(URL, {"NodeNameToMetaVictims": {"a": {"Pods": [{"UID": "u"}]}}}, world.nodes)
    assert str(found.value) == (
        "extender: http://e claims to preempt pod (UID: &{u}) on node: a, but the pod is not found on that node"
    )


@pytest.fixture
def asked(pod_of, node_of):
    return Asked(pod_of("p"), node_of, lambda placed: pod_of(placed.name))


async def decided(world, pod, asked, *extenders: Extender) -> Placement | Refusal:
    return await consult.decide(world.decider, world.cycle(pod), extenders, asked)


async def test_each_is_asked_about_what_the_last_one_left(world, node_of, pod_of, asked):
    world.add_nodes(*map(node_of, "abcd"))
    first, second = Answering({"filterVerb": only("a", "b")}), Answering({"filterVerb": only("b", "c")})
    found = await decided(world, pod_of("p"), asked, first, second)
    assert found.feasible == ("b",)
    assert second.questions[0][1]["NodeNames"] == ["a", "b"]


async def test_what_they_reject_is_told(world, node_of, pod_of, asked):
    world.add_nodes(*map(node_of, "ab"))
    said = {"NodeNames": [], "FailedNodes": {"a": "too hot", "b": "too hot"}}
    found = await decided(world, pod_of("p"), asked, Answering({"filterVerb": lambda question: said}))
    assert (found.reasons(), found.plugins) == ("0/2 nodes are available: 2 too hot.", {"Extender"})


async def test_one_that_may_fail_is_passed_over(world, node_of, pod_of, asked):
    world.add_nodes(*map(node_of, "ab"))
    careless = Answering({"filterVerb": failing, "prioritizeVerb": failing}, ignorable=True)
    assert sorted((await decided(world, pod_of("p"), asked, careless)).feasible) == ["a", "b"]
    with pytest.raises(ExtenderFailed):
        await decided(world, pod_of("p"), asked, Answering({"filterVerb": failing}))


async def test_scores_are_added_and_a_rater_that_fails_adds_nothing(world, node_of, pod_of, asked):
    world.add_nodes(*map(node_of, "ab"))
    likes_b = Answering({"prioritizeVerb": lambda question: [{"Host": "b", "Score": 10}]}, weight=5)
    found = await decided(world, pod_of("p"), asked, likes_b, Answering({"prioritizeVerb": failing}, weight=5))
    assert found.node.name == "b"
    assert found.scores["b"] - found.scores["a"] == 500


async def test_whole_objects_are_sent_to_those_who_keep_none(world, node_of, pod_of, asked):
    world.add_nodes(node_of("a"), node_of("b"))
    bare = Answering({"filterVerb": lambda question: {"Nodes": question["Nodes"]}}, nodeCacheCapable=False)
    found = await decided(world, pod_of("p"), asked, bare)
    sent = bare.questions[0][1]
    assert (sent["NodeNames"], [n["metadata"]["name"] for n in sent["Nodes"]["items"]]) == (None, ["a", "b"])
    assert sent["Pod"]["metadata"]["name"] == "p"
    assert sorted(found.feasible) == ["a", "b"]


async def test_a_promised_node_must_pass_them_too(world, node_of, pod_of, asked):
    world.add_nodes(*map(node_of, "abc"))
    pod = {**pod_of("p"), "status": {"nominatedNodeName": "a"}}
    assert (await decided(world, pod, asked, Answering({"filterVerb": only("b")}))).node.name == "b"
    assert (await decided(world, pod, asked, Answering({"filterVerb": only("a", "b")}))).node.name == "a"


@pytest.fixture
def crowded(world, node_of, pod_of):
    world.add_nodes(node_of("a", cpu="1"), node_of("b", cpu="1"))
    world.add_pods(pod_of("pa", cpu="1", node="a", priority=1), pod_of("pb", cpu="1", node="b", priority=2))
    return pod_of("p", cpu="1", priority=9)


async def made_room(world, pod, asked, *extenders: Extender) -> preemption.Outcome:
    cycle = world.cycle(pod)
    refusal = world.decider.decide(cycle)
    found = preemption.look(cycle, world.plugins, refusal, (), world.decider.chance)
    return await consult.make_room(found, cycle, extenders, asked)


async def test_they_choose_among_the_victims(world, crowded, asked):
    keeps_b = Answering({"preemptVerb": lambda q: {"NodeNameToMetaVictims": {"b": q["NodeNameToMetaVictims"]["b"]}}})
    outcome = await made_room(world, crowded, asked, keeps_b)
    assert outcome.victims is not None
    assert outcome.victims.node == "b"
    assert [pod.name for pod in outcome.victims.pods] == ["pb"]
    assert keeps_b.questions[0][1]["NodeNameToMetaVictims"]["a"] == {"Pods": [{"UID": "uid-pa"}], "NumPDBViolations": 0}


async def test_nobody_may_be_made_to_leave(world, crowded, asked):
    none = Answering({"preemptVerb": lambda question: {"NodeNameToMetaVictims": {}}})
    outcome = await made_room(world, crowded, asked, none)
    assert (outcome.victims, outcome.message) == (None, "preemption: no candidate node for preemption")


@pytest.mark.parametrize("ignorable", [True, False])
async def test_a_node_without_victims_is_an_error(world, crowded, asked, ignorable):
    empty = Answering(
        {"preemptVerb": lambda question: {"NodeNameToMetaVictims": {"a": {"Pods": []}}}}, ignorable=ignorable
    )
    outcome = await made_room(world, crowded, asked, empty)
    want = "no candidate node for preemption" if ignorable else 'expected at least one victim pod on node "a"'
    assert outcome.message == f"preemption: {want}"


def test_those_that_may_fail_come_last():
    told = [{"urlPrefix": "x", "ignorable": True}, {"urlPrefix": "y"}]
    assert [each.url for each in extenders_of(told)] == ["y", "x"]


def test_resources_that_they_care_for():
    told = [{"managedResources": [{"name": "a.com/b", "ignoredByScheduler": True}, {"name": "a.com/c"}]}]
    assert ignored_resources(told) == ["a.com/b"]


NOW = RealClock().now()
AUTHORITY = pki.new_authority("extender", 1, NOW)


@pytest.fixture
async def server(tmp_path) -> AsyncIterator[Callable[[bool], Any]]:
    """Starts an extender on loopback, with or without TLS; its answers echo what was asked."""
    started: list[Server] = []

    def handle(request: Any, exchange: Any) -> None:
        question = msgspec.json.decode(request.body)
        said: Any = {"NodeNames": question.get("NodeNames"), "Error": ""}
        if request.target == "/prefix/refuse":
            exchange.reply(500, [], b"")
            return
        exchange.reply(200, [("Content-Type", "application/json")], msgspec.json.encode(said))

    async def start(secure: bool) -> str:
        context = None
        if secure:
            pair = pki.issue(AUTHORITY, "extender", ips=["127.0.0.1"], server=True, days=1, now=NOW)
            (tmp_path / "cert").write_text(pair.certificate_pem)
            (tmp_path / "key").write_text(pair.key_pem)
            context = server_context(str(tmp_path / "cert"), str(tmp_path / "key"))
        started.append(await serve(handle, "127.0.0.1", 0, ssl=context))
        return f"{'https' if secure else 'http'}://127.0.0.1:{started[-1].port}/prefix"

    yield start
    for each in started:
        await each.close(0)


@pytest.mark.parametrize(
    ("secure", "tls"),
    [
        (False, {}),
        (True, {"tlsConfig": {"caData": base64.b64encode(AUTHORITY.certificate_pem.encode()).decode()}}),
        (True, {"tlsConfig": {"insecure": True}}),
        (True, {"enableHTTPS": True}),
    ],
)
async def test_over_the_network(server, asked, secure, tls):
    extender = Extender({"urlPrefix": await server(secure), "filterVerb": "f", "nodeCacheCapable": True, **tls})
    try:
        assert list((await extender.filter(asked, ["a"])).names) == ["a"]
    finally:
        await extender.close()


async def test_a_server_that_is_not_trusted(server, asked):
    extender = Extender({"urlPrefix": await server(True), "filterVerb": "f"})
    with pytest.raises(ExtenderFailed, match="certificate"):
        await extender.filter(asked, ["a"])
    await extender.close()


async def test_a_status_that_is_not_ok(server, asked):
    url = await server(False)
    extender = Extender({"urlPrefix": url, "filterVerb": "refuse", "nodeCacheCapable": True})
    with pytest.raises(ExtenderFailed) as found:
        await extender.filter(asked, ["a"])
    assert str(found.value) == f"failed refuse with extender at URL {url}/refuse, code 500"
    await extender.close()

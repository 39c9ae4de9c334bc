"""The webhook authorizer against a server on loopback (apiserver's `plugin/pkg/authorizer/webhook`)."""

import random

import pytest

from umiak.server.access.authorization import union
from umiak.server.access.member import Webhook
from umiak.server.access.row import AlwaysAllow, AlwaysDeny
from umiak.server.access.webhook_authorizer import BOTH, WebhookAuthorizer, judged, question
from umiak.server.contract import Attributes, Decision, User
from umiak.testing.clock import VirtualClock

ADA = User("ada", "7", ("crew",), {"team": ("red", "blue")})
GET_POD = Attributes(ADA, "get", "", "v1", "pods", "", "default", "p")


def webhook(kubeconfig, **changes):
    about = {"version": "v1", "timeout": 5, "authorized_ttl": 300, "unauthorized_ttl": 30, **changes}
    return Webhook(kubeconfig=kubeconfig, **about)


def saying(**status):
    def answer(method, target, body):
        return 200, {**body, "status": status}

    return answer


@pytest.fixture
async def made(beside):
    clock = VirtualClock()
    all_made = []

    def make(**changes):
        authorizer = WebhookAuthorizer(webhook(beside.kubeconfig(), **changes), clock, random.Random(1))
        all_made.append(authorizer)
        return authorizer

    make.clock = clock
    yield make
    for authorizer in all_made:
        await authorizer.close()


@pytest.mark.parametrize(
    ("asked", "spec"),
    [
        pytest.param(
            GET_POD,
            {
                "resourceAttributes": {
                    "namespace": "default",
                    "verb": "get",
                    "version": "v1",
                    "resource": "pods",
                    "name": "p",
                },
            },
            id="resource",
        ),
        pytest.param(
            Attributes(ADA, "get", path="/healthz", is_resource=False),
            {"nonResourceAttributes": {"path": "/healthz", "verb": "get"}},
            id="path",
        ),
        pytest.param(
            Attributes(ADA, "list", "", "v1", "pods", fields="spec.nodeName=n,a!=b", labels="x in (1,2),!y,z"),
            {
                "resourceAttributes": {
                    "verb": "list",
                    "version": "v1",
                    "resource": "pods",
                    "fieldSelector": {
                        "requirements": [
                            {"key": "a", "operator": "NotIn", "values": ["b"]},
                            {"key": "spec.nodeName", "operator": "In", "values": ["n"]},
                        ]
                    },
                    "labelSelector": {
                        "requirements": [
                            {"key": "x", "operator": "In", "values": ["1", "2"]},
                            {"key": "y", "operator": "DoesNotExist"},
                            {"key": "z", "operator": "Exists"},
                        ]
                    },
                }
            },
            id="selectors (KEP-4601)",
        ),
        pytest.param(
            Attributes(ADA, "list", "", "v1", "pods", labels="x in ("),
            {"resourceAttributes": {"verb": "list", "version": "v1", "resource": "pods"}},
            id="a selector nobody understands",
        ),
    ],
)
def test_the_question(asked, spec):
    who = {"user": "ada", "uid": "7", "groups": ["crew"], "extra": {"team": ["red", "blue"]}}
    assert question(asked) == {**spec, **who}


@pytest.mark.parametrize(
    ("status", "decision"),
    [
        ({"allowed": True, "reason": "ok"}, Decision(True, "ok")),
        ({"allowed": False, "reason": "no"}, Decision(False, "no")),
        ({"denied": True, "reason": "never"}, Decision(False, "never", denied=True)),
        ({"allowed": True, "denied": True}, Decision(False, "", denied=True, error=BOTH)),
        ({}, Decision(False)),
    ],
)
def test_the_answer(status, decision):
    assert judged(status) == decision


async def test_asks_and_remembers(made, beside):
    beside.answer = saying(allowed=True, reason="because")
    authorizer = made()
    for _ in range(3):
        assert await authorizer.authorize(GET_POD) == Decision(True, "because")
    ((method, target, body),) = beside.asked
    assert (method, target) == ("POST", "/ask?timeout=5s")
    assert (body["kind"], body["apiVersion"]) == ("SubjectAccessReview", "authorization.k8s.io/v1")
    await made.clock.advance(301)
    await authorizer.authorize(GET_POD)
    assert len(beside.asked) == 2


async def test_a_no_is_remembered_for_a_shorter_time(made, beside):
    beside.answer = saying(allowed=False)
    authorizer = made()
    await authorizer.authorize(GET_POD)
    await made.clock.advance(31)
    await authorizer.authorize(GET_POD)
    assert len(beside.asked) == 2


async def test_an_endless_name_is_not_remembered(made, beside):
    beside.answer = saying(allowed=True)
    authorizer = made()
    for _ in range(2):
        await authorizer.authorize(Attributes(ADA, "get", "", "v1", "pods", "", "default", "p" * 10_000))
    assert len(beside.asked) == 2


@pytest.mark.parametrize("denies", [True, False])
async def test_failure(made, beside, denies):
    beside.answer = lambda method, target, body: (403, {"kind": "Status", "apiVersion": "v1", "message": "go away"})
    decision = await made(denies_on_failure=denies).authorize(GET_POD)
    assert decision == Decision(False, denied=denies, error="go away")
    assert len(beside.asked) == 1


async def test_nobody_there(made, beside):
    authorizer = made()
    port = beside.server.port
    await beside.server.close(0)
    decision = await authorizer.authorize(GET_POD)
    why = f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert decision.error == f'Post "https://127.0.0.1:{port}/ask?timeout=5s": {why}'


async def test_the_old_version_has_another_name_for_groups(made, beside):
    beside.answer = saying(allowed=True)
    assert (await made(version="v1beta1").authorize(GET_POD)).allowed
    assert beside.asked[0][2]["spec"]["group"] == ["crew"]


@pytest.mark.parametrize(
    ("condition", "asks"),
    [
        ("request.user == 'ada'", True),
        ("request.user != 'ada'", False),
        ("has(request.resourceAttributes) && request.resourceAttributes.namespace == 'default'", True),
        ("has(request.nonResourceAttributes)", False),
        ("'crew' in request.groups && request.extra['team'].exists(t, t == 'red')", True),
    ],
)
async def test_conditions(made, beside, condition, asks):
    beside.answer = saying(allowed=True)
    decision = await made(conditions=(condition,)).authorize(GET_POD)
    assert (decision.allowed, bool(beside.asked)) == (asks, asks)


async def test_a_condition_that_fails(made, beside):
    text = "request.extra['none'][0] == 'x'"
    decision = await made(conditions=(text,), denies_on_failure=True).authorize(GET_POD)
    why = f"cel evaluation error: expression '{text}' resulted in error: no such key: none"
    assert decision == Decision(False, denied=True, error=why)
    assert await made(conditions=(text, "false")).authorize(GET_POD) == Decision(False)


async def test_the_row_takes_the_first_word_that_counts():
    named = (("a", AlwaysDeny()), ("b", AlwaysDeny()))
    assert await union(named, GET_POD) == Decision(False, "a: Everything is forbidden.\nb: Everything is forbidden.")
    assert (await union((*named, ("c", AlwaysAllow())), GET_POD)).allowed

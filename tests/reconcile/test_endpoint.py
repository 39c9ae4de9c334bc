"""What scheduler and controllers tell of themselves, and to whom."""

import msgspec
import pytest

from umiak.client.reviews import Reviews
from umiak.reconcile.endpoint import Endpoint, health
from umiak.scheduler.configuration.reading import defaults
from umiak.testing.clock import VirtualClock


class Judge:
    """An API server that knows two tokens; only one may read metrics."""

    async def raw(self, method: str, path: str, body: dict, **_: object):
        spec = body["spec"]
        if body["kind"] == "TokenReview":
            known = spec["token"] in ("reader", "stranger")
            status = {"authenticated": known, "user": {"username": spec["token"]}}
        else:
            status = {"allowed": spec["user"] == "reader" and spec["nonResourceAttributes"]["verb"] == "get"}
        return type("Answer", (), {"body": msgspec.json.encode({"status": status})})


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(
        Reviews(Judge(), VirtualClock()), {"sched-handler-sync": lambda: False}, lambda: b"m 1\n", defaults()
    )


@pytest.mark.parametrize(
    ("method", "target", "authorization", "status"),
    [
        ("GET", "/healthz", "", 200),
        ("GET", "/livez", "", 200),
        ("GET", "/readyz", "", 500),
        ("GET", "/metrics", "", 403),
        ("GET", "/metrics", "Bearer nobody", 401),
        ("GET", "/metrics", "Bearer stranger", 403),
        ("GET", "/metrics", "Bearer reader", 200),
        ("GET", "/configz", "Bearer reader", 200),
        ("POST", "/configz", "Bearer reader", 403),
        ("GET", "/nothing", "Bearer reader", 404),
    ],
)
async def test_who_may_see_what(endpoint, method, target, authorization, status):
    assert (await endpoint.answer(method, target, authorization))[0] == status


async def test_a_refusal_is_told_as_the_reference_does(endpoint):
    """As kube-scheduler 1.37.1 answered."""
    _, _, body = await endpoint.answer("GET", "/foo", "")
    assert msgspec.json.decode(body) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'forbidden: User "system:anonymous" cannot get path "/foo"',
        "reason": "Forbidden",
        "details": {},
        "code": 403,
    }


def test_health_check_by_check():
    assert health("healthz", {"ping": lambda: True}, verbose=True)[2] == b"[+]ping ok\nhealthz check passed\n"
    status, _, body = health("readyz", {"ping": lambda: True, "sched-handler-sync": lambda: False}, verbose=False)
    assert (status, body) == (
        500,
        b"[+]ping ok\n[-]sched-handler-sync failed: reason withheld\nreadyz check failed\n",
    )


async def test_the_configuration_is_complete(endpoint):
    found = msgspec.json.decode((await endpoint.answer("GET", "/configz", "Bearer reader"))[2])["componentconfig"]
    assert (found["parallelism"], found["clientConnection"]["qps"]) == (16, 50)
    sets = found["profiles"][0]["plugins"]
    assert sets["multiPoint"]["enabled"][:4] == [
        {"name": "SchedulingGates", "weight": 0},
        {"name": "PrioritySort", "weight": 0},
        {"name": "NodeName", "weight": 0},
        {"name": "NodeUnschedulable", "weight": 0},
    ]
    assert sets["score"] == {}

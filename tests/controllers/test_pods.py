"""What is asked about pods, and which of them would be missed least."""

from datetime import timedelta
from typing import Any

import pytest

from umiak.controllers import _pods as pods
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.clock import NOON


def ago(seconds: float) -> str:
    return meta.format_time(NOON - timedelta(seconds=seconds))


def a_pod(name: str = "p", *, phase: str = "Running", ready: float | None = 1000, **more: Any) -> Object:
    """`ready`: for how many seconds; None: not."""
    about = {"name": name, "uid": name, "creationTimestamp": ago(more.get("age", 5000))}
    if "cost" in more:
        about["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": more["cost"]}
    if more.get("deleting"):
        about["deletionTimestamp"] = ago(1)
    condition = {"type": "Ready", "status": "False" if ready is None else "True"}
    condition["lastTransitionTime"] = ago(ready or 0)
    containers = [{"name": "c", "restartCount": more.get("restarts", 0)}]
    status = {"phase": phase, "conditions": [condition], "containerStatuses": containers}
    return {"metadata": about, "spec": {"nodeName": more.get("node", "one")}, "status": status}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(a_pod("a", node=""), a_pod("b", ready=None), id="not assigned"),
        pytest.param(a_pod("a", phase="Pending"), a_pod("b", ready=None), id="pending"),
        pytest.param(a_pod("a", ready=None), a_pod("b", cost="-10"), id="not ready"),
        pytest.param(a_pod("a", cost="-1"), a_pod("b"), id="cheaper"),
        pytest.param(a_pod("a", ready=10), a_pod("b", ready=1000), id="ready for less time"),
        pytest.param(a_pod("a", restarts=2), a_pod("b"), id="restarted more often"),
        pytest.param(a_pod("a", age=10), a_pod("b", age=5000), id="younger"),
        pytest.param(a_pod("a", ready=900), a_pod("b", ready=950), id="about one age: by uid"),
    ],
)
def test_who_goes_first(first: Object, second: Object) -> None:
    victims = pods.Victims((), NOON)
    assert victims.choose([second, first], 1) == [first]
    assert victims.choose([first, second], 1) == [first]


def test_pods_that_share_their_node_go_first() -> None:
    crowd = [a_pod("x", node="two"), a_pod("y", node="two"), a_pod("z", node="one")]
    assert pods.Victims(crowd, NOON).choose(crowd, 1)[0]["spec"]["nodeName"] == "two"


@pytest.mark.parametrize(
    ("text", "cost"), [("7", 7), ("-7", -7), ("0", 0), ("+7", 0), ("007", 0), ("x", 0), ("", 0), ("2147483648", 0)]
)
def test_deletion_cost(text: str, cost: int) -> None:
    assert pods.deletion_cost(a_pod(cost=text)) == cost


@pytest.mark.parametrize(
    ("ready", "min_ready", "available"), [(None, 0, False), (0, 0, True), (9, 10, False), (10, 10, True)]
)
def test_availability(ready: float | None, min_ready: int, available: bool) -> None:
    assert pods.is_available(a_pod(ready=ready), min_ready, NOON) is available


def test_until_the_next_is_available() -> None:
    some = [a_pod(ready=3), a_pod(ready=7), a_pod(ready=30), a_pod(ready=None)]
    assert pods.until_next_available(some, 10, NOON) == timedelta(seconds=3)
    assert pods.until_next_available(some[2:], 10, NOON) is None


def test_active_and_terminating() -> None:
    assert pods.is_active(a_pod())
    assert not pods.is_active(a_pod(deleting=True))
    assert pods.is_terminating(a_pod(deleting=True))
    assert not pods.is_terminating(a_pod(deleting=True, phase="Failed"))


def test_a_pod_from_a_template_can_be_changed_alone() -> None:
    owner = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "namespace": "n", "uid": "u"}}
    template = {"metadata": {"labels": {"a": "b"}, "finalizers": ["f"]}, "spec": {"containers": []}}
    made = pods.pod_from_template(template, owner)
    made["metadata"]["labels"]["c"] = "d"
    made["spec"]["hostname"] = "h"
    assert template == {"metadata": {"labels": {"a": "b"}, "finalizers": ["f"]}, "spec": {"containers": []}}
    assert made["metadata"]["generateName"] == "x-"


@pytest.mark.parametrize(("length", "prefix"), [(252, "x" * 252 + "-"), (253, "x" * 253)])
def test_long_names_lose_the_dash(length: int, prefix: str) -> None:
    assert pods.pod_prefix("x" * length) == prefix

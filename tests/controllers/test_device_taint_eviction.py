"""Pods leave tainted devices (situations of the reference's device_taint_eviction_test.go)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from umiak.api.core.pod import KIND as POD
from umiak.api.resource.devicetaintrule import KIND as RULE
from umiak.api.resource.resourceclaim import KIND as CLAIM
from umiak.api.resource.resourceslice import KIND as SLICE
from umiak.controllers._device_taints import (
    Cause,
    Count,
    current,
    leaves_at,
    pod_eviction,
    progress,
    rule_taints,
    selects,
    slice_taints,
    tolerates,
)
from umiak.controllers._pods import condition
from umiak.controllers.device_taint_eviction import CONTROLLER
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.workbench import Workbench

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
AT_NOON = meta.format_time(NOON)
DRIVER, POOL = "d.example.com", "p"
FOR_EVER = {"operator": "Exists", "effect": "NoExecute"}
FIVE = {**FOR_EVER, "tolerationSeconds": 5}
TEN = {**FOR_EVER, "tolerationSeconds": 10}


def taint(effect: str = "NoExecute", **more: Any) -> Object:
    return {"key": "broken", "value": "yes", "effect": effect, "timeAdded": AT_NOON, **more}


def rule(uid: str = "r", effect: str = "NoExecute", **selector: str) -> Object:
    about = {"name": uid, "uid": uid, "generation": 1}
    return {"metadata": about, "spec": {"deviceSelector": selector, "taint": taint(effect)}}


def result(device: str = "one", *tolerations: Object) -> Object:
    return {"request": "r", "driver": DRIVER, "pool": POOL, "device": device, "tolerations": list(tolerations)}


def slice_of(name: str = "s", generation: int = 1, **devices: list[Object]) -> Object:
    listed = [{"name": d, "taints": taints} for d, taints in devices.items()]
    pool = {"name": POOL, "generation": generation, "resourceSliceCount": 1}
    return {"metadata": {"name": name}, "spec": {"driver": DRIVER, "pool": pool, "nodeName": "n", "devices": listed}}


@pytest.mark.parametrize(
    ("toleration", "does"),
    [
        ({"operator": "Exists", "effect": "NoExecute"}, True),
        ({"operator": "Exists", "effect": "NoExecute", "key": "broken"}, True),
        ({"operator": "Exists", "effect": "NoExecute", "key": "other"}, False),
        ({"operator": "Equal", "effect": "NoExecute", "key": "broken", "value": "yes"}, True),
        ({"operator": "Equal", "effect": "NoExecute", "key": "broken", "value": "no"}, False),
        ({"operator": "Exists", "effect": "NoSchedule"}, False),
        ({"operator": "Exists"}, False),
    ],
)
def test_what_is_tolerated(toleration: Object, does: bool) -> None:
    assert tolerates(toleration, taint()) is does


@pytest.mark.parametrize(
    ("tolerations", "seconds"),
    [
        ((), 0),
        ((FOR_EVER,), None),
        ((TEN,), 10),
        ((TEN, FIVE), 5),
        ((TEN, FOR_EVER), None),
        (({**TEN, "tolerationSeconds": -3},), 0),
    ],
)
def test_for_how_long(tolerations: tuple[Object, ...], seconds: int | None) -> None:
    want = None if seconds is None else NOON + timedelta(seconds=seconds)
    assert leaves_at(taint(), tolerations) == want


@pytest.mark.parametrize(
    ("selector", "does"),
    [
        ({}, True),
        ({"driver": DRIVER}, True),
        ({"driver": DRIVER, "pool": POOL, "device": "one"}, True),
        ({"driver": "other"}, False),
        ({"pool": POOL, "device": "two"}, False),
    ],
)
def test_what_a_rule_selects(selector: dict[str, str], does: bool) -> None:
    assert selects(rule(**selector), DRIVER, POOL, "one") is does


def test_a_rule_without_selector_is_about_nothing() -> None:
    assert not selects({"spec": {"taint": taint()}}, DRIVER, POOL, "one")


def test_only_the_newest_generation_of_a_pool_counts() -> None:
    old, new = slice_of("old", 1, one=[taint()]), slice_of("new", 2, one=[])
    assert current([old, new]) == [new]
    assert list(slice_taints([old, new], result())) == []
    assert [c for c, _ in slice_taints([old], result())] == [Cause(True, "", (DRIVER, POOL, "one"))]


def test_only_no_execute_counts() -> None:
    assert list(slice_taints([slice_of(one=[taint("NoSchedule")])], result())) == []
    assert list(rule_taints([rule(effect="NoSchedule"), rule(effect="None")], result())) == []
    assert [c.rule for c, _ in rule_taints([rule("a"), rule("b", device="two")], result())] == ["a"]


def pod(node: str = "n", uid: str = "u") -> Object:
    spec = {"resourceClaims": [{"name": "a", "resourceClaimName": "a"}, {"name": "b", "resourceClaimName": "b"}]}
    about = {"name": "web", "namespace": "default", "uid": uid}
    return {"metadata": about, "spec": spec | ({"nodeName": node} if node else {})}


def claim(*found: Object, user: str = "u") -> Object:
    reserved = [{"resource": "pods", "name": "web", "uid": user}]
    return {"metadata": {}, "status": {"allocation": {"devices": {"results": list(found)}}, "reservedFor": reserved}}


@pytest.mark.parametrize(
    ("given", "claims", "seconds", "causes"),
    [
        pytest.param(pod(), {}, None, 0, id="no claim"),
        pytest.param(pod(node=""), {"a": claim(result())}, None, 0, id="no node yet"),
        pytest.param(pod(), {"a": claim(result())}, 0, 1, id="not tolerated"),
        pytest.param(pod(), {"a": claim(result("one", FOR_EVER))}, None, 0, id="tolerated"),
        pytest.param(pod(), {"a": claim(result("one", TEN))}, 10, 1, id="tolerated for a while"),
        pytest.param(pod(), {"a": claim(result(), user="other")}, None, 0, id="another pod's"),
        pytest.param(pod(), {"a": claim(result("one", TEN)), "b": claim(result("one", FIVE))}, 5, 1, id="the earliest"),
        pytest.param(pod(), {"a": claim(result("two"))}, None, 0, id="another device"),
    ],
)
def test_when_a_pod_must_go(given: Object, claims: dict[str, Object], seconds: int | None, causes: int) -> None:
    found = pod_eviction(given, claims.get, lambda r: rule_taints([rule(device="one")], r))
    if seconds is None:
        assert found is None
    else:
        assert found is not None
        assert (found.when, len(found.causes)) == (NOON + timedelta(seconds=seconds), causes)


@pytest.mark.parametrize(
    ("effect", "count", "evicted", "status", "reason", "message"),
    [
        ("NoExecute", Count(), 0, "False", "NotStarted", ""),
        (
            "NoExecute",
            Count(pods=1, namespaces=1),
            0,
            "True",
            "PodsPendingEviction",
            "1 pod needs to be evicted in 1 namespace.",
        ),
        (
            "NoExecute",
            Count(pods=3, namespaces=2),
            1,
            "True",
            "PodsPendingEviction",
            "3 pods need to be evicted in 2 different namespaces. 1 pod evicted since starting the controller.",
        ),
        ("NoExecute", Count(), 2, "False", "Completed", "2 pods evicted since starting the controller."),
        ("NoSchedule", Count(), 0, "False", "OtherEffect", "Eviction only happens for the NoExecute effect."),
        (
            "None",
            Count(1, 2, 0, 0),
            0,
            "False",
            "NoEffect",
            "1 published device selected. 2 allocated devices selected. 0 pods would be evicted in 0 different "
            "namespaces if the effect was NoExecute. This information will not be updated again. "
            "Recreate the DeviceTaintRule to trigger an update.",
        ),
    ],
)
def test_how_far_a_rule_is(effect: str, count: Count, evicted: int, status: str, reason: str, message: str) -> None:
    made = progress(rule(effect=effect), count, evicted)
    assert (made["status"], made["reason"], made["message"]) == (status, reason, message)
    assert made["observedGeneration"] == 1


@pytest.fixture
async def cluster() -> AsyncIterator[Workbench]:
    """A pod `web` on a node, with the device `one`."""
    async with Workbench.real() as cluster, cluster.running(CONTROLLER):
        await cluster.create(SLICE, slice_of(one=[], two=[]))
        about = {"name": "web", "namespace": "default"}
        spec = {"containers": [{"name": "c", "image": "c"}], "nodeName": "n"}
        uses = [{"name": "a", "resourceClaimName": "a"}]
        made = await cluster.create(POD, {"metadata": about, "spec": {**spec, "resourceClaims": uses}})
        request = {"name": "r", "exactly": {"deviceClassName": "gpu", "tolerations": [TEN]}}
        wish = {"devices": {"requests": [request]}}
        status = {
            "allocation": {"devices": {"results": [result("one", TEN)]}},
            "reservedFor": [{"resource": "pods", "name": "web", "uid": meta.uid(made)}],
        }
        await cluster.create(CLAIM, {"metadata": {**about, "name": "a"}, "spec": wish}, status=status)
        yield cluster


async def put_rule(cluster: Workbench, effect: str = "NoExecute") -> None:
    spec = {"deviceSelector": {"device": "one"}, "taint": {"key": "broken", "effect": effect}}
    await cluster.create(RULE, {"metadata": {"name": "r"}, "spec": spec})


async def told_of_rule(cluster: Workbench) -> tuple[str, str, str]:
    found = condition(await cluster.client.get(RULE, "r"), "EvictionInProgress")
    assert found is not None
    return found["status"], found["reason"], found["message"]


async def test_a_rule_evicts_when_the_time_is_up(cluster: Workbench) -> None:
    await put_rule(cluster)
    assert await told_of_rule(cluster) == (
        "True",
        "PodsPendingEviction",
        "1 pod needs to be evicted in 1 namespace.",
    )
    await cluster.clock.advance(9)
    assert not meta.is_being_deleted(await cluster.client.get(POD, "web", "default"))
    await cluster.clock.advance(2)
    gone = await cluster.client.get(POD, "web", "default")
    assert meta.is_being_deleted(gone)
    found = condition(gone, "DisruptionTarget") or {}
    assert (found["reason"], found["message"]) == (
        "DeletionByDeviceTaintManager",
        "Device Taint manager: deleting due to NoExecute taint",
    )
    assert ("DeviceTaintManagerEviction", "web", "Marking for deletion") in await cluster.events("default")
    await cluster.clock.advance(21)
    assert await told_of_rule(cluster) == ("False", "Completed", "1 pod evicted since starting the controller.")


async def test_a_rule_that_is_taken_back_evicts_nobody(cluster: Workbench) -> None:
    await put_rule(cluster)
    await cluster.clock.advance(5)
    await cluster.delete(RULE, "r")
    await cluster.clock.advance(20)
    assert not meta.is_being_deleted(await cluster.client.get(POD, "web", "default"))
    assert ("DeviceTaintManagerEviction", "web", "Cancelling deletion") in await cluster.events("default")


async def test_a_rule_without_effect_tells_what_it_would_do(cluster: Workbench) -> None:
    await put_rule(cluster, "None")
    _, reason, message = await told_of_rule(cluster)
    assert reason == "NoEffect"
    selected = "1 published device selected. 1 allocated device selected. 1 pod would be evicted in 1 namespace"
    assert message.startswith(selected)


async def test_a_driver_taints_its_device(cluster: Workbench) -> None:
    devices = [{"name": "one", "taints": [{"key": "broken", "effect": "NoExecute"}]}, {"name": "two"}]
    await cluster.patch(SLICE, "s", "", {"spec": {"devices": devices}})
    await cluster.clock.advance(11)
    assert meta.is_being_deleted(await cluster.client.get(POD, "web", "default"))

"""Hints by the annotation topology-mode: situations of `k8s.io/endpointslice/topologycache/*_test.go`."""

from typing import Any

import pytest

from umiak.api.core import node, pod, service
from umiak.api.discovery import endpointslice
from umiak.controllers._topology import (
    MODE,
    NO_NODES,
    NO_ZONE,
    OVERLOADED,
    TOO_FEW,
    Allocation,
    Verdict,
    allocations,
    capacity,
    decide,
    exchange,
    is_overloaded,
    shares,
)
from umiak.controllers.endpointslice import CONTROLLER
from umiak.objects.types import Object

THREE = {"a": 0.35, "b": 0.35, "c": 0.30}


def an_endpoint(zone: str, ready: bool | None = True, hint: str = "") -> Object:
    made: Object = {"addresses": ["10.1.2.3"], "conditions": {} if ready is None else {"ready": ready}}
    if zone:
        made["zone"] = zone
    if hint:
        made["hints"] = {"forZones": [{"name": hint}]}
    return made


def a_slice(*endpoints: Object | str) -> Object:
    return {"endpoints": [an_endpoint(e) if isinstance(e, str) else e for e in endpoints]}


def hinted(*pairs: str) -> Object:
    """ "ab": in zone a, serving zone b."""
    return a_slice(*(an_endpoint(p[0], hint=p[1]) for p in pairs))


@pytest.mark.parametrize(
    ("changing", "of", "problem"),
    [
        ([], {}, NO_NODES),
        ([a_slice("a")], {}, NO_NODES),
        ([a_slice("a", "b")], {"a": 0.3, "b": 0.4, "c": 0.3}, f"{TOO_FEW} (2 endpoints, 3 zones)"),
        ([a_slice("a", "")], {"a": 0.45, "b": 0.55}, NO_ZONE),
        ([a_slice("a", "b", "b")], {"a": 0.9, "b": 0.1}, f"{OVERLOADED} (3 endpoints, 2 zones)"),
    ],
)
def test_problems(changing: list[Object], of: dict[str, float], problem: str) -> None:
    assert decide(changing, [], of) == Verdict(problem)


def test_every_zone_its_own() -> None:
    """Those that are not ready get no hint and do not count."""
    slice = a_slice("a", "b", an_endpoint("b", False), an_endpoint("b", None), an_endpoint("", False))
    verdict = decide([slice], [], {"a": 0.45, "b": 0.55})
    assert (verdict.hints, verdict.counts) == ([["a", "b", "", "", ""]], {"a": 1, "b": 1})


def test_a_zone_with_too_many_serves_another() -> None:
    changing = [a_slice("a", "b"), a_slice("c", "c", "a"), a_slice("a", "a"), a_slice("b", "c", "a")]
    verdict = decide(changing, [], THREE)
    assert verdict.hints == [["b", "b"], ["c", "c", "a"], ["a", "a"], ["b", "c", "a"]]
    assert verdict.counts == {"a": 4, "b": 3, "c": 3}


@pytest.mark.parametrize(
    ("unchanged", "unfit"),
    [
        pytest.param(hinted("aa", "bb"), False, id="right"),
        pytest.param(a_slice("a", "b"), True, id="no hints"),
        pytest.param(hinted("aa", "bz"), True, id="a zone that is gone"),
        pytest.param(hinted("aa", "aa", "ba", "ba"), True, id="too many for one zone"),
        pytest.param(a_slice(an_endpoint("b", False)), False, id="none ready"),
    ],
)
def test_slices_stay_while_their_hints_will_do(unchanged: Object, unfit: bool) -> None:
    verdict = decide([a_slice("a", "b")], [unchanged], {"a": 0.5, "b": 0.5})
    assert verdict.unfit == ([unchanged] if unfit else [])
    assert len(verdict.hints) == 1 + unfit


@pytest.mark.parametrize(
    ("desired", "counts", "gives", "takes"),
    [
        ({}, {}, {}, {}),
        ({"a": 1.2, "b": 1.1, "c": 1.0}, {"a": 1, "b": 1, "c": 1}, {}, {}),
        ({"a": 5.1, "b": 5.1, "c": 5.8}, {"a": 16}, {"a": 10}, {"b": 5, "c": 5}),
        ({"a": 5.0, "b": 5.6, "c": 5.4}, {"a": 16}, {"a": 11}, {"b": 6, "c": 5}),
        ({"a": 5.0, "b": 5.6, "c": 5.4}, {"b": 8, "c": 8}, {"b": 2, "c": 3}, {"a": 5}),
    ],
)
def test_exchange(desired: Any, counts: Any, gives: Any, takes: Any) -> None:
    assert exchange({z: Allocation(0, 0, n) for z, n in desired.items()}, counts) == (gives, takes)


def test_allocations() -> None:
    large, small = Allocation(3, 4, 3.5), Allocation(3, 4, 3.0)
    assert allocations(10, THREE) == {"a": large, "b": large, "c": small}


def a_node(zone: str = "a", cpu: str = "1", ready: str = "True", **labels: str) -> Object:
    about = {"labels": {**({"topology.kubernetes.io/zone": zone} if zone else {}), **labels}}
    conditions = [{"type": "Ready", "status": ready}]
    return {"metadata": about, "status": {"allocatable": {"cpu": cpu}, "conditions": conditions}}


MASTER = {"node-role.kubernetes.io/control-plane": ""}


@pytest.mark.parametrize(
    ("nodes", "found"),
    [
        ([], {}),
        ([a_node()], {}),
        ([a_node(), a_node()], {}),
        ([a_node(), a_node("b", "1000m")], {"a": 0.5, "b": 0.5}),
        ([a_node(), a_node("b", ready="False")], {}),
        ([a_node(), a_node("b", ready="False"), a_node("c")], {"a": 0.5, "c": 0.5}),
        ([a_node(), a_node("b", **MASTER), a_node("c", "3")], {"a": 0.25, "c": 0.75}),
        ([a_node(), a_node("b"), a_node("")], {}),
        ([a_node(), a_node("b"), a_node("c", "0")], {}),
    ],
)
def test_shares(nodes: list[Object], found: dict[str, float]) -> None:
    assert shares(c for n in nodes if (c := capacity(n)) is not None) == found


@pytest.mark.parametrize(
    ("counts", "of", "too_much"),
    [
        ({}, {"a": 1.0}, False),
        ({"a": 1}, {}, True),
        ({"a": 1}, {"a": 0.5, "b": 0.5}, True),
        ({"a": 5, "b": 5}, {"a": 0.6, "b": 0.4}, False),
        ({"a": 5, "b": 5}, {"a": 0.61, "b": 0.39}, True),
    ],
)
def test_overload(counts: dict[str, int], of: dict[str, float], too_much: bool) -> None:
    assert is_overloaded(counts, of) is too_much


async def test_a_service_is_told(world: Any) -> None:
    """`checkNodeTopologyDistribution`: nodes that come wake a Service whose hints no longer fit."""
    for name in ("a", "b"):
        await world.create(node.KIND, {**a_node(name), "metadata": {"name": name, **a_node(name)["metadata"]}})
    web = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}, "ports": []}}
    web["spec"] |= {"clusterIP": "10.96.0.1", "ipFamilies": ["IPv4"]}
    web["metadata"]["annotations"] = {MODE: "Auto"}

    async def hints() -> dict[str, str]:
        slices = await world.list(endpointslice.KIND)
        found = [e for s in slices for e in s["endpoints"]]
        return {e["targetRef"]["name"]: e["hints"]["forZones"][0]["name"] if "hints" in e else "" for e in found}

    async with world.running(CONTROLLER):
        await world.create(service.KIND, web)
        for name in ("a", "b"):
            about = {"name": f"on-{name}", "namespace": "default", "labels": {"app": "web"}}
            await world.create(pod.KIND, {"metadata": about, "spec": {"nodeName": name, "containers": []}})
            ip = f"10.0.0.{ord(name)}"
            await world.set_pod(f"on-{name}", "Running", ready=True, podIP=ip, podIPs=[{"ip": ip}])
        assert await hints() == {"on-a": "a", "on-b": "b"}
        more = a_node("c")
        await world.create(node.KIND, {**more, "metadata": {"name": "c", **more["metadata"]}})
        assert await hints() == {"on-a": "", "on-b": ""}
        await world.client.delete(node.KIND, "c")
        await world.change(service.KIND, "web", {"metadata": {"annotations": {"x": "y"}}})
        assert await hints() == {"on-a": "a", "on-b": "b"}
        await world.change(service.KIND, "web", {"metadata": {"annotations": {MODE: None}}})
        assert await hints() == {"on-a": "", "on-b": ""}
    family = ", addressType: IPv4"
    assert {
        f"TopologyAwareHintsEnabled: Topology Aware Hints has been enabled{family}",
        f"TopologyAwareHintsDisabled: Insufficient number of endpoints (2 endpoints, 3 zones){family}",
        f"TopologyAwareHintsDisabled: Topology Aware Hints has been disabled{family}",
    } <= set(await world.told())

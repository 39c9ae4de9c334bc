"""EndpointSlice: what slices hold, and that few of them change."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umiak.api.core import pod, service
from umiak.api.discovery import endpointslice
from umiak.controllers import endpointslice as controller
from umiak.controllers.endpointslice import CONTROLLER, Changes, decide
from umiak.objects import meta
from umiak.objects.types import Object

LABELS = {"app": "web"}
ZONES = {"one": "zone-a"}


def a_service(**spec: Any) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}]
    spec = {"selector": LABELS, "clusterIP": "10.96.0.1", "ipFamilies": ["IPv4"], "ports": ports, **spec}
    about = {"name": "web", "namespace": "default", "uid": "service", "labels": {"team": "a"}}
    about["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": spec}


def a_pod(number: int = 1, *, ready: bool = True, port: int = 8080, **more: Any) -> Object:
    about = {"name": f"web-{number}", "namespace": "default", "uid": f"uid-{number}", "labels": LABELS}
    containers = [{"name": "c", "ports": [{"name": "web", "containerPort": port, "protocol": "TCP"}]}]
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-02T00:00:00Z"}]
    ip = f"10.1.{number // 250}.{number % 250 + 1}"
    status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": conditions}
    made = {"metadata": about, "spec": {"nodeName": "one", "containers": containers}, "status": status}
    for field, value in more.items():
        made[field] = {**made[field], **value}
    return made


def stored(changes: Changes, slices: list[Object] | None = None) -> list[Object]:
    """The slices after the changes."""
    kept = {meta.name(s): s for s in slices or []}
    for gone in changes.delete:
        del kept[meta.name(gone)]
    kept |= {meta.name(s): s for s in changes.update}
    for number, made in enumerate(changes.create):
        name = f"web-{len(kept)}-{number}"
        kept[name] = {**made, "metadata": {**made["metadata"], "name": name, "uid": name}}
    return list(kept.values())


def names(slices: list[Object]) -> list[str]:
    return sorted(e["targetRef"]["name"] for s in slices for e in s["endpoints"])


def test_a_slice_in_full() -> None:
    [made] = decide(a_service(), [a_pod()], ZONES, []).create
    assert made == {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": "web-",
            "namespace": "default",
            "labels": {
                "team": "a",
                "kubernetes.io/service-name": "web",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "annotations": {"endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"},
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": "web",
                    "uid": "service",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": ["10.1.0.2"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "namespace": "default", "name": "web-1", "uid": "uid-1"},
                "nodeName": "one",
                "zone": "zone-a",
            }
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def test_nothing_changes_when_nothing_changed() -> None:
    pods = [a_pod(n) for n in range(3)]
    slices = stored(decide(a_service(), pods, ZONES, []))
    again = decide(a_service(), pods, ZONES, slices)
    assert (again.create, again.update, again.delete) == ([], [], [])


@pytest.mark.parametrize(
    ("pod", "service", "conditions"),
    [
        pytest.param(a_pod(), a_service(), (True, True, False), id="ready"),
        pytest.param(a_pod(ready=False), a_service(), (False, False, False), id="not ready"),
        pytest.param(
            a_pod(ready=False), a_service(publishNotReadyAddresses=True), (True, False, False), id="published anyway"
        ),
        pytest.param(
            a_pod(metadata={"deletionTimestamp": "2026-01-02T00:00:00Z"}),
            a_service(),
            (False, True, True),
            id="terminating",
        ),
    ],
)
def test_conditions(pod: Object, service: Object, conditions: tuple[bool, bool, bool]) -> None:
    [made] = decide(service, [pod], ZONES, []).create
    [endpoint] = made["endpoints"]
    assert tuple(endpoint["conditions"][c] for c in ("ready", "serving", "terminating")) == conditions


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_ended_pods_are_left_out(phase: str) -> None:
    [placeholder] = decide(a_service(), [a_pod(status={"phase": phase})], ZONES, []).create
    assert placeholder["endpoints"] == []
    assert placeholder["ports"] == []


def test_pods_with_other_port_numbers_get_a_slice_of_their_own() -> None:
    made = decide(a_service(), [a_pod(1), a_pod(2, port=9090)], ZONES, []).create
    assert sorted(s["ports"][0]["port"] for s in made) == [8080, 9090]


def test_headless_services_are_marked_and_pods_keep_their_host_names() -> None:
    pod = a_pod(spec={"hostname": "first", "subdomain": "web"})
    [made] = decide(a_service(clusterIP="None", ports=None), [pod], ZONES, []).create
    assert meta.labels(made)["service.kubernetes.io/headless"] == ""
    assert made["endpoints"][0]["hostname"] == "first"
    assert made["ports"] == []


def test_the_placeholder_of_a_service_without_ports_is_filled() -> None:
    headless = a_service(clusterIP="None", ports=None)
    slices = stored(decide(headless, [], ZONES, []))
    changes = decide(headless, [a_pod()], ZONES, slices)
    assert (len(changes.create), len(changes.update), len(changes.delete)) == (0, 1, 0)


def test_both_families() -> None:
    pod = a_pod(status={"podIPs": [{"ip": "10.1.0.2"}, {"ip": "fd00::2"}]})
    made = decide(a_service(ipFamilies=["IPv4", "IPv6"]), [pod], ZONES, []).create
    assert {s["addressType"]: s["endpoints"][0]["addresses"] for s in made} == {
        "IPv4": ["10.1.0.2"],
        "IPv6": ["fd00::2"],
    }


@pytest.mark.parametrize(
    ("wish", "hints"),
    [
        (None, None),
        ("PreferClose", {"forZones": [{"name": "zone-a"}]}),
        ("PreferSameZone", {"forZones": [{"name": "zone-a"}]}),
        ("PreferSameNode", {"forZones": [{"name": "zone-a"}], "forNodes": [{"name": "one"}]}),
    ],
)
def test_traffic_distribution(wish: str | None, hints: Object | None) -> None:
    """KEP-4444, KEP-3015."""
    [made] = decide(a_service(trafficDistribution=wish), [a_pod()], ZONES, []).create
    assert made["endpoints"][0].get("hints") == hints


def test_a_hundred_to_a_slice() -> None:
    made = decide(a_service(), [a_pod(n) for n in range(250)], ZONES, []).create
    assert sorted(len(s["endpoints"]) for s in made) == [50, 100, 100]


def test_new_endpoints_fill_the_fullest_slice_with_room() -> None:
    pods = [a_pod(n) for n in range(150)]
    slices = stored(decide(a_service(), pods, ZONES, []))
    changes = decide(a_service(), [*pods, a_pod(200)], ZONES, slices)
    assert [len(s["endpoints"]) for s in changes.update] == [51]
    assert changes.create == []


def test_a_node_that_is_not_known_is_an_error() -> None:
    changes = decide(a_service(), [a_pod()], {}, [])
    assert changes.errors == ["skipping Pod web-1 for Service default/web: Node one Not Found"]


def test_the_trigger_time_is_that_of_the_change() -> None:
    pods = [a_pod(1), a_pod(2, ready=False)]
    slices = stored(decide(a_service(), pods, ZONES, []))
    changed = a_pod(2)
    changed["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-05T00:00:00Z"
    [updated] = decide(a_service(), [a_pod(1), changed], ZONES, slices).update
    note = "endpoints.kubernetes.io/last-change-trigger-time"
    assert meta.annotations(updated)[note] == "2026-01-05T00:00:00Z"


@settings(max_examples=30)
@given(st.lists(st.sets(st.integers(0, 400)), min_size=1, max_size=4))
def test_slices_always_hold_exactly_the_pods(rounds: list[set[int]]) -> None:
    slices: list[Object] = []
    for wanted in rounds:
        pods = [a_pod(n) for n in sorted(wanted)]
        changes = decide(a_service(), pods, ZONES, slices)
        before = {meta.name(s) for s in slices}
        assert {meta.name(s) for s in [*changes.update, *changes.delete]} <= before
        slices = stored(changes, slices)
        assert names(slices) == sorted(f"web-{n}" for n in wanted)
        assert all(len(s["endpoints"]) <= controller.MAX_ENDPOINTS for s in slices)


async def test_follows_pods_and_services(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.add_node("one")
        made = a_service()
        del made["metadata"]["uid"]
        await world.make(service.KIND, made)
        await world.create(pod.KIND, a_pod(), status=a_pod()["status"])
        [found] = await world.list(endpointslice.KIND)
        assert names([found]) == ["web-1"]
        await world.change(service.KIND, "web", {"metadata": {"labels": {"team": "b"}}})
        [found] = await world.list(endpointslice.KIND)
        assert meta.labels(found)["team"] == "b"
        await world.end_pod("web-1")
        [found] = await world.list(endpointslice.KIND)
        assert found["endpoints"] == []
        assert world.calls.count(("create", "EndpointSlice")) == 1


async def test_leaves_services_without_selector_alone(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(service.KIND, a_service(selector=None))
        await world.clock.advance(5)
        assert await world.list(endpointslice.KIND) == []

"""Endpoints: addresses with the same ports together, at most a thousand."""

from typing import Any

from umiak.api.core import endpoints, pod, service
from umiak.controllers.endpoints import CONTROLLER, decide, subsets_of, truncate
from umiak.objects import meta
from umiak.objects.types import Object

LABELS = {"app": "web"}


def a_service(**spec: Any) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    base = {"selector": LABELS, "clusterIP": "10.96.0.1", "ipFamilies": ["IPv4"], "ports": ports}
    about = {"name": "web", "namespace": "default", "labels": {"team": "a"}}
    about["creationTimestamp"] = "2026-01-01T00:00:00Z"
    return {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": {**base, **spec}}


def a_pod(number: int = 1, *, ready: bool = True) -> Object:
    about = {"name": f"web-{number}", "namespace": "default", "uid": f"uid-{number}", "labels": LABELS}
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-02T00:00:00Z"}]
    status = {"phase": "Running", "podIP": f"10.1.0.{number}", "conditions": conditions}
    return {"metadata": about, "spec": {"nodeName": "one", "containers": []}, "status": status}


def address(number: int) -> Object:
    target = {"kind": "Pod", "namespace": "default", "name": f"web-{number}", "uid": f"uid-{number}"}
    return {"ip": f"10.1.0.{number}", "nodeName": "one", "targetRef": target}


HTTP = {"name": "http", "port": 8080, "protocol": "TCP"}


def test_ready_and_not_ready() -> None:
    found = subsets_of(a_service(), [a_pod(2), a_pod(1), a_pod(3, ready=False)])
    assert found == [{"addresses": [address(1), address(2)], "notReadyAddresses": [address(3)], "ports": [HTTP]}]


def test_published_though_not_ready() -> None:
    [found] = subsets_of(a_service(publishNotReadyAddresses=True), [a_pod(1, ready=False)])
    assert found["addresses"] == [address(1)]


def test_ports_with_the_same_addresses_share_a_subset() -> None:
    more = {"name": "https", "port": 443, "targetPort": 8443, "protocol": "TCP"}
    ports = [*a_service()["spec"]["ports"], more]
    [found] = subsets_of(a_service(ports=ports), [a_pod(1)])
    assert [p["name"] for p in found["ports"]] == ["http", "https"]


def test_headless_without_ports() -> None:
    assert subsets_of(a_service(clusterIP="None", ports=None), [a_pod(1)]) == [{"addresses": [address(1)]}]


def test_a_thousand_addresses_at_most() -> None:
    subsets = [{"addresses": [address(1)] * 900, "notReadyAddresses": [address(2)] * 300, "ports": [HTTP]}]
    [kept], cut = truncate(subsets)
    assert cut
    assert (len(kept["addresses"]), len(kept["notReadyAddresses"])) == (900, 100)
    two = [{"addresses": [address(1)] * 1200}, {"addresses": [address(2)] * 400}]
    kept, cut = truncate(two)
    assert cut
    assert [len(s["addresses"]) for s in kept] == [750, 250]


def test_nothing_to_do_when_nothing_changed() -> None:
    made = decide(a_service(), [a_pod(1)], None)
    assert made is not None
    assert decide(a_service(), [a_pod(1)], made) is None
    assert meta.labels(made) == {"team": "a", "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    note = "endpoints.kubernetes.io/last-change-trigger-time"
    assert meta.annotations(made) == {note: "2026-01-01T00:00:00Z"}


async def test_follows_pods_and_services(world: Any) -> None:
    async with world.running(CONTROLLER):
        await world.make(service.KIND, a_service())
        await world.clock.advance(0)
        assert "subsets" not in await world.get(endpoints.KIND, "web")
        await world.create(pod.KIND, a_pod(1), status=a_pod(1)["status"])
        [subset] = (await world.get(endpoints.KIND, "web"))["subsets"]
        assert [a["ip"] for a in subset["addresses"]] == ["10.1.0.1"]
        await world.delete(service.KIND, "web", "default")
        assert await world.list(endpoints.KIND) == []

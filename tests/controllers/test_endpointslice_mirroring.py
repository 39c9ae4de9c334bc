"""Endpoints that somebody wrote by hand show up as slices."""

from typing import Any

import pytest

from umiak.api.core import endpoints, service
from umiak.api.discovery import endpointslice
from umiak.controllers.endpointslice_mirroring import CONTROLLER, NAME, Mirror, decide, parsed
from umiak.objects import meta
from umiak.objects.types import Object

PORTS = [{"name": "web", "port": 80, "protocol": "TCP"}]


def some_endpoints(*ips: str, ports: Any = PORTS, **more: Any) -> Object:
    about = {"name": "db", "namespace": "default", "uid": "e", "labels": {"team": "a"}, **more}
    subsets = [{"addresses": [{"ip": ip} for ip in ips], "ports": ports}] if ips else []
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": about, "subsets": subsets}


def a_service(**spec: Any) -> Object:
    spec = {"clusterIP": "10.96.0.1", "ports": [{"port": 80}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "default"}, "spec": spec}


def decided(obj: Object, *slices: Object) -> Any:
    return decide(obj, Mirror(obj["subsets"]), slices)


def stored(made: Object, name: str = "db-1") -> Object:
    return {**made, "metadata": {**made["metadata"], "name": name, "uid": name}}


@pytest.mark.parametrize(
    ("ip", "found"),
    [
        ("10.0.0.1", ("IPv4", "10.0.0.1")),
        ("010.0.0.001", ("IPv4", "10.0.0.1")),
        ("2001:DB8::1", ("IPv6", "2001:db8::1")),
        ("::ffff:10.0.0.1", ("IPv4", "10.0.0.1")),
        ("ten", None),
    ],
)
def test_addresses_in_their_usual_form(ip, found):
    assert parsed(ip) == found


def test_a_slice_in_full() -> None:
    notes = {"a": "b", "endpoints.kubernetes.io/last-change-trigger-time": "x"}
    [made] = decided(some_endpoints("10.0.0.1", annotations=notes)).create
    owner = {"apiVersion": "v1", "kind": "Endpoints", "name": "db", "uid": "e"}
    assert made == {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": "db-",
            "namespace": "default",
            "labels": {
                "team": "a",
                "kubernetes.io/service-name": "db",
                "endpointslice.kubernetes.io/managed-by": NAME,
            },
            "annotations": {"a": "b"},
            "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}],
        "ports": PORTS,
    }


def test_families_apart() -> None:
    made = decided(some_endpoints("10.0.0.1", "2001:db8::1")).create
    assert [s["addressType"] for s in made] == ["IPv4", "IPv6"]


def test_what_is_right_stays() -> None:
    obj = some_endpoints("10.0.0.1")
    known = stored(decided(obj).create[0])
    found = decided(obj, known)
    assert (found.create, found.update, found.delete) == ([], [], [])


def test_a_change_is_one_update() -> None:
    known = stored(decided(some_endpoints("10.0.0.1")).create[0])
    found = decided(some_endpoints("10.0.0.2", ports=[{"name": "web", "port": 81}]), known)
    assert (found.create, found.delete) == ([], [])
    [updated] = found.update
    assert (meta.name(updated), updated["ports"][0]["port"]) == ("db-1", 81)


def test_no_more_than_a_thousand_of_a_subset() -> None:
    mirror = Mirror(some_endpoints(*(f"10.0.{n // 250}.{n % 250}" for n in range(1003)), "no address")["subsets"])
    assert (mirror.invalid, mirror.skipped) == (0, 4)
    assert len(decide(some_endpoints("10.0.0.1"), mirror, ()).create[0]["endpoints"]) == 1000


@pytest.mark.parametrize(
    ("about", "spec", "count"),
    [
        pytest.param({}, {}, 1, id="by hand"),
        pytest.param({}, {"selector": {"a": "b"}}, 0, id="selector"),
        pytest.param({"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}, {}, 0, id="not wanted"),
        pytest.param({"annotations": {"control-plane.alpha.kubernetes.io/leader": "x"}}, {}, 0, id="an election"),
    ],
)
async def test_whose_endpoints_are_mirrored(world, about, spec, count):
    async with world.running(CONTROLLER):
        await world.make(service.KIND, a_service(**spec))
        await world.make(endpoints.KIND, some_endpoints("10.0.0.1", **about))
        assert len(await world.list(endpointslice.KIND)) == count


async def test_slices_go_with_the_service(world):
    async with world.running(CONTROLLER):
        await world.make(service.KIND, a_service())
        await world.make(endpoints.KIND, some_endpoints("10.0.0.1", "nonsense"))
        assert len(await world.list(endpointslice.KIND)) == 1
        await world.client.delete(service.KIND, "db", "default")
        await world.clock.advance(1)
        assert await world.list(endpointslice.KIND) == []
        assert "InvalidIPAddress: Skipped 1 invalid IP addresses when mirroring to EndpointSlices" in await world.told()

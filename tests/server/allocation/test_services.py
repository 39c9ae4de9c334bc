"""Addresses and ports of services, given and taken back."""

import asyncio
import random

import pytest

from umiak.api.core.service import KIND as SERVICE
from umiak.api.networking.ipaddress import KIND as IP_ADDRESS
from umiak.objects.errors import StatusError
from umiak.server.allocation.services import ServiceAllocator
from umiak.server.resources import Resources
from umiak.store.memory import MemoryStore
from umiak.testing.clock import VirtualClock
from umiak.testing.shared_store import Shared


class World:
    """A server's worth of services without a server."""

    def __init__(self, cidr, ports, store=None, seed=1):
        self.store = store or MemoryStore()
        self.clock = VirtualClock()
        self.objects = Resources(self.store, self.clock, random.Random(seed))
        self.allocator = ServiceAllocator(self.store, self.clock, cidr, ports, random.Random(seed))

    async def create(self, name="a", dry_run=False, **spec):
        service = a_service(name, **spec)
        given = await self.allocator.allocate(self.objects, service, None, dry_run)
        if not dry_run:
            await self.objects.create(SERVICE, service)
        await given.commit()
        return service

    async def update(self, old, **spec):
        new = {**old, "spec": {**old["spec"], **spec}}
        new["spec"] = {k: v for k, v in new["spec"].items() if v is not None}
        given = await self.allocator.allocate(self.objects, new, old)
        await self.objects.modify(SERVICE, "hold", old["metadata"]["name"], lambda _: new)
        await given.commit()
        return new

    async def taken(self):
        return [o["metadata"]["name"] for o in await self.objects.list(IP_ADDRESS)]


@pytest.fixture
async def world(request):
    cidr, ports = getattr(request, "param", ("10.96.0.0/16", (30000, 32767)))
    found = World(cidr, ports)
    await found.allocator.start()
    yield found
    found.allocator.stop()
    await found.store.close()


def a_service(name="a", **spec):
    spec = {"type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP"}], **spec}
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    return {"metadata": {"name": name, "namespace": "hold"}, "spec": spec}


async def test_plain_service_gets_one_address(world):
    spec = (await world.create())["spec"]
    assert spec["clusterIPs"] == [spec["clusterIP"]] == await world.taken()
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    third, fourth = map(int, spec["clusterIP"].split(".")[2:])
    assert third * 256 + fourth > 256  # the lower band is left to those who ask


async def test_the_wanted_address_and_its_refusals(world):
    await world.create(clusterIP="10.96.7.7")
    for address, why in [
        ("10.96.7.7", "provided IP is already allocated"),
        ("172.31.0.9", "the provided network does not match the current range"),
        ("10.96.255.255", "is not in the valid range. The range of valid IPs is 10.96.0.0/16"),
        ("here", "must be a valid IP address"),
    ]:
        with pytest.raises(StatusError) as error:
            await world.create("b", clusterIP=address)
        assert why in error.value.message
    assert await world.taken() == ["10.96.7.7"]


async def test_headless_and_external_get_none(world):
    headless = await world.create("h", clusterIP="None", selector={"a": "b"})
    assert headless["spec"]["clusterIPs"] == ["None"]
    assert headless["spec"]["ipFamilies"] == ["IPv4"]
    blind = await world.create("s", clusterIP="None")
    assert (blind["spec"]["ipFamilies"], blind["spec"]["ipFamilyPolicy"]) == (["IPv4", "IPv6"], "RequireDualStack")
    external = await world.create("e", type="ExternalName", externalName="x.example")
    assert "clusterIP" not in external["spec"]
    assert await world.taken() == []


async def test_second_family_is_not_there(world):
    with pytest.raises(StatusError, match="not configured on this cluster"):
        await world.create(ipFamilies=["IPv6"])
    with pytest.raises(StatusError, match="not configured for dual-stack"):
        await world.create(ipFamilyPolicy="RequireDualStack")
    assert (await world.create(ipFamilyPolicy="PreferDualStack"))["spec"]["ipFamilies"] == ["IPv4"]


async def test_life_of_a_service(world):
    first = await world.create()
    ported = await world.update(first, type="NodePort", clusterIP=None, clusterIPs=None)
    port = ported["spec"]["ports"][0]["nodePort"]
    assert ported["spec"]["clusterIP"] == first["spec"]["clusterIP"]
    assert 30086 <= port <= 32767
    with pytest.raises(StatusError, match="provided port is already allocated"):
        await world.create("b", type="NodePort", ports=[{"port": 80, "nodePort": port}])
    outside = {"type": "ExternalName", "ports": [{"port": 80}], "clusterIP": None, "clusterIPs": None}
    external = await world.update(ported, **outside)
    assert await world.taken() == []
    await world.create("b", type="NodePort", ports=[{"port": 80, "nodePort": port}])
    back = await world.update(external, type="ClusterIP")
    assert back["spec"]["clusterIP"] in await world.taken()


async def test_release(world):
    service = await world.create(type="NodePort", ports=[{"port": 80, "nodePort": 30500}])
    await world.objects.remove(SERVICE, "hold", "a")
    await world.allocator.release(world.objects, service)
    assert await world.taken() == []
    await world.create("b", type="NodePort", ports=[{"port": 80, "nodePort": 30500}])


async def test_failed_write_gives_back(world):
    given = await world.allocator.allocate(world.objects, a_service(type="NodePort"), None)
    assert len(await world.taken()) == 1
    await given.revert()
    assert await world.taken() == []
    assert world.store.count("/-/nodeports/") == 0


@pytest.mark.parametrize(
    ("ports", "why"),
    [
        ([{"port": 80, "nodePort": 1000}], "The range of valid ports is 30000-32767"),
        ([{"port": 80, "nodePort": 30777}, {"port": 81, "nodePort": 30777}], "ports\\[1\\].nodePort"),
    ],
)
async def test_refused_ports(world, ports, why):
    with pytest.raises(StatusError, match=why):
        await world.create(type="NodePort", ports=ports)
    assert await world.taken() == []
    assert not world.allocator.ports.is_taken(30777)


async def test_same_port_number_shares_a_node_port(world):
    pair = [{"port": 53, "protocol": "UDP", "name": "u"}, {"port": 53, "protocol": "TCP", "name": "t"}]
    spec = (await world.create(type="NodePort", ports=pair))["spec"]
    assert spec["ports"][0]["nodePort"] == spec["ports"][1]["nodePort"]


async def test_load_balancer(world):
    spec = (await world.create(type="LoadBalancer", externalTrafficPolicy="Local"))["spec"]
    assert spec["healthCheckNodePort"] != spec["ports"][0]["nodePort"]
    spec = (await world.create("b", type="LoadBalancer", allocateLoadBalancerNodePorts=False))["spec"]
    assert "nodePort" not in spec["ports"][0]


async def test_dry_run_leaves_no_trace(world):
    spec = (await world.create(dry_run=True, type="NodePort"))["spec"]
    assert (spec["clusterIP"], spec["ports"][0]["nodePort"]) == ("10.96.0.0", 32769)
    assert await world.taken() == []


@pytest.mark.parametrize("world", [("10.0.0.0/30", (30000, 30001))], indirect=True)
async def test_full(world):
    for name in ("a", "b"):
        await world.create(name, type="NodePort")
    with pytest.raises(StatusError) as error:
        await world.create("c")
    assert error.value.message == (
        'Internal error occurred: failed to allocate a serviceIP for Service "c": range is full'
    )
    await world.update(await world.objects.get(SERVICE, "hold", "a"), ports=[{"port": 80, "nodePort": 30000}])


async def test_repair(world):
    kept = await world.create("a")
    lost = await world.create("b")
    await world.objects.remove(SERVICE, "hold", "b")
    await world.allocator.addresses.release(world.objects, kept["spec"]["clusterIP"])
    assert await world.taken() == [lost["spec"]["clusterIP"]]
    await world.allocator.repair(world.objects)
    assert await world.taken() == [kept["spec"]["clusterIP"]]


@pytest.fixture
async def two():
    """Two processes that share a store, with two ports to give."""
    shared = Shared(MemoryStore())
    # The same seed: both try the same ports in the same order.
    worlds = [World("10.96.0.0/16", (30000, 30001), store=s) for s in (shared.store, shared.replica())]
    for world in worlds:
        await world.allocator.start()
    yield worlds
    for world in worlds:
        world.allocator.stop()
    await shared.close()


async def test_two_processes_never_give_the_same_port(two):
    made = await asyncio.gather(*(w.create(f"s{i}", type="NodePort", ports=[{"port": 80}]) for i, w in enumerate(two)))
    assert {s["spec"]["ports"][0]["nodePort"] for s in made} == {30000, 30001}
    assert [w.store.count("/-/nodeports/") for w in two] == [0, 0], "claims end with the write"
    with pytest.raises(StatusError, match="range is full"):
        await two[0].create("more", type="NodePort", ports=[{"port": 80}])


async def test_of_two_processes_that_are_asked_for_a_port_one_refuses(two):
    asked = [{"port": 80, "nodePort": 30001}]
    made = await asyncio.gather(
        *(w.create(f"s{i}", type="NodePort", ports=[dict(p) for p in asked]) for i, w in enumerate(two)),
        return_exceptions=True,
    )
    (why,) = [m for m in made if isinstance(m, StatusError)]
    assert "provided port is already allocated" in why.message and len(made) == 2


async def test_a_claim_of_a_process_that_died_counts_for_a_minute(two):
    world, asked = two[1], {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30000}]}
    stale = b"%f" % world.clock.now().timestamp()
    await world.store.put("/-/nodeports/30000", lambda revision: stale)
    with pytest.raises(StatusError, match="provided port is already allocated"):
        await world.create("early", **asked)
    await world.clock.advance(61)
    await world.create("later", **asked)

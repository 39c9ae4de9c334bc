"""What the service proxy decides, as tables: which backends may be used, and what the nftables maps then hold."""

import pytest

from umiak.network.proxy import nft
from umiak.network.proxy.rules import Table, backend_number, decide
from umiak.network.proxy.services import Backend, ServicePort, service_ports, snapshot, usable

PODS = ("10.244.0.0/16",)


def a_port(**changes) -> ServicePort:
    wanted = {
        "namespace": "default",
        "name": "web",
        "port_name": "",
        "protocol": "tcp",
        "port": 80,
        "cluster_ips": ("10.96.0.9",),
        "external_ips": (),
        "node_port": 0,
        "internal_local": False,
        "external_local": False,
        "affinity_seconds": 0,
        "backends": (Backend("10.244.0.2", 8080, local=True), Backend("10.244.1.2", 8080)),
    }
    return ServicePort(**(wanted | changes))


def table(*ports: ServicePort) -> Table:
    return decide(ports, family="ip", pods=PODS)


def elements(made: Table, name: str) -> dict[str, str]:
    return made.collections[name].elements


def a_service(**spec):
    defaults = {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "ports": [{"port": 80, "protocol": "TCP"}]}
    return {"metadata": {"namespace": "default", "name": "web"}, "spec": defaults | spec}


def a_slice(*endpoints, name="web-1", service="web", ports=({"name": "", "port": 8080, "protocol": "TCP"},)):
    return {
        "metadata": {"namespace": "default", "name": name, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": list(ports),
        "endpoints": list(endpoints),
    }


@pytest.mark.parametrize(
    ("backends", "only_local", "zone", "ips"),
    [
        pytest.param([Backend("a", 1), Backend("b", 1, ready=False)], False, "", ["a"], id="ready ones"),
        pytest.param([Backend("a", 1, ready=False)], False, "", ["a"], id="serving while ending, when none is ready"),
        pytest.param([Backend("a", 1, ready=False, serving=False)], False, "", [], id="none"),
        pytest.param([Backend("a", 1), Backend("b", 1, local=True)], True, "", ["b"], id="this node's"),
        pytest.param([Backend("a", 1, zones=("x",)), Backend("b", 1, zones=("y",))], False, "y", ["b"], id="zone"),
        pytest.param([Backend("a", 1, zones=("x",)), Backend("b", 1)], False, "x", ["a", "b"], id="a hint is missing"),
        pytest.param([Backend("a", 1, zones=("x",))], False, "z", ["a"], id="no backend for this zone"),
    ],
)
def test_usable(backends, only_local, zone, ips):
    assert [b.ip for b in usable(backends, only_local=only_local, zone=zone)] == ips


def test_a_frontend_leads_to_a_chain_by_its_number_of_backends():
    made = table(a_port())
    assert elements(made, "address-frontends") == {"10.96.0.9 . tcp . 80": "goto address-tcp-pick-2"}
    assert elements(made, "address-tcp-backends") == {
        "10.96.0.9 . 80 . 0": "10.244.0.2 . 8080",
        "10.96.0.9 . 80 . 1": "10.244.1.2 . 8080",
    }
    assert "numgen random mod 2" in made.chains["address-tcp-pick-2"][-1]
    assert elements(made, "hairpin") == {"10.244.0.2 . 10.244.0.2": "", "10.244.1.2 . 10.244.1.2": ""}


def test_services_with_equally_many_backends_share_a_chain():
    made = table(a_port(), a_port(name="other", cluster_ips=("10.96.0.10",)))
    assert [c for c in made.chains if "pick" in c] == ["address-tcp-pick-2"]


def test_without_backends_connections_are_refused():
    made = table(a_port(backends=(), node_port=30080))
    assert elements(made, "address-refused") == {"10.96.0.9 . tcp . 80": "goto refuse"}
    assert elements(made, "node-refused") == {"tcp . 30080": "goto refuse"}
    assert elements(made, "address-frontends") == {}


def test_external_traffic_policy_local_uses_this_nodes_backends_and_keeps_the_source():
    made = table(a_port(node_port=30080, external_local=True, external_ips=("192.0.2.7",)))
    assert elements(made, "node-local-frontends") == {"tcp . 30080": "goto node-local-tcp-pick-1"}
    assert elements(made, "node-frontends") == {"tcp . 30080": "goto node-tcp-pick-2"}
    assert elements(made, "address-local-tcp-backends") == {"192.0.2.7 . 80 . 0": "10.244.0.2 . 8080"}
    assert not any("ct mark" in line for line in made.chains["node-local-tcp-pick-1"])
    assert any("ct mark" in line for line in made.chains["node-tcp-pick-2"])


def test_a_local_policy_without_local_backends_drops():
    far = (Backend("10.244.1.2", 8080),)
    made = table(a_port(backends=far, node_port=30080, external_local=True, internal_local=True))
    assert elements(made, "node-local-refused") == {"tcp . 30080": "drop"}
    assert elements(made, "address-refused") == {"10.96.0.9 . tcp . 80": "drop"}


def test_session_affinity_remembers_a_lasting_number():
    made = table(a_port(affinity_seconds=10800))
    first, second = (backend_number(b) for b in a_port().backends)
    assert elements(made, "address-tcp-numbers") == {
        "10.96.0.9 . 80 . 0": str(first),
        "10.96.0.9 . 80 . 1": str(second),
    }
    assert elements(made, "address-tcp-numbered")[f"10.96.0.9 . 80 . {first}"] == "10.244.0.2 . 8080"
    assert "timeout 10800s" in made.chains["address-tcp-sticky-2-10800"][-1]


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({}, 1),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, 0),
        ({"type": "ExternalName", "clusterIP": ""}, 0),
        ({"ports": [{"port": 80}, {"port": 53, "protocol": "UDP", "name": "dns"}]}, 2),
    ],
)
def test_snapshot_takes_services_with_a_virtual_address(spec, count):
    assert len(snapshot([a_service(**spec)], [], "IPv4", "n1")) == count


def test_backends_come_from_the_slices_of_the_service_by_port_name():
    slices = [
        a_slice({"addresses": ["10.244.0.2"], "nodeName": "n1", "conditions": {"ready": True}}),
        a_slice({"addresses": ["10.244.1.2"], "conditions": {"ready": False, "serving": True}}, name="web-2"),
        a_slice({"addresses": ["10.244.9.9"]}, service="other"),
        a_slice({"addresses": ["10.244.8.8"]}, ports=({"name": "admin", "port": 1, "protocol": "TCP"},)),
    ]
    (port,) = snapshot([a_service()], slices, "IPv4", "n1")
    assert port.backends == (
        Backend("10.244.0.2", 8080, local=True),
        Backend("10.244.1.2", 8080, ready=False, serving=True),
    )


def test_load_balancer_addresses_and_affinity_are_read():
    service = a_service(externalIPs=["192.0.2.1"], sessionAffinity="ClientIP")
    service["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"ip": "192.0.2.3", "ipMode": "Proxy"}]}}
    (port,) = service_ports(service, [], "IPv4", "n1")
    assert (port.external_ips, port.affinity_seconds) == (("192.0.2.1", "192.0.2.2"), 10800)


def test_no_change_makes_no_script():
    assert nft.change(table(a_port()), table(a_port())) == ""


def test_a_change_touches_only_what_changed():
    before, after = table(a_port()), table(a_port(backends=(Backend("10.244.0.2", 8080, local=True),)))
    script = nft.change(before, after).splitlines()
    assert "delete element ip umiak-proxy address-tcp-backends { 10.96.0.9 . 80 . 1 }" in script
    assert "add element ip umiak-proxy address-frontends { 10.96.0.9 . tcp . 80 : goto address-tcp-pick-1 }" in script
    assert script[-1] == "delete chain ip umiak-proxy address-tcp-pick-2"
    assert not any(line.startswith(("add map", "delete table")) for line in script)

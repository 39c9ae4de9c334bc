"""Answers of cluster DNS, by the Kubernetes DNS specification 1.1.0 and as CoreDNS gives them."""

import random
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.kit.clock import RealClock
from umiak.network.dns import wire
from umiak.network.dns.answer import answer
from umiak.network.dns.server import DnsServer, Resolver
from umiak.network.dns.upstream import Upstream, lifetime, servers
from umiak.network.dns.zone import Zone
from umiak.objects.meta import Key
from umiak.testing.patience import LONG


def a_query(name: str, kind: int = wire.A, *, edns: bool = False, number: int = 7) -> bytes:
    head = struct.pack("!HHHHHH", number, wire.RECURSION_DESIRED, 1, 0, 0, int(edns))
    opt = b"\0" + struct.pack("!HHIH", wire.OPT, 1232, 0, 0) if edns else b""
    return head + wire.write_name(name) + struct.pack("!HH", kind, wire.IN) + opt


def read(message: bytes) -> tuple[int, list[tuple[str, int, str]]]:
    """Code and answers of a response, data of the common types as text."""
    _, flags, questions, answers, _, _ = struct.unpack_from("!HHHHHH", message)
    at = 12
    for _ in range(questions):
        at = wire.read_name(message, at)[1] + 4
    found = []
    for _ in range(answers):
        name, at = wire.read_name(message, at)
        kind, _, _, size = struct.unpack_from("!HHIH", message, at)
        at += 10
        found.append((name, kind, shown(message, kind, at, size)))
        at += size
    return flags & 0xF, found


def shown(message: bytes, kind: int, at: int, size: int) -> str:
    if kind in (wire.A, wire.AAAA):
        return socket.inet_ntop(socket.AF_INET if kind == wire.A else socket.AF_INET6, message[at : at + size])
    if kind == wire.SRV:
        priority, weight, port = struct.unpack_from("!HHH", message, at)
        return f"{priority} {weight} {port} {wire.read_name(message, at + 6)[0]}"
    return wire.read_name(message, at)[0] if kind in (wire.PTR, wire.CNAME) else message[at + 1 : at + size].decode()


def a_service(name="web", **spec):
    wanted = {"clusterIP": "10.96.0.5", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]} | spec
    return {"metadata": {"name": name, "namespace": "default"}, "spec": wanted}


def a_slice(*endpoints):
    ports = [{"name": "http", "port": 8080, "protocol": "TCP"}]
    return {"metadata": {"name": "x", "namespace": "default"}, "ports": ports, "endpoints": list(endpoints)}


@pytest.fixture
def zone() -> Zone:
    made = Zone()
    made.set_namespaces(["default", "empty"])
    made.update(Key("default", "web"), a_service(), [])
    pieces = [
        a_slice(
            {"addresses": ["10.244.0.2"], "hostname": "db-0", "conditions": {"ready": True}},
            {"addresses": ["10.244.0.3"], "conditions": {"ready": False}},
            {"addresses": ["10.244.0.4"]},
        )
    ]
    made.update(Key("default", "db"), a_service("db", clusterIP="None"), pieces)
    alias = {"metadata": {"name": "out", "namespace": "default"}, "spec": {"type": "ExternalName"}}
    alias["spec"]["externalName"] = "Example.com"
    made.update(Key("default", "out"), alias, [])
    return made


SUFFIX = "default.svc.cluster.local"


@pytest.mark.parametrize(
    ("name", "kind", "code", "data"),
    [
        (f"web.{SUFFIX}", wire.A, wire.NOERROR, ["10.96.0.5"]),
        (f"WEB.{SUFFIX}", wire.A, wire.NOERROR, ["10.96.0.5"]),
        (f"web.{SUFFIX}", wire.AAAA, wire.NOERROR, []),
        (f"nope.{SUFFIX}", wire.A, wire.NXDOMAIN, []),
        (f"_http._tcp.web.{SUFFIX}", wire.SRV, wire.NOERROR, [f"0 100 80 web.{SUFFIX}"]),
        (f"_nope._tcp.web.{SUFFIX}", wire.SRV, wire.NXDOMAIN, []),
        (f"_tcp.web.{SUFFIX}", wire.A, wire.NOERROR, []),
        (f"db.{SUFFIX}", wire.A, wire.NOERROR, ["10.244.0.2", "10.244.0.4"]),
        (f"db-0.db.{SUFFIX}", wire.A, wire.NOERROR, ["10.244.0.2"]),
        (f"10-244-0-4.db.{SUFFIX}", wire.A, wire.NOERROR, ["10.244.0.4"]),
        (f"10-244-0-3.db.{SUFFIX}", wire.A, wire.NXDOMAIN, []),
        (
            f"_http._tcp.db.{SUFFIX}",
            wire.SRV,
            wire.NOERROR,
            [f"0 50 8080 db-0.db.{SUFFIX}", f"0 50 8080 10-244-0-4.db.{SUFFIX}"],
        ),
        (f"out.{SUFFIX}", wire.A, wire.NOERROR, ["example.com"]),
        ("default.svc.cluster.local", wire.A, wire.NOERROR, []),
        ("empty.svc.cluster.local", wire.A, wire.NOERROR, []),
        ("gone.svc.cluster.local", wire.A, wire.NXDOMAIN, []),
        ("svc.cluster.local", wire.A, wire.NOERROR, []),
        ("cluster.local", wire.A, wire.NOERROR, []),
        ("10-244-0-2.default.pod.cluster.local", wire.A, wire.NOERROR, ["10.244.0.2"]),
        ("10-244-0-2.gone.pod.cluster.local", wire.A, wire.NXDOMAIN, []),
        ("300-1-1-1.default.pod.cluster.local", wire.A, wire.NXDOMAIN, []),
        ("dns-version.cluster.local", wire.TXT, wire.NOERROR, ["1.1.0"]),
        ("5.0.96.10.in-addr.arpa", wire.PTR, wire.NOERROR, [f"web.{SUFFIX}"]),
        ("2.0.244.10.in-addr.arpa", wire.PTR, wire.NOERROR, [f"db-0.db.{SUFFIX}"]),
    ],
)
def test_answers(zone, name, kind, code, data):
    message = answer(wire.read_query(a_query(name, kind)), zone)
    assert message is not None
    got_code, records = read(message)
    assert (got_code, sorted(d for _, _, d in records)) == (code, sorted(data))


@pytest.mark.parametrize("name", ["example.com", "9.9.9.9.in-addr.arpa", "notcluster.local"])
def test_what_is_not_ours_goes_upstream(zone, name):
    assert answer(wire.read_query(a_query(name, wire.PTR)), zone) is None


def test_a_service_that_goes_takes_its_names_along(zone):
    before = set(zone.names)
    zone.update(Key("default", "db"), None, [])
    assert before - set(zone.names) == {n for n in before if "db" in n}
    assert "10.244.0.2" not in zone.reverse


def test_long_answers_are_truncated_over_udp_only(zone):
    endpoints = [{"addresses": [f"10.244.1.{i}"]} for i in range(100)]
    zone.update(Key("default", "big"), a_service("big", clusterIP="None"), [a_slice(*endpoints)])
    query = wire.read_query(a_query(f"big.{SUFFIX}"))
    short = answer(query, zone, limit=512)
    assert short is not None and len(short) <= 512 and short[2] & 0x02
    assert len(read(answer(query, zone) or b"")[1]) == 100


def test_equal_addresses_take_turns(zone):
    query = wire.read_query(a_query(f"db.{SUFFIX}"))
    firsts = {read(answer(query, zone, turn=turn) or b"")[1][0][2] for turn in range(2)}
    assert firsts == {"10.244.0.2", "10.244.0.4"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 11,
        b"\0" * 40,
        a_query("x")[:-3],
        a_query("x")[:12] + b"\xc0\x0c\0\1\0\1",
        a_query("x")[:12] + b"\x80x\0\0\1\0\1",
    ],
)
def test_malformed_queries_are_refused(data):
    with pytest.raises(wire.Malformed):
        wire.read_query(data)


@given(data=st.binary(max_size=600))
def test_no_bytes_crash_the_reader(data):
    resolver = Resolver(Zone(), Upstream([], RealClock(), random.Random(1)))
    reply = resolver.now(data, udp=True)
    assert reply is None or len(reply) <= 1300


def test_resolv_conf(tmp_path):
    conf = tmp_path / "resolv.conf"
    conf.write_text("# a comment\nsearch x\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n")
    assert servers(conf) == ["192.0.2.1", "192.0.2.2"]
    assert servers(tmp_path / "none") == []


@pytest.mark.parametrize(("ttl", "kept"), [(5, 5), (300, 30), (0, 0)])
def test_an_upstream_answer_is_kept_as_long_as_its_shortest_ttl(ttl, kept):
    query = wire.read_query(a_query("example.com"))
    record = wire.write_record(wire.Record("", wire.A, ttl, wire.address("192.0.2.1")))
    assert lifetime(wire.write_answer(query, wire.NOERROR, [record])) == kept


async def test_listens_on_udp_and_tcp(zone):
    import asyncio

    server = DnsServer(Resolver(zone, Upstream([], RealClock(), random.Random(1))))
    await server.start(["127.0.0.1"], 0)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        query = a_query(f"web.{SUFFIX}", edns=True)
        writer.write(len(query).to_bytes(2, "big") + query)
        size = int.from_bytes(await reader.readexactly(2), "big")
        assert read(await reader.readexactly(size))[1][0][2] == "10.96.0.5"
        writer.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendto(sock, a_query("example.com"), ("127.0.0.1", server.port))
            reply = await asyncio.wait_for(loop.sock_recv(sock, 512), LONG)
            assert read(reply) == (wire.SERVFAIL, [])
    finally:
        await server.close()

"""Decides the answer to a query about the cluster. Pure: a query and the zone in, bytes out.

None means that the name is not ours and the query should go upstream.
"""

import ipaddress
import re

from umiak.network.dns import wire
from umiak.network.dns.wire import Query, Record
from umiak.network.dns.zone import Node, Zone

TTL = 30
"""Seconds, as kubeadm configures CoreDNS."""
NEGATIVE_TTL = 30
DNS_VERSION = "1.1.0"
_POD = re.compile(r"^([0-9a-f-]+)\.([a-z0-9-]+)\.pod$")


def answer(query: Query, zone: Zone, *, turn: int = 0, limit: int = 65535) -> bytes | None:
    """`turn` rotates equal addresses, so that clients that take the first spread out."""
    if query.klass != wire.IN:
        return wire.write_answer(query, wire.REFUSED, authoritative=False)
    if query.flags & 0x7800:
        return wire.write_answer(query, wire.NOTIMP, authoritative=False)
    if query.name == zone.name or query.name.endswith("." + zone.name):
        return _in_zone(query, zone, turn, limit)
    if query.name.endswith((".in-addr.arpa", ".ip6.arpa")):
        return _reverse(query, zone, limit)
    return None


def _negative(query: Query, zone: Zone, code: int, limit: int) -> bytes:
    return wire.write_answer(query, code, authorities=[_soa(zone)], limit=limit)


def _soa(zone: Zone) -> bytes:
    return wire.write_record(Record(zone.name, wire.SOA, NEGATIVE_TTL, wire.soa(zone.name, zone.version, NEGATIVE_TTL)))


def _in_zone(query: Query, zone: Zone, turn: int, limit: int) -> bytes | None:
    relative = query.name[: -len(zone.name) - 1]
    if relative == "":
        if query.type in (wire.SOA, wire.ANY):
            return wire.write_answer(query, wire.NOERROR, [_soa(zone)], limit=limit)
        return _negative(query, zone, wire.NOERROR, limit)
    if relative == "dns-version" and query.type in (wire.TXT, wire.ANY):
        return _positive(query, [Record("", wire.TXT, TTL, wire.text(DNS_VERSION))], [], turn, limit)
    node = zone.names.get(relative)
    if node is None:
        return _pod(query, zone, relative, turn, limit)
    if node.cname:
        return _positive(query, [Record("", wire.CNAME, TTL, wire.write_name(node.cname))], [], turn, limit)
    records, additional = _records(node, zone, query.type)
    if not records:
        return _negative(query, zone, wire.NOERROR, limit)
    return _positive(query, records, additional, turn, limit)


def _addresses(ips: list[str], kind: int, name: str = "") -> list[Record]:
    wanted = ":" if kind == wire.AAAA else "."
    return [Record(name, kind, TTL, wire.address(ip)) for ip in ips if wanted in ip]


def _records(node: Node, zone: Zone, kind: int) -> tuple[list[Record], list[Record]]:
    """What answers a question of `kind`, and the addresses of SRV targets on top."""
    if kind in (wire.A, wire.AAAA):
        return _addresses(node.addresses, kind), []
    if kind != wire.SRV:
        return [], []
    weight = 100 // len(node.srv) if node.srv else 0
    records = [Record("", wire.SRV, TTL, wire.srv(0, max(weight, 1), port, target)) for port, target in node.srv]
    additional: list[Record] = []
    for target in dict.fromkeys(target for _, target in node.srv):
        behind = zone.names.get(target[: -len(zone.name) - 1])
        for family in (wire.A, wire.AAAA):
            additional += _addresses(behind.addresses if behind else [], family, target)
    return records, additional


def _positive(query: Query, records: list[Record], additional: list[Record], turn: int, limit: int) -> bytes:
    start = turn % len(records)
    ordered = records[start:] + records[:start]
    return wire.write_answer(
        query,
        wire.NOERROR,
        [wire.write_record(r) for r in ordered],
        additional=[wire.write_record(r) for r in additional],
        limit=limit,
    )


def _pod(query: Query, zone: Zone, relative: str, turn: int, limit: int) -> bytes:
    """`10-244-0-2.default.pod`: the address spelled in the name, as CoreDNS' `pods insecure` answers."""
    found = _POD.match(relative)
    if found and found[2] in zone.namespaces and (ip := _spelled(found[1])):
        records = _addresses([ip], wire.AAAA if ":" in ip else wire.A)
        if records and query.type == records[0].type:
            return _positive(query, records, [], turn, limit)
        return _negative(query, zone, wire.NOERROR, limit)
    below = relative.removesuffix(".pod")
    exists = relative.endswith(".pod") and below in zone.namespaces
    return _negative(query, zone, wire.NOERROR if exists else wire.NXDOMAIN, limit)


def _spelled(label: str) -> str:
    """`10-244-0-2` to `10.244.0.2`; empty when it spells no address."""
    for separator in (".", ":"):
        try:
            return str(ipaddress.ip_address(label.replace("-", separator)))
        except ValueError:
            continue
    return ""


def _reverse(query: Query, zone: Zone, limit: int) -> bytes | None:
    """PTR for addresses of Services and endpoints; others go upstream."""
    targets = zone.reverse.get(_reversed_address(query.name))
    if not targets:
        return None
    if query.type not in (wire.PTR, wire.ANY):
        return wire.write_answer(query, wire.NOERROR, limit=limit)
    return _positive(query, [Record("", wire.PTR, TTL, wire.write_name(t)) for t in targets], [], 0, limit)


def _reversed_address(name: str) -> str:
    if name.endswith(".in-addr.arpa"):
        return ".".join(reversed(name.removesuffix(".in-addr.arpa").split(".")))
    digits = "".join(reversed(name.removesuffix(".ip6.arpa").split(".")))
    try:
        return str(ipaddress.IPv6Address(int(digits, 16))) if len(digits) == 32 else ""
    except ValueError:
        return ""

"""Decides what the nftables table holds. Pure: from service ports to named maps, sets and chains.

No chain per service: loading 5,000 chains takes 2 s. A frontend is a map element that jumps to a chain shared by all
frontends with as many backends; that chain picks a backend from another map by frontend and a random index:

    10.96.0.10 . tcp . 80  ->  goto address-tcp-pick-2
    address-tcp-pick-2: dnat to  10.96.0.10 . 80 . random(2)  ->  10.244.0.7 . 8080

Backends are kept by protocol, because nft 1.0 can only read back a map of ports that belongs to one.

Session affinity remembers a backend's number per client in a map whose elements expire.

There are four groups of maps, by how a frontend is named (its address, or a port on every address of the node) and by
whether only this node's backends may be used: those whose names end in "-local" see outside traffic first.
"""

from collections.abc import Iterable, Sequence
from zlib import crc32

import msgspec

from umiak.network.proxy.services import Backend, ServicePort, usable

MASQUERADE = 0x4000
"""Bit of the connection mark: its source must become the node's own, so that answers come back this way."""
SCRATCH = 0x8000
"""Bit of the connection mark: the packet mark was used to choose a backend and must be cleared."""


class Collection(msgspec.Struct, frozen=True):
    """A set, or a map when values are not empty. `options` are further lines of its declaration."""

    type: str
    elements: dict[str, str] = msgspec.field(default_factory=dict)
    options: tuple[str, ...] = ()
    is_map: bool = True
    grows_itself: bool = False
    """Filled by packets, not by us."""


class Table(msgspec.Struct, frozen=True):
    """All that the proxy keeps in one nftables table."""

    family: str
    collections: dict[str, Collection]
    chains: dict[str, tuple[str, ...]]


class Front(msgspec.Struct, frozen=True):
    """Where clients knock: an address (empty: any of the node's own), protocol and port."""

    ip: str
    protocol: str
    port: int

    @property
    def key(self) -> str:
        """As the maps of frontends name it."""
        return " . ".join(str(part) for part in (self.ip, self.protocol, self.port) if part)

    def numbered(self, number: int) -> str:
        """As the maps of backends name the `number`th."""
        return " . ".join(str(part) for part in (self.ip, self.port) if part) + f" . {number}"


class Group(msgspec.Struct, frozen=True):
    """One of the four groups of maps and chains. `address` begins the keys of those that go by address."""

    name: str
    address: str
    local: bool

    @property
    def key(self) -> str:
        """The expression that names the frontend of a packet."""
        return f"{self.address}meta l4proto . th dport"

    def port(self, protocol: str) -> str:
        """The same once the protocol is known."""
        return f"{self.address}{protocol} dport"


PROTOCOLS = ("tcp", "udp", "sctp")


def groups(ip: str) -> dict[str, Group]:
    address = f"{ip} daddr . "
    found = [
        Group("address", address, local=False),
        Group("address-local", address, local=True),
        Group("node", "", local=False),
        Group("node-local", "", local=True),
    ]
    return {group.name: group for group in found}


def backend_number(backend: Backend) -> int:
    """A lasting number for session affinity, never 0, clear of the bits that mean something."""
    return (crc32(f"{backend.ip} {backend.port}".encode()) & ~(MASQUERADE | SCRATCH)) or 1


class Builder:
    """Collects elements and the chains they need."""

    def __init__(self, family: str, pods: Sequence[str]) -> None:
        self.family = family
        self.ip = family
        self.pods = "{ " + ", ".join(pods) + " }"
        self.groups = groups(self.ip)
        self.collections: dict[str, Collection] = {}
        self.chains: dict[str, tuple[str, ...]] = {}
        for group in self.groups.values():
            self._declare(group)
        kind = "ipv4_addr" if family == "ip" else "ipv6_addr"
        self.collections["hairpin"] = Collection(f"type {kind} . {kind}", is_map=False)
        self.collections["cluster-ips"] = Collection(f"type {kind}", is_map=False)

    def _declare(self, group: Group) -> None:
        for purpose in ("frontends", "refused"):
            self.collections[f"{group.name}-{purpose}"] = Collection(f"typeof {group.key} : verdict")
        for protocol in PROTOCOLS:
            self._declare_backends(group, protocol)

    def _declare_backends(self, group: Group, protocol: str) -> None:
        name, key = f"{group.name}-{protocol}", group.port(protocol)
        target = f"{self.ip} daddr . {protocol} dport"
        self.collections |= {
            f"{name}-backends": Collection(f"typeof {key} . numgen random mod 2 : {target}"),
            f"{name}-numbers": Collection(f"typeof {key} . numgen random mod 2 : meta mark"),
            f"{name}-numbered": Collection(f"typeof {key} . meta mark : {target}"),
            f"{name}-affinity": Collection(
                f"typeof {self.ip} saddr . {key} : meta mark",
                options=("flags dynamic,timeout", "size 65536"),
                grows_itself=True,
            ),
        }

    def frontend(self, group_name: str, front: Front, backends: Sequence[Backend], affinity: int, without: str) -> None:
        """Adds one frontend. `without`: what happens when it has no backends, "goto refuse" or "drop"."""
        group = self.groups[group_name]
        if not backends:
            self.collections[f"{group.name}-refused"].elements[front.key] = without
            return
        name = f"{group.name}-{front.protocol}"
        targets = [f"{b.ip} . {b.port}" for b in backends]
        if affinity:
            chain = self._sticky_chain(group, front.protocol, len(backends), affinity)
            for i, backend in enumerate(backends):
                number = backend_number(backend)
                self.collections[f"{name}-numbers"].elements[front.numbered(i)] = str(number)
                self.collections[f"{name}-numbered"].elements[front.numbered(number)] = targets[i]
        else:
            chain = self._pick_chain(group, front.protocol, len(backends))
            for i, target in enumerate(targets):
                self.collections[f"{name}-backends"].elements[front.numbered(i)] = target
        self.collections[f"{group.name}-frontends"].elements[front.key] = f"goto {chain}"
        for b in backends:
            self.collections["hairpin"].elements[f"{b.ip} . {b.ip}"] = ""

    def _masquerade(self, group: Group) -> list[str]:
        if group.local:
            return []
        return [f"{self.ip} saddr != {self.pods} ct mark set ct mark or {MASQUERADE:#x}"]

    def _pick_chain(self, group: Group, protocol: str, count: int) -> str:
        name, backends = f"{group.name}-{protocol}-pick-{count}", f"{group.name}-{protocol}-backends"
        choose = f"dnat {self.ip} to {group.port(protocol)} . numgen random mod {count} map @{backends}"
        self.chains.setdefault(name, (*self._masquerade(group), choose))
        return name

    def _sticky_chain(self, group: Group, protocol: str, count: int, seconds: int) -> str:
        """First rule: a known client goes where it went. Second: a new one (or one whose backend is gone) is dealt."""
        maps, key = f"{group.name}-{protocol}", group.port(protocol)
        client = f"{self.ip} saddr . {key}"
        go = (
            f"update @{maps}-affinity {{ {client} timeout {seconds}s : meta mark }} "
            f"dnat {self.ip} to {key} . meta mark map @{maps}-numbered"
        )
        name = f"{maps}-sticky-{count}-{seconds}"
        lines = (
            *self._masquerade(group),
            f"ct mark set ct mark or {SCRATCH:#x}",
            f"meta mark set {client} map @{maps}-affinity {go}",
            f"meta mark set {key} . numgen random mod {count} map @{maps}-numbers {go}",
        )
        self.chains.setdefault(name, lines)
        return name

    def finish(self) -> Table:
        return Table(self.family, self.collections, self.chains | base_chains(self.ip, self.pods))


def base_chains(ip: str, pods: str) -> dict[str, tuple[str, ...]]:
    """Chains that are there whatever the services: the hooks and what they share."""
    address = f"{ip} daddr . meta l4proto . th dport"
    port = "meta l4proto . th dport"
    outside = f"{ip} saddr != {pods} fib saddr type != local"
    loopback = "127.0.0.0/8" if ip == "ip" else "::1"
    own_address = f"fib daddr type local {ip} daddr != {loopback}"
    return {
        "refuse": ("meta l4proto tcp reject with tcp reset", "reject"),
        "services": (
            f"{outside} {address} vmap @address-local-frontends",
            f"{address} vmap @address-frontends",
            f"{own_address} {outside} {port} vmap @node-local-frontends",
            f"{own_address} {port} vmap @node-frontends",
        ),
        "refused-address": (
            f"{outside} {address} vmap @address-local-refused",
            f"{address} vmap @address-refused",
        ),
        "refused-unknown": (f"{ip} daddr @cluster-ips goto refuse",),
        "refused-node": (
            f"{own_address} {outside} {port} vmap @node-local-refused",
            f"{own_address} {port} vmap @node-refused",
        ),
        "nat-prerouting": ("type nat hook prerouting priority dstnat; policy accept;", "jump services"),
        "nat-output": ("type nat hook output priority -100; policy accept;", "jump services"),
        "nat-postrouting": (
            "type nat hook postrouting priority srcnat; policy accept;",
            f"ct mark and {SCRATCH:#x} == {SCRATCH:#x} meta mark set 0",
            f"ct mark and {MASQUERADE:#x} == {MASQUERADE:#x} masquerade fully-random",
            f"ct status dnat {ip} saddr . {ip} daddr @hairpin masquerade fully-random",
        ),
        "filter-input": (
            "type filter hook input priority -110; policy accept;",
            "ct state new jump refused-node",
            "ct state new jump refused-address",
        ),
        "filter-forward": (
            "type filter hook forward priority -110; policy accept;",
            "ct state new jump refused-address",
            "ct state new jump refused-unknown",
        ),
        # After the translation of our own packets: what still goes to a Service's address goes to none of its ports.
        "filter-output-late": (
            "type filter hook output priority -90; policy accept;",
            "ct state new jump refused-unknown",
        ),
        "filter-output": (
            "type filter hook output priority -110; policy accept;",
            "ct state new jump refused-node",
            "ct state new jump refused-address",
        ),
    }


def add_service_port(build: Builder, port: ServicePort, zone: str) -> None:
    everywhere = usable(port.backends, only_local=False, zone=zone)
    here = usable(port.backends, only_local=True)
    inside = here if port.internal_local else everywhere
    refuse, affinity = "goto refuse", port.affinity_seconds
    nowhere = "drop" if port.internal_local and everywhere else refuse
    for ip in port.cluster_ips:
        build.frontend("address", Front(ip, port.protocol, port.port), inside, affinity, nowhere)
        build.collections["cluster-ips"].elements[ip] = ""
    fronts = [("address", Front(ip, port.protocol, port.port)) for ip in port.external_ips]
    if port.node_port:
        fronts.append(("node", Front("", port.protocol, port.node_port)))
    for group, front in fronts:
        build.frontend(group, front, everywhere, affinity, refuse)
        if port.external_local:
            build.frontend(f"{group}-local", front, here, affinity, "drop" if everywhere else refuse)


def decide(ports: Iterable[ServicePort], *, family: str, pods: Sequence[str], zone: str = "") -> Table:
    """The whole table. `family` is nft's ip or ip6, `pods` the cluster's pod ranges of that family."""
    build = Builder(family, pods)
    for port in ports:
        add_service_port(build, port, zone)
    return build.finish()

"""Decides what the nftables table holds. Pure: from service ports to named maps, sets and chains.

No chain per service: loading 5,000 chains takes 2 s. A frontend is a map element that jumps to a chain shared by all
frontends with as many backends; that chain picks a backend from another map by frontend and a random index:

    10.96.0.10 . tcp . 80  ->  goto address-pick-2
    address-pick-2: dnat to  10.96.0.10 . tcp . 80 . random(2)  ->  10.244.0.7 . 8080

Session affinity remembers a backend's number per client in a map whose elements expire.

There are four groups of maps, by how a frontend is named (its address, or a port on every address of the node) and by
whether only this node's backends may be used: those whose names end in "-local" see outside traffic first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from umiak.network.proxy.services import Backend, ServicePort, usable

MASQUERADE = 0x4000
"""Bit of the connection mark: its source must become the node's own, so that answers come back this way."""
SCRATCH = 0x8000
"""Bit of the connection mark: the packet mark was used to choose a backend and must be cleared."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A set, or a map when values are not empty. `options` are further lines of its declaration."""

    type: str
    elements: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    is_map: bool = True
    grows_itself: bool = False
    """Filled by packets, not by us."""


@dataclass(frozen=True, slots=True)
class Table:
    """All that the proxy keeps in one nftables table."""

    family: str
    collections: dict[str, Collection]
    chains: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Group:
    """One of the four groups of maps and chains."""

    name: str
    key: str
    """The expression that names the frontend of a packet."""
    local: bool


def groups(ip: str) -> dict[str, Group]:
    by_address = f"{ip} daddr . meta l4proto . th dport"
    by_port = "meta l4proto . th dport"
    return {
        "address": Group("address", by_address, local=False),
        "address-local": Group("address-local", by_address, local=True),
        "node": Group("node", by_port, local=False),
        "node-local": Group("node-local", by_port, local=True),
    }


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
        # "tcp dport", though UDP uses it too: nft 1.0 cannot read back a map whose value is "th dport".
        target = f"{self.ip} daddr . tcp dport"
        random = f"{group.key} . numgen random mod 2"
        self.collections |= {
            f"{group.name}-frontends": Collection(f"typeof {group.key} : verdict"),
            f"{group.name}-backends": Collection(f"typeof {random} : {target}"),
            f"{group.name}-numbers": Collection(f"typeof {random} : meta mark"),
            f"{group.name}-numbered": Collection(f"typeof {group.key} . meta mark : {target}"),
            f"{group.name}-affinity": Collection(
                f"typeof {self.ip} saddr . {group.key} : meta mark",
                options=("flags dynamic,timeout", "size 65536"),
                grows_itself=True,
            ),
            f"{group.name}-refused": Collection(f"typeof {group.key} : verdict"),
        }

    def frontend(self, group_name: str, key: str, backends: Sequence[Backend], affinity: int, without: str) -> None:
        """Adds one frontend. `without`: what happens when it has no backends, "goto refuse" or "drop"."""
        group = self.groups[group_name]
        if not backends:
            self.collections[f"{group.name}-refused"].elements[key] = without
            return
        count = len(backends)
        targets = [f"{b.ip} . {b.port}" for b in backends]
        if affinity:
            chain = self._sticky_chain(group, count, affinity)
            numbers = [backend_number(b) for b in backends]
            for i, number in enumerate(numbers):
                self.collections[f"{group.name}-numbers"].elements[f"{key} . {i}"] = str(number)
                self.collections[f"{group.name}-numbered"].elements[f"{key} . {number}"] = targets[i]
        else:
            chain = self._pick_chain(group, count)
            for i, target in enumerate(targets):
                self.collections[f"{group.name}-backends"].elements[f"{key} . {i}"] = target
        self.collections[f"{group.name}-frontends"].elements[key] = f"goto {chain}"
        for b in backends:
            self.collections["hairpin"].elements[f"{b.ip} . {b.ip}"] = ""

    def _masquerade(self, group: Group) -> list[str]:
        if group.local:
            return []
        return [f"{self.ip} saddr != {self.pods} ct mark set ct mark or {MASQUERADE:#x}"]

    def _pick_chain(self, group: Group, count: int) -> str:
        name = f"{group.name}-pick-{count}"
        choose = f"dnat {self.ip} to {group.key} . numgen random mod {count} map @{group.name}-backends"
        self.chains.setdefault(name, (*self._masquerade(group), choose))
        return name

    def _sticky_chain(self, group: Group, count: int, seconds: int) -> str:
        """First rule: a known client goes where it went. Second: a new one (or one whose backend is gone) is dealt."""
        name = f"{group.name}-sticky-{count}-{seconds}"
        client = f"{self.ip} saddr . {group.key}"
        go = (
            f"update @{group.name}-affinity {{ {client} timeout {seconds}s : meta mark }} "
            f"dnat {self.ip} to {group.key} . meta mark map @{group.name}-numbered"
        )
        self.chains.setdefault(
            name,
            (
                *self._masquerade(group),
                f"ct mark set ct mark or {SCRATCH:#x}",
                f"meta mark set {client} map @{group.name}-affinity {go}",
                f"meta mark set {group.key} . numgen random mod {count} map @{group.name}-numbers {go}",
            ),
        )
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
    unreachable = "reject"
    return {
        "refuse": (unreachable,),
        "services": (
            f"{outside} {address} vmap @address-local-frontends",
            f"{address} vmap @address-frontends",
            f"{own_address} {outside} {port} vmap @node-local-frontends",
            f"{own_address} {port} vmap @node-frontends",
        ),
        "refused-address": (
            f"{outside} {address} vmap @address-local-refused",
            f"{address} vmap @address-refused",
            f"{ip} daddr @cluster-ips goto refuse",
        ),
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
        build.frontend("address", f"{ip} . {port.protocol} . {port.port}", inside, affinity, nowhere)
        build.collections["cluster-ips"].elements[ip] = ""
    fronts = [("address", f"{ip} . {port.protocol} . {port.port}") for ip in port.external_ips]
    if port.node_port:
        fronts.append(("node", f"{port.protocol} . {port.node_port}"))
    for group, key in fronts:
        build.frontend(group, key, everywhere, affinity, refuse)
        if port.external_local:
            build.frontend(f"{group}-local", key, here, affinity, "drop" if everywhere else refuse)


def decide(ports: Iterable[ServicePort], *, family: str, pods: Sequence[str], zone: str = "") -> Table:
    """The whole table. `family` is nft's ip or ip6, `pods` the cluster's pod ranges of that family."""
    build = Builder(family, pods)
    for port in ports:
        add_service_port(build, port, zone)
    return build.finish()

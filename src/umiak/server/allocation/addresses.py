"""Addresses of services: each one taken is an IPAddress object, so that two servers never give the same (KEP-1880).

Ranges are ServiceCIDR objects. The lower end of a range is given by chance only when the rest is full (KEP-3070).
"""

import random
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

from umiak.api.networking.ipaddress import KIND as IP_ADDRESS
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.server.contract import Objects

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
FAMILIES = {4: "IPv4", 6: "IPv6"}
MANAGED_BY = "ipaddress.kubernetes.io/managed-by"
FAMILY = "ipaddress.kubernetes.io/ip-family"
ALLOCATOR = "ipallocator.k8s.io"


class Full(Exception):
    def __str__(self) -> str:
        return "range is full"


class Refused(Exception):
    """The wanted address cannot be had; the text is the reference's."""


def family_of(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def static_band(size: int) -> int:
    """How many addresses at the start of a range are kept for those who ask for one."""
    return 0 if size <= 16 else min(max(16, size // 16), 256)


class Span(msgspec.Struct, frozen=True):
    """The addresses of a range that may be given, by number: the network's own and IPv4's broadcast are left out."""

    network: Network
    first: int
    middle: int
    end: int

    @classmethod
    def of(cls, cidr: str) -> "Span":
        network = ip_network(cidr)
        first = int(network.network_address) + 1
        end = int(network.broadcast_address) + (0 if network.version == 4 else 1)
        return cls(network, first, first + static_band(network.num_addresses), end)

    def address(self, number: int) -> Address:
        return type(self.network.network_address)(number)


class _Spec(msgspec.Struct):
    cidrs: list[str]


class _Meta(msgspec.Struct, rename="camel"):
    deletion_timestamp: str | None = None


class _Status(msgspec.Struct):
    conditions: list[dict[str, str]] | None = None


class _Cidr(msgspec.Struct):
    metadata: _Meta
    spec: _Spec
    status: _Status | None = None

    @property
    def is_ready(self) -> bool:
        """A range that is going, or says so, gives nothing more; one that says nothing gives."""
        conditions = (self.status.conditions if self.status else None) or []
        said = [c["status"] for c in conditions if c.get("type") == "Ready"]
        return self.metadata.deletion_timestamp is None and said != ["False"]


_CIDR = msgspec.json.Decoder(_Cidr)


class Addresses:
    """Ranges and taken addresses, kept current by whoever calls `range_changed` and `address_changed`."""

    def __init__(self, default_cidr: str, chance: random.Random) -> None:
        """`default_cidr` names the cluster's first family."""
        self._default = Span.of(default_cidr)
        self._chance = chance
        self._ranges: dict[str, tuple[tuple[Span, ...], bool]] = {"kubernetes": ((self._default,), True)}
        self._taken: set[str] = set()

    @property
    def default_family(self) -> str:
        return FAMILIES[self._default.network.version]

    @property
    def families(self) -> set[str]:
        return {FAMILIES[span.network.version] for spans, _ in self._ranges.values() for span in spans}

    def range_changed(self, name: str, value: bytes | None) -> None:
        """Follows ServiceCIDR objects."""
        self._ranges.pop(name, None)
        if value is not None:
            cidr = _CIDR.decode(value)
            self._ranges[name] = tuple(map(Span.of, cidr.spec.cidrs)), cidr.is_ready

    def address_changed(self, name: str, value: bytes | None) -> None:
        """Follows IPAddress objects."""
        if value is None:
            self._taken.discard(name)
        else:
            self._taken.add(name)

    def _spans(self, family: str) -> list[Span]:
        return [
            span
            for spans, ready in self._ranges.values()
            for span in spans
            if ready and FAMILIES[span.network.version] == family
        ]

    async def take(self, objects: Objects, service: Object, address: str) -> None:
        """Gives a wanted address. Raises Refused."""
        wanted = ip_address(address)
        span = next((s for s in self._spans(family_of(address)) if wanted in s.network), None)
        if span is None:
            raise Refused("the provided network does not match the current range")
        self._check_inside(span, wanted)
        if not await self._create(objects, service, str(wanted)):
            raise Refused("provided IP is already allocated")

    def check(self, address: str) -> None:
        """What a dry run looks at: one range, and not what is taken. Raises Refused."""
        self._check_inside(self._default, ip_address(address))

    def guess(self) -> str:
        """What a dry run shows as the address it would have given."""
        return str(self._default.network.network_address)

    @staticmethod
    def _check_inside(span: Span, wanted: Address) -> None:
        if wanted.version != span.network.version or not span.first <= int(wanted) < span.end:
            raise Refused(
                f"the provided IP ({wanted}) is not in the valid range. The range of valid IPs is {span.network}"
            )

    async def take_any(self, objects: Objects, service: Object, family: str) -> str:
        """Gives a free address. Raises Full."""
        for span in self._spans(family):
            for number in self._candidates(span):
                address = str(span.address(number))
                if address not in self._taken and await self._create(objects, service, address):
                    return address
        raise Full

    def _candidates(self, span: Span) -> Iterator[int]:
        """Every number of a range: the upper part first, each part from anywhere on."""
        for start, end in ((span.middle, span.end), (span.first, span.middle)):
            if size := max(0, end - start):
                offset = self._chance.randrange(size)
                yield from (start + (offset + step) % size for step in range(size))

    async def _create(self, objects: Objects, service: Object, address: str) -> bool:
        """False when somebody was faster."""
        try:
            await objects.create(IP_ADDRESS, ip_object(service, address))
        except StatusError as error:
            if error.reason == "AlreadyExists":
                return False
            raise
        return True

    async def release(self, objects: Objects, address: str) -> None:
        """Silent when the address was not taken."""
        await objects.remove(IP_ADDRESS, "", str(ip_address(address)))


def ip_object(service: Object, address: str) -> Object:
    """The object that says whose an address is."""
    about = service["metadata"]
    parent = {"resource": "services", "namespace": about.get("namespace", ""), "name": about["name"]}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {"name": address, "labels": {FAMILY: family_of(address), MANAGED_BY: ALLOCATOR}},
        "spec": {"parentRef": parent},
    }

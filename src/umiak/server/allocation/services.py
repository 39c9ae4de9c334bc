"""Gives a service its addresses and node ports within the write that needs them.

given = await allocator.allocate(objects, new, old, dry_run)   # after mutating admission, before validation
... the write ...
await given.commit()      # stored: what the old form had too much is free now
await given.revert()      # failed: what was given is free again
await allocator.release(objects, service)                      # once a service is removed
"""

import random

import msgspec

from umiak.api.core.service import KIND as SERVICE
from umiak.api.networking.ipaddress import KIND as IP_ADDRESS
from umiak.kit.clock import Clock
from umiak.objects.errors import FieldError, StatusError, internal, invalid, invalid_value
from umiak.objects.types import Object
from umiak.server.access.feed import follow
from umiak.server.allocation import addresses, ports
from umiak.server.allocation.addresses import ALLOCATOR, MANAGED_BY, Addresses, ip_object
from umiak.server.allocation.families import (
    align_addresses,
    is_headless,
    is_settled_dual_stack,
    keep_allocated,
    needs_address,
    needs_health_check,
    needs_node_ports,
    settle_families,
)
from umiak.server.allocation.ports import Claims, NodePorts, PortWork
from umiak.server.contract import Objects
from umiak.store.contract import Cancel, Store


class _Port(msgspec.Struct, rename="camel"):
    node_port: int = 0


class _Spec(msgspec.Struct, rename="camel"):
    ports: list[_Port] | None = None
    health_check_node_port: int = 0


class _Service(msgspec.Struct):
    spec: _Spec


_SERVICE = msgspec.json.Decoder(_Service)


def _ports_of(value: bytes | None) -> frozenset[int]:
    if value is None:
        return frozenset()
    spec = _SERVICE.decode(value).spec
    found = {port.node_port for port in spec.ports or ()} | {spec.health_check_node_port}
    return frozenset(found - {0})


def node_ports(spec: Object) -> list[int]:
    return [port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")]


class Given(msgspec.Struct):
    """What one write was given. Call `commit` or `revert` once."""

    allocator: "ServiceAllocator"
    objects: Objects
    ports: PortWork
    taken: list[str] = msgspec.field(default_factory=list)
    leaves: list[str] = msgspec.field(default_factory=list)
    """Addresses that the old form of the service had and the new one has not."""

    async def commit(self) -> None:
        await self.ports.finish()
        for address in self.leaves:
            await self.allocator.addresses.release(self.objects, address)

    async def revert(self) -> None:
        await self.ports.finish()
        for address in self.taken:
            await self.allocator.addresses.release(self.objects, address)


class ServiceAllocator:
    """Knows all addresses and ports in use, by following the store."""

    def __init__(
        self, store: Store, clock: Clock, cidr: str, port_range: tuple[int, int], chance: random.Random
    ) -> None:
        self._store = store
        self._claims = Claims(store, clock)
        self.addresses = Addresses(cidr, chance)
        self.ports = NodePorts(*port_range, chance)
        self._cancels: list[Cancel] = []

    async def start(self) -> None:
        """Reads what is in use, and follows it until `stop`."""

        def service_changed(key: str, value: bytes | None) -> None:
            self.ports.service_changed(key, _ports_of(value))

        self._cancels = [
            await follow(self._store, "/networking.k8s.io/servicecidrs/", self.addresses.range_changed),
            await follow(self._store, "/networking.k8s.io/ipaddresses/", self.addresses.address_changed),
            await follow(self._store, "/core/services/", service_changed),
        ]

    def stop(self) -> None:
        for cancel in self._cancels:
            cancel()
        self._cancels = []

    async def allocate(self, objects: Objects, new: Object, old: Object | None, dry_run: bool = False) -> Given:
        """Fills in `new`; `old` is None on creation. Raises StatusError (422, or 500 when nothing is left)."""
        before = old["spec"] if old else None
        if before is not None:
            keep_allocated(new["spec"], before)
        align_addresses(new["spec"], before)
        families = self.addresses.default_family, self.addresses.families
        _refuse(new, settle_families(new["spec"], before, *families))
        given = Given(self, objects, PortWork(self.ports, self._claims, dry_run))
        try:
            await self._addresses(given, new, before, dry_run)
            await self._node_ports(given.ports, new, before)
        except BaseException:
            await given.revert()
            raise
        return given

    async def release(self, objects: Objects, service: Object) -> None:
        """Frees the addresses of a service that is gone; its ports are free as soon as the store has said so."""
        if needs_address(service["spec"]) and not is_headless(service["spec"]):
            for address in service["spec"].get("clusterIPs") or ():
                await self.addresses.release(objects, address)

    async def _addresses(self, given: Given, new: Object, before: Object | None, dry_run: bool) -> None:
        spec = new["spec"]
        if is_settled_dual_stack(spec, before):
            return
        fresh = before is None or (not needs_address(before) and needs_address(spec))
        if before is not None and not fresh:
            if is_headless(before):
                return
            kept = (spec.get("clusterIPs") or []) if needs_address(spec) else []
            given.leaves = [] if dry_run else (before.get("clusterIPs") or [])[len(kept) :]
        if needs_address(spec) and not is_headless(spec):
            have = 0 if fresh else len((before or {}).get("ipFamilies") or [])
            await self._give(given, new, have, dry_run)

    async def _give(self, given: Given, new: Object, have: int, dry_run: bool) -> None:
        """Addresses for the families from index `have` on."""
        spec = new["spec"]
        wanted = [*(spec.get("clusterIPs") or []), "", ""]
        found = wanted[:have]
        for i, family in list(enumerate(spec.get("ipFamilies") or []))[have:]:
            found.append(await self._one(given, new, family, wanted[i], dry_run))
        if found:
            spec["clusterIP"], spec["clusterIPs"] = found[0], found

    async def _one(self, given: Given, new: Object, family: str, wanted: str, dry_run: bool) -> str:
        shown = new["spec"].get("clusterIPs") or []
        if dry_run and not wanted:
            return self.addresses.guess()
        try:
            if dry_run:
                self.addresses.check(wanted)
                return wanted
            if wanted:
                await self.addresses.take(given.objects, new, wanted)
            address = wanted or await self.addresses.take_any(given.objects, new, family)
        except addresses.Refused as why:
            text = f"failed to allocate IP {wanted}: {why}"
            raise _invalid(new, [invalid_value("spec.clusterIPs", shown, text)]) from None
        except addresses.Full as why:
            name = new["metadata"].get("name", "")
            raise internal(f'failed to allocate a serviceIP for Service "{name}": {why}') from None
        given.taken.append(address)
        return address

    async def _node_ports(self, work: PortWork, new: Object, before: Object | None) -> None:
        spec = new["spec"]
        mine = set(node_ports(before)) if before and before.get("type") in ("NodePort", "LoadBalancer") else set()
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            try:
                if before is None:
                    await self._first_ports(work, new)
                else:
                    await self._changed_ports(work, new, mine)
            except ports.Full as why:
                raise internal(f"failed to allocate a nodePort: {why}") from None
        if needs_health_check(spec) and not (before and needs_health_check(before)):
            await self._health_check(work, spec)

    async def _first_ports(self, work: PortWork, new: Object) -> None:
        """On creation ports of the same number (say TCP and UDP) share a node port."""
        spec = new["spec"]
        shared: dict[int, int] = {}
        for i, port in enumerate(spec.get("ports") or ()):
            number = port.get("port") or 0
            if not port.get("nodePort") and not needs_node_ports(spec):
                continue
            if number not in shared:
                alike = (p["nodePort"] for p in spec["ports"] if p.get("nodePort") and p.get("port") == number)
                wish = next(alike, 0)
                shared[number] = await _take(work, new, i, wish) if wish else await work.take_any()
                port["nodePort"] = shared[number]
            elif not port.get("nodePort"):
                port["nodePort"] = shared[number]
            elif port["nodePort"] != shared[number]:
                await _take(work, new, i, port["nodePort"])

    async def _changed_ports(self, work: PortWork, new: Object, mine: set[int]) -> None:
        spec = new["spec"]
        seen: set[tuple[str, int]] = set()
        for i, port in enumerate(spec.get("ports") or ()):
            if not port.get("nodePort") and not needs_node_ports(spec):
                continue
            if not port.get("nodePort"):
                port["nodePort"] = await work.take_any()
            elif port["nodePort"] not in mine and port["nodePort"] not in work.taken:
                await _take(work, new, i, port["nodePort"])
            about = (port.get("protocol", ""), port["nodePort"])
            if about in seen:
                raise StatusError(500, "", f"duplicate nodePort: {{{about[0]} {about[1]}}}")
            seen.add(about)

    async def _health_check(self, work: PortWork, spec: Object) -> None:
        wish = spec.get("healthCheckNodePort") or 0
        try:
            if wish:
                await work.take(wish)
            else:
                spec["healthCheckNodePort"] = await work.take_any()
        except ports.Refused as why:
            raise internal(f"failed to allocate requested HealthCheck NodePort {wish}: {why}") from None
        except ports.Full as why:
            raise internal(f"failed to allocate a HealthCheck NodePort {wish}: {why}") from None

    async def repair(self, objects: Objects) -> None:
        """After a crash: frees addresses of services that are gone, claims those that services have without a claim."""
        services = await objects.list(SERVICE)
        wanted = {
            address: service
            for service in services
            if needs_address(service["spec"]) and not is_headless(service["spec"])
            for address in service["spec"].get("clusterIPs") or ()
        }
        for taken in await objects.list(IP_ADDRESS):
            name = taken["metadata"]["name"]
            owner = wanted.pop(name, None)
            managed = (taken["metadata"].get("labels") or {}).get(MANAGED_BY) == ALLOCATOR
            if owner is None and managed:
                await objects.remove(IP_ADDRESS, "", name)
        for address, service in wanted.items():
            await objects.create(IP_ADDRESS, ip_object(service, address))


async def _take(work: PortWork, new: Object, index: int, port: int) -> int:
    try:
        await work.take(port)
    except ports.Refused as why:
        raise _invalid(new, [invalid_value(f"spec.ports[{index}].nodePort", port, str(why))]) from None
    return port


def _invalid(service: Object, errors: list[FieldError]) -> StatusError:
    return invalid("", "Service", service["metadata"].get("name") or "", errors)


def _refuse(service: Object, errors: list[FieldError]) -> None:
    if errors:
        raise _invalid(service, errors)

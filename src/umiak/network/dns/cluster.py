"""Cluster DNS at work: follows Services and namespaces, and tells the cluster where this node's DNS listens."""

import asyncio
import ipaddress
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec

from umiak.api.core import namespace, service
from umiak.api.discovery import endpointslice
from umiak.client.contract import Client
from umiak.network.dns.server import DnsServer, Resolver
from umiak.network.dns.upstream import Upstream, servers
from umiak.network.dns.zone import Zone
from umiak.network.tracker import KINDS, SERVICE_NAME, ServiceTracker
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.reconcile.context import Runtime

NAMESPACE, NAME = "kube-system", "kube-dns"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
GATHER_SECONDS = 0.01


class Settings(msgspec.Struct, frozen=True):
    """Where DNS listens on this node (`addresses`, `port`) and how the cluster reaches it (`service_ip`)."""

    node: str
    addresses: Sequence[str]
    port: int = 10053
    zone: str = "cluster.local"
    service_ip: str = "10.96.0.10"
    resolv_conf: Path = Path("/etc/resolv.conf")
    upstreams: Sequence[str] = ()
    """Name servers to forward to; those of `resolv_conf` when none are given."""


def service_address(service_cidr: str) -> str:
    """The tenth address of the service range, where clusters by custom have their DNS."""
    return str(ipaddress.ip_network(service_cidr)[10])


def dns_service(settings: Settings) -> Object:
    """The Service that pods ask. Each node answers its own pods; there is nothing to balance."""
    ports = [
        {"name": name, "port": 53, "protocol": protocol, "targetPort": settings.port}
        for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    labels = {"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS", "kubernetes.io/cluster-service": "true"}
    spec = {"clusterIP": settings.service_ip, "internalTrafficPolicy": "Local", "ports": ports}
    about = {"name": NAME, "namespace": NAMESPACE, "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": spec}


def dns_slice(settings: Settings) -> Object:
    """This node's part of the Service, which has no selector."""
    labels = {SERVICE_NAME: NAME, MANAGED_BY: "dns.umiak.dev"}
    outside = [a for a in settings.addresses if not ipaddress.ip_address(a).is_loopback]
    endpoint = {"addresses": outside[:1], "nodeName": settings.node, "conditions": {"ready": True}}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{NAME}-{settings.node}", "namespace": NAMESPACE, "labels": labels},
        "addressType": "IPv6" if ":" in outside[0] else "IPv4",
        "endpoints": [endpoint],
        "ports": [
            {"name": "dns", "port": settings.port, "protocol": "UDP"},
            {"name": "dns-tcp", "port": settings.port, "protocol": "TCP"},
        ],
    }


async def announce(client: Client, settings: Settings) -> None:
    """Makes the Service and this node's slice, or brings the slice up to date. Raises StatusError."""
    try:
        await client.create(service.KIND, dns_service(settings))
    except StatusError as error:
        if error.reason not in ("AlreadyExists", "Invalid"):  # Invalid: its address is taken, by itself
            raise
    piece = dns_slice(settings)
    try:
        await client.create(endpointslice.KIND, piece)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
        await client.update(endpointslice.KIND, piece)


class ClusterDns:
    """`synced` is set once every name known at the start is answered."""

    def __init__(self, runtime: Runtime, settings: Settings, chance: random.Random) -> None:
        self.synced = asyncio.Event()
        self.zone = Zone(settings.zone)
        upstreams = list(settings.upstreams) or servers(settings.resolv_conf)
        foreign = [u for u in upstreams if u not in (*settings.addresses, settings.service_ip)]
        self.server = DnsServer(Resolver(self.zone, Upstream(foreign, runtime.clock, chance)))
        self._runtime = runtime
        self._settings = settings

    async def run(self) -> None:
        """Returns only when cancelled. Raises OSError when the port cannot be had."""
        await self.server.start(self._settings.addresses, self._settings.port)
        try:
            async with asyncio.TaskGroup() as tasks:
                kinds = (*KINDS, namespace.KIND)
                self._runtime.informers.start(kinds, tasks)
                await self._runtime.informers.synced(kinds)
                await self._follow()
        finally:
            await self.server.close()

    async def _follow(self) -> None:
        tables = self._runtime.tables
        tracker = ServiceTracker(tables)
        tables.table(namespace.KIND).listen(lambda change: tracker.changed.set())
        while True:
            for key in tracker.take():
                self.zone.update(key, tracker.service(key), tracker.slices(key))
            self.zone.set_namespaces(key.name for key in tables.keys(namespace.KIND))
            self.synced.set()
            await tracker.changed.wait()
            await self._runtime.clock.sleep(GATHER_SECONDS)

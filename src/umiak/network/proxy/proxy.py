"""The service proxy at work: follows Services and EndpointSlices, keeps the nftables table equal to the decision."""

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from umiak.kit.backoff import Backoff
from umiak.network import nft
from umiak.network.proxy import conntrack
from umiak.network.proxy import nft as scripts
from umiak.network.proxy.rules import Table, decide
from umiak.network.proxy.services import ServicePort, is_proxied, service_ports
from umiak.network.tracker import KINDS, ServiceTracker
from umiak.objects.meta import Key
from umiak.reconcile.context import Runtime

log = logging.getLogger(__name__)
GATHER_SECONDS = 0.02
"""Changes that come together are applied together."""
RETRY = Backoff(first=0.5, limit=30.0)


class Settings(msgspec.Struct, frozen=True):
    """`pods`: the cluster's pod ranges of `family`, which is nft's ip or ip6."""

    node: str
    pods: Sequence[str]
    family: str = "ip"
    zone: str = ""

    @property
    def address_type(self) -> str:
        return "IPv6" if self.family == "ip6" else "IPv4"


class ServiceProxy:
    """`synced` is set once the kernel holds all that was known at the start."""

    def __init__(self, runtime: Runtime, settings: Settings) -> None:
        self.synced = asyncio.Event()
        self._runtime = runtime
        self._settings = settings
        self._ports: dict[Key, list[ServicePort]] = {}
        self._loaded: Table | None = None

    async def run(self) -> None:
        """Returns only when cancelled. The rules stay in the kernel: connections outlive the proxy."""
        async with asyncio.TaskGroup() as tasks:
            self._runtime.informers.start(KINDS, tasks)
            tracker = ServiceTracker(self._runtime.tables)
            await self._runtime.informers.synced(KINDS)
            tracker.changed.set()  # a cluster without Services needs the table, too
            failures = 0
            while True:
                await tracker.changed.wait()
                await self._runtime.clock.sleep(GATHER_SECONDS)
                failures = await self._sync(tracker, failures)

    async def _sync(self, tracker: ServiceTracker, failures: int) -> int:
        """Takes in what changed; returns how many times in a row it has failed now."""
        flows = self._read(tracker)
        try:
            await self._load()
        except nft.NftError as error:
            log.error("service proxy: %s", error)
            self._loaded = None  # next time from the start, whatever the kernel holds
            tracker.changed.set()
            await self._runtime.clock.sleep(RETRY.wait(failures + 1))
            return failures + 1
        self.synced.set()
        await conntrack.forget(flows)
        return 0

    def _read(self, tracker: ServiceTracker) -> set[conntrack.Flow]:
        flows: set[conntrack.Flow] = set()
        for key in tracker.take():
            old = {(p.protocol, p.port): p for p in self._ports.pop(key, [])}
            service = tracker.service(key)
            if service is not None and is_proxied(service):
                slices = tracker.slices(key)
                self._ports[key] = service_ports(service, slices, self._settings.address_type, self._settings.node)
            new = {(p.protocol, p.port): p for p in self._ports.get(key, [])}
            for name, port in old.items():
                flows |= conntrack.stale(port, new.get(name))
        return flows

    async def _load(self) -> None:
        ports = [p for key in sorted(self._ports) for p in self._ports[key]]
        wanted = decide(ports, family=self._settings.family, pods=self._settings.pods, zone=self._settings.zone)
        script = scripts.change(self._loaded, wanted) if self._loaded else scripts.load(wanted)
        if script:
            await nft.run(script)
        self._loaded = wanted

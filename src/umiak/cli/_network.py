"""Network of one node in one process: CNI configuration, service proxy and cluster DNS share one cache."""

import argparse
import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from umiak.api.core import node
from umiak.cli._part import connect, runtime
from umiak.client.contract import Client, Unreachable
from umiak.kit.backoff import Backoff
from umiak.kit.clock import Clock
from umiak.network import cni, nft
from umiak.network.dns.cluster import ClusterDns, announce
from umiak.network.dns.cluster import Settings as DnsSettings
from umiak.network.proxy.proxy import ServiceProxy
from umiak.network.proxy.proxy import Settings as ProxySettings
from umiak.objects.errors import StatusError

log = logging.getLogger(__name__)
RETRY = Backoff(first=0.1, limit=10.0)


async def run(args: argparse.Namespace, name: str, addresses: Sequence[str]) -> None:
    """Returns only when cancelled."""
    shared = runtime(connect(args.with_network, "network"))
    cluster = [c for c in args.cluster_cidr.split(",") if ":" not in c]
    proxy = ServiceProxy(shared, ProxySettings(node=name, pods=cluster))
    wanted = DnsSettings(
        node=name,
        addresses=[a for a in addresses if ":" not in a][:1],
        zone=args.cluster_domain,
        service_ip=args.cluster_dns.split(",")[0],
        resolv_conf=Path(args.resolv_conf),
    )
    dns = ClusterDns(shared, wanted, random.Random())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(proxy.run(), name="proxy")
        tasks.create_task(dns.run(), name="dns")
        tasks.create_task(keep_trying(partial(announce, shared.client, wanted), shared.clock), name="announce dns")
        if args.cni_config:
            configure = partial(configure_pods, shared.client, name, args.cni_config, cluster)
            tasks.create_task(keep_trying(configure, shared.clock), name="cni")


async def configure_pods(client: Client, name: str, folder: Path, cluster: Sequence[str]) -> None:
    """Writes the CNI configuration as soon as the node has its pod range."""
    ranges = await pod_ranges(client, name)
    own = [r for r in ranges if ":" not in r]
    await nft.run(cni.masquerade("ip", own, cluster))
    if cni.write(folder, cni.conflist(own)):
        log.info("pods of this node get addresses of %s", ", ".join(own))


async def pod_ranges(client: Client, name: str) -> list[str]:
    """The node's `spec.podCIDRs`, waited for. Raises StatusError and Unreachable."""
    fields = f"metadata.name={name}"
    while True:
        listed = await client.list(node.KIND, fields=fields)
        found = [n for n in listed.items if (n.get("spec") or {}).get("podCIDRs")]
        if found:
            return list(found[0]["spec"]["podCIDRs"])
        async for event in client.watch(node.KIND, fields=fields, resource_version=listed.resource_version, timeout=60):
            if (event.object.get("spec") or {}).get("podCIDRs"):
                return list(event.object["spec"]["podCIDRs"])


async def keep_trying(work: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Until `work()` succeeds once; the API server may not be there yet."""
    failures = 0
    while True:
        try:
            await work()
        except (StatusError, Unreachable, nft.NftError) as error:
            failures += 1
            if failures in (3, 10):
                log.warning("network of this node: %s", error)
            await clock.sleep(RETRY.wait(failures))
        else:
            return

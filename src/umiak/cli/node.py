"""umiak node: only the node agent, against any Kubernetes API server; with network, also service proxy and DNS."""

import argparse
import asyncio
import random
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from umiak.cli._output import JSON, TEXT, add_output
from umiak.cli._part import add_kubeconfig, connect, run_until_stopped, say_ready
from umiak.cli._part import runtime as parts_runtime
from umiak.cli.command import Command, CommandError

if TYPE_CHECKING:
    from umiak.network.dns.cluster import Settings as DnsSettings
    from umiak.node.agent import Agent, Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    add_kubeconfig(parser)
    parser.add_argument("--name", default=socket.gethostname().lower(), help="this node's name")
    parser.add_argument("--address", action="append", metavar="IP", help="this node's address; may be repeated")
    parser.add_argument("--bind", default="", metavar="IP", help="where the endpoint listens (default: everywhere)")
    parser.add_argument("--port", type=int, default=10250, help="the endpoint's port; 0 for any free one")
    parser.add_argument("--root", type=Path, default=Path("/var/lib/umiak/node"), help="folder of pods and volumes")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="folder of the pods' logs (default: ROOT/logs)")
    parser.add_argument("--runtime", default="unix:///run/containerd/containerd.sock", metavar="ENDPOINT")
    parser.add_argument("--cgroup-driver", choices=("cgroupfs", "systemd"), default="cgroupfs")
    parser.add_argument("--cluster-dns", default="", metavar="IP", help="name server for pods; several by comma")
    parser.add_argument("--cluster-domain", default="cluster.local")
    parser.add_argument("--resolv-conf", default="/etc/resolv.conf", metavar="F")
    parser.add_argument("--manifests", type=Path, metavar="DIR", help="folder of static pods")
    parser.add_argument("--client-ca", default="", metavar="F", help="whose certificates the endpoint's clients show")
    parser.add_argument("--local-path-root", default="", metavar="DIR", help="folder of local-path volumes")
    parser.add_argument("--labels", default="", metavar="K=V,..", help="labels of a new Node")
    parser.add_argument("--max-pods", type=int, default=110)
    parser.add_argument("--cni-config", type=Path, metavar="DIR", help="where to write the pods' network configuration")
    parser.add_argument("--with-network", type=Path, metavar="F", help="kubeconfig with which proxy and DNS run too")
    parser.add_argument("--cluster-cidr", default="10.244.0.0/16", help="the cluster's pod range; several by comma")
    add_output(parser, TEXT, JSON)


def run(args: argparse.Namespace) -> int:
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    return run_until_stopped(lambda: work(args))


def settings(args: argparse.Namespace) -> "Settings":
    from umiak.node.agent import Settings
    from umiak.node.facts import default_address

    labels = dict(pair.partition("=")[::2] for pair in args.labels.split(",") if pair)
    return Settings(
        name=args.name,
        root=args.root.resolve(),
        logs=(args.logs or args.root / "logs").resolve(),
        addresses=tuple(args.address or [default_address()]),
        port=args.port,
        cluster_dns=tuple(a for a in args.cluster_dns.split(",") if a),
        cluster_domain=args.cluster_domain,
        resolv_conf=args.resolv_conf,
        manifests=args.manifests.resolve() if args.manifests else None,
        local_path_root=args.local_path_root,
        cgroup_driver=args.cgroup_driver,
        max_pods=args.max_pods,
        labels=labels,
    )


async def work(args: argparse.Namespace) -> None:
    from umiak.kit.clock import RealClock
    from umiak.node.agent import Agent
    from umiak.node.cri.client import Cri

    wanted = settings(args)
    wanted.root.mkdir(parents=True, exist_ok=True)
    few_threads()
    await make_certificate(wanted)
    try:
        runtime = Cri(args.runtime)
    except ValueError as error:
        raise CommandError(str(error)) from error
    network = Network(args, wanted) if args.with_network else None
    services = network.runtime.informers if network else None
    agent = Agent(wanted, connect(args.kubeconfig, "node"), runtime, RealClock(), random.Random(), services)

    def more(tasks: asyncio.TaskGroup) -> None:
        tasks.create_task(endpoint(agent, args), name="endpoint")
        if network is not None:
            network.start(agent, tasks)

    try:
        await agent.run(more)
    finally:
        await runtime.close()


def few_threads() -> None:
    """File work goes to threads; each has a stack and a share of the allocator, so two are enough."""
    from concurrent.futures import ThreadPoolExecutor

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))


async def make_certificate(wanted: "Settings") -> None:
    """The endpoint's, unless it is there."""
    from umiak.node.certificate import paths

    folder = wanted.root / "pki"
    if all(p.exists() for p in paths(folder)):
        return
    command = [sys.executable, "-m", "umiak.node.certificate", str(folder), wanted.name, *wanted.addresses, "127.0.0.1"]
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait() != 0:
        raise CommandError(f"cannot make a serving certificate in {folder}")


async def endpoint(agent: "Agent", args: argparse.Namespace) -> None:
    """Serves until cancelled."""
    from umiak.kit.clock import RealClock
    from umiak.kit.tls import server_context
    from umiak.node.access import Access
    from umiak.node.certificate import paths
    from umiak.node.server import Endpoint

    certificate, key = paths(agent.settings.root / "pki")
    tls = server_context(str(certificate), str(key), args.client_ca)
    access = Access(agent.tools.client, RealClock(), agent.settings.name)
    server = await Endpoint(agent, access, RealClock()).listen(args.bind, args.port, tls)
    name, port = agent.settings.name, server.port
    say_ready(f"node {name} serves on port {port}", args.output, part="node", name=name, port=port)
    try:
        await asyncio.Event().wait()
    finally:
        await server.close(grace=0.5)


class Network:
    """Service proxy, DNS and the pods' network configuration of this node, beside the agent in one process."""

    def __init__(self, args: argparse.Namespace, wanted: "Settings") -> None:
        self.runtime = parts_runtime(connect(args.with_network, "network"))
        self._args, self._wanted = args, wanted
        self._cluster = args.cluster_cidr.split(",")

    def start(self, agent: "Agent", tasks: asyncio.TaskGroup) -> None:
        from umiak.network.dns.cluster import ClusterDns
        from umiak.network.proxy.proxy import ServiceProxy
        from umiak.network.proxy.proxy import Settings as ProxySettings

        pods = [cidr for cidr in self._cluster if ":" not in cidr]
        proxy = ServiceProxy(self.runtime, ProxySettings(node=self._wanted.name, pods=pods))
        tasks.create_task(proxy.run(), name="proxy")
        tasks.create_task(self._configure(agent), name="pod network")
        if self._wanted.cluster_dns:
            dns = ClusterDns(self.runtime, self._dns_settings(), random.Random())
            tasks.create_task(dns.run(), name="dns")
            tasks.create_task(self._announce(), name="dns announcement")

    def _dns_settings(self) -> "DnsSettings":
        from umiak.network.dns.cluster import Settings as DnsSettings

        wanted = self._wanted
        return DnsSettings(
            node=wanted.name,
            addresses=wanted.addresses,
            zone=wanted.cluster_domain,
            service_ip=wanted.cluster_dns[0],
            resolv_conf=Path(wanted.resolv_conf),
        )

    async def _announce(self) -> None:
        """Tries until the API server takes it."""
        from umiak.client.contract import Unreachable
        from umiak.network.dns.cluster import announce
        from umiak.objects.errors import StatusError

        while True:
            try:
                await announce(self.runtime.client, self._dns_settings())
                return
            except (StatusError, Unreachable) as error:
                print(f"cannot announce DNS yet: {error}", file=sys.stderr)
                await self.runtime.clock.sleep(1.0)

    async def _configure(self, agent: "Agent") -> None:
        """Writes the network configuration once the node's pod range is known."""
        from umiak.network import cni, nft

        await agent.assembled.wait()
        ranges = await agent.pod_cidrs()
        for family, is_v6 in (("ip", False), ("ip6", True)):
            own, every = ([c for c in cidrs if (":" in c) == is_v6] for cidrs in (ranges, self._cluster))
            if own:
                await nft.run(cni.masquerade(family, own, every or own))
        if self._args.cni_config:
            cni.write(self._args.cni_config, cni.conflist(ranges))


COMMAND = Command(
    name="node",
    help="run only the node agent, against any Kubernetes API server",
    arguments=arguments,
    run=run,
    examples=("umiak node --kubeconfig node.kubeconfig --runtime unix:///run/containerd/containerd.sock",),
)

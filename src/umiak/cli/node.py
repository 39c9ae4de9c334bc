"""umiak node: only the node agent, against any Kubernetes API server; with network, also service proxy and DNS."""

import argparse
import asyncio
import random
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from umiak.cli._part import add_kubeconfig, connect, run_until_stopped, say_ready
from umiak.cli.command import Command, CommandError

if TYPE_CHECKING:
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
    await make_certificate(wanted)
    try:
        runtime = Cri(args.runtime)
    except ValueError as error:
        raise CommandError(str(error)) from error
    agent = Agent(wanted, connect(args.kubeconfig, "node"), runtime, RealClock(), random.Random())

    def more(tasks: asyncio.TaskGroup) -> None:
        tasks.create_task(endpoint(agent, args), name="endpoint")
        if args.with_network:
            tasks.create_task(network(args, wanted), name="network")

    try:
        await agent.run(more)
    finally:
        await runtime.close()


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
    say_ready(f"node {agent.settings.name} serves on port {server.port}")
    try:
        await asyncio.Event().wait()
    finally:
        await server.close(grace=0.5)


async def network(args: argparse.Namespace, wanted: "Settings") -> None:
    """Service proxy, DNS and the pods' network configuration of this node, until cancelled."""
    from umiak.cli import _network

    await _network.run(args, wanted.name, wanted.addresses)


COMMAND = Command(
    name="node",
    help="run only the node agent, against any Kubernetes API server",
    arguments=arguments,
    run=run,
    examples=("umiak node --kubeconfig node.kubeconfig --runtime unix:///run/containerd/containerd.sock",),
)

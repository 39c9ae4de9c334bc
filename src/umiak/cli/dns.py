"""umiak dns: only cluster DNS, against any Kubernetes API server."""

import argparse
import asyncio
import random
import socket

from umiak.cli._output import JSON, TEXT, add_output
from umiak.cli._part import add_kubeconfig, connect, one_of, run_until_stopped, runtime, say_ready
from umiak.cli.command import Command, CommandError


def arguments(parser: argparse.ArgumentParser) -> None:
    add_kubeconfig(parser)
    parser.add_argument("--name", default=socket.gethostname().lower(), help="this node's name")
    parser.add_argument("--bind", action="append", metavar="A", help="address to listen on; may be repeated")
    parser.add_argument("--port", type=int, default=10053)
    parser.add_argument("--cluster-domain", default="cluster.local")
    parser.add_argument("--service-ip", default="10.96.0.10", help="address of the kube-dns Service")
    parser.add_argument("--upstream", action="append", metavar="A", help="name server for other names")
    parser.add_argument("--announce", action="store_true", help="make the kube-dns Service and this node's endpoint")
    add_output(parser, TEXT, JSON)


def run(args: argparse.Namespace) -> int:
    return run_until_stopped(lambda: serve(args))


async def serve(args: argparse.Namespace) -> None:
    from umiak.network.dns.cluster import ClusterDns, Settings, announce

    client = connect(args.kubeconfig, "dns")
    settings = Settings(
        node=args.name,
        addresses=args.bind or ["127.0.0.1"],
        port=args.port,
        zone=args.cluster_domain,
        service_ip=args.service_ip,
        upstreams=args.upstream or (),
    )
    dns = ClusterDns(runtime(client), settings, random.Random())
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(dns.run(), name="dns")
            await dns.synced.wait()
            if args.announce:
                await announce(client, settings)
            port = dns.server.port
            say_ready(f"cluster DNS is ready on port {port}", args.output, part="dns", port=port)
    except ExceptionGroup as group:
        if (error := one_of(group, OSError)) is None:
            raise
        raise CommandError(f"cannot listen on port {args.port}: {error}") from None


COMMAND = Command(
    name="dns",
    help="run only cluster DNS, against any Kubernetes API server",
    arguments=arguments,
    run=run,
    examples=("umiak dns --kubeconfig admin.kubeconfig --bind 192.0.2.10 --announce",),
)

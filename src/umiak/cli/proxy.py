"""umiak proxy: only the service proxy of this node, against any Kubernetes API server."""

import argparse
import asyncio
import socket

from umiak.cli._output import JSON, TEXT, add_output
from umiak.cli._part import add_kubeconfig, connect, run_until_stopped, runtime, say_ready
from umiak.cli.command import Command


def arguments(parser: argparse.ArgumentParser) -> None:
    add_kubeconfig(parser)
    parser.add_argument("--name", default=socket.gethostname().lower(), help="this node's name")
    parser.add_argument("--cluster-cidr", default="10.244.0.0/16", help="the cluster's pod range; several by comma")
    add_output(parser, TEXT, JSON)


def run(args: argparse.Namespace) -> int:
    return run_until_stopped(lambda: proxy(args))


async def proxy(args: argparse.Namespace) -> None:
    from umiak.network.proxy.proxy import ServiceProxy, Settings

    pods = [cidr for cidr in args.cluster_cidr.split(",") if ":" not in cidr]
    found = ServiceProxy(runtime(connect(args.kubeconfig, "proxy")), Settings(node=args.name, pods=pods))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(found.run(), name="proxy")
        await found.synced.wait()
        say_ready("service proxy is ready", args.output, part="proxy")


COMMAND = Command(
    name="proxy",
    help="run only the service proxy of this node, against any Kubernetes API server",
    arguments=arguments,
    run=run,
    examples=("umiak proxy --kubeconfig admin.kubeconfig --cluster-cidr 10.244.0.0/16",),
)

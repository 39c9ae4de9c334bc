"""umiak scheduler: only the scheduler, against any Kubernetes API server."""

import argparse
import asyncio
import os
import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from umiak.cli._output import JSON, TEXT, add_output
from umiak.cli._part import connect, run_until_stopped, runtime, say_ready
from umiak.cli._scheduling import configuration, scheduler_of
from umiak.cli._telling import Teller, add_telling, telling
from umiak.cli.command import Command, CommandError

if TYPE_CHECKING:
    from umiak.objects.types import Object
    from umiak.reconcile.context import Runtime
    from umiak.scheduler.configuration.reading import Configuration
    from umiak.scheduler.loop import Scheduler


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--kubeconfig", type=Path, metavar="F", help="how to reach the API server; --config may say so, too")
    add("--config", type=Path, metavar="F", help="a KubeSchedulerConfiguration: profiles, plugins and their arguments")
    add("--name", default="", help="schedule pods that ask for this scheduler (default-scheduler); not with --config")
    add_telling(parser)
    add_output(parser, TEXT, JSON)


def run(args: argparse.Namespace) -> int:
    if args.config and args.name:
        raise CommandError("--name and --config exclude each other: the configuration's profiles have names")
    config = configuration(args.config)
    if args.kubeconfig is None:
        if config is None or not config.kubeconfig:
            raise CommandError("--kubeconfig F is needed, or a --config whose clientConnection names one")
        args.kubeconfig = Path(config.kubeconfig)
    return run_until_stopped(lambda: work(args, config))


async def work(args: argparse.Namespace, config: "Configuration | None") -> None:
    shared = runtime(connect(args.kubeconfig, "scheduler"))
    scheduler = scheduler_of(shared, config, args.name)
    ready = {"sched-handler-sync": scheduler.ready.is_set}
    async with telling(args, shared, Teller("scheduler", ready, scheduler.metrics.text, described(args, config))):
        if config is not None and config.leader_elect:
            await lead(shared, config, scheduler, args.output)
        else:
            await schedule(shared, scheduler, args.output)


def described(args: argparse.Namespace, config: "Configuration | None") -> "Object":
    """The configuration with everything filled in; only for those who serve it."""
    if config is not None or not args.secure_port:
        return config.described if config is not None else {}
    from umiak.scheduler.configuration.reading import defaults

    return defaults(args.name)


async def schedule(shared: "Runtime", scheduler: "Scheduler", output: str) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shared.recorder.run(), name="events")
        tasks.create_task(scheduler.run(), name="scheduler")
        await scheduler.ready.wait()
        say_ready("scheduler is ready", output, part="scheduler")


async def lead(shared: "Runtime", config: "Configuration", scheduler: "Scheduler", output: str) -> None:
    """Works once and while this process is the leader; ends when it no longer is, for its supervisor to start anew."""
    from umiak.reconcile.leader import Election, Timing

    election = config.described["leaderElection"]
    one = Election(
        shared.client,
        shared.clock,
        shared.random,
        name=election["resourceName"],
        namespace=election["resourceNamespace"],
        identity=f"{socket.gethostname()}_{os.getpid()}_{random.getrandbits(32):08x}",
        timing=Timing(config.lease_seconds, config.renew_deadline, config.retry_period),
    )
    await one.run(lambda: schedule(shared, scheduler, output))


COMMAND = Command(
    name="scheduler",
    help="run only the scheduler, against any Kubernetes API server",
    arguments=arguments,
    run=run,
    examples=(
        "umiak scheduler --kubeconfig admin.kubeconfig",
        "umiak scheduler --kubeconfig admin.kubeconfig --config scheduler.yaml --secure-port 10259",
    ),
)

"""umiak scheduler: only the scheduler, against any Kubernetes API server."""

import argparse
import asyncio

from umiak.cli._part import add_kubeconfig, connect, run_until_stopped, runtime, say_ready
from umiak.cli.command import Command


def arguments(parser: argparse.ArgumentParser) -> None:
    add_kubeconfig(parser)
    parser.add_argument("--name", default="default-scheduler", help="schedule pods that ask for this scheduler")


def run(args: argparse.Namespace) -> int:
    return run_until_stopped(lambda: schedule(args))


async def schedule(args: argparse.Namespace) -> None:
    from umiak.scheduler.loop import Scheduler

    shared = runtime(connect(args.kubeconfig, "scheduler"))
    scheduler = Scheduler(shared, name=args.name)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(shared.recorder.run(), name="events")
        tasks.create_task(scheduler.run(), name="scheduler")
        await scheduler.ready.wait()
        say_ready("scheduler is ready")


COMMAND = Command(
    name="scheduler",
    help="run only the scheduler, against any Kubernetes API server",
    arguments=arguments,
    run=run,
    examples=("umiak scheduler --kubeconfig admin.kubeconfig",),
)

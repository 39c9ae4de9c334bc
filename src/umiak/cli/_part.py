"""What commands that run one part of the cluster share: a kubeconfig, a clean end, one clear line when it fails."""

import argparse
import asyncio
import contextlib
import gc
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from umiak.cli._output import TEXT, one_line
from umiak.cli.command import CommandError
from umiak.kit import garbage

if TYPE_CHECKING:
    from umiak.client.client import ApiClient
    from umiak.client.contract import Client
    from umiak.kit.clock import Clock
    from umiak.reconcile.context import Runtime
    from umiak.reconcile.contract import Options

Failure = TypeVar("Failure", bound=Exception)


def add_kubeconfig(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kubeconfig", type=Path, required=True, metavar="F", help="how to reach the API server")


def connect(kubeconfig: Path, part: str) -> "ApiClient":
    """A client of any Kubernetes API server. Raises CommandError when the kubeconfig cannot be used."""
    from umiak.client.client import ApiClient
    from umiak.client.http import HttpTransport
    from umiak.client.kubeconfig import ConfigError, load

    try:
        return ApiClient(HttpTransport(load(str(kubeconfig)), part))
    except (ConfigError, OSError) as error:
        raise CommandError(str(error)) from error


def runtime(client: "Client", options: "Options | None" = None, clock: "Clock | None" = None) -> "Runtime":
    from umiak.reconcile.context import build

    return build(client, clock=clock, chance=random.Random(), options=options)


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop


LONGEST_START = 30.0
"""Seconds after which garbage is collected even if the part still waits for something."""


def run_until_stopped(work: Callable[[], Awaitable[None]], *, plain_loop: bool = False) -> int:
    """Runs `work` until it ends or SIGINT or SIGTERM asks it to. `plain_loop`: on asyncio's own, slower event loop."""
    with asyncio.Runner(loop_factory=None if plain_loop else fast_loop()) as runner:
        return runner.run(_until_stopped(work))


async def _until_stopped(work: Callable[[], Awaitable[None]]) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    loop.call_later(LONGEST_START, gc.enable)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 0


def one_of(group: ExceptionGroup, kind: type[Failure]) -> Failure | None:
    """The first of a task group's errors that is of that kind. (`except*` puts what is raised in it into a group again,
    so that no caller would know it.)"""
    return next((error for error in group.exceptions if isinstance(error, kind)), None)


def say_ready(what: str, output: str = TEXT, **facts: Any) -> None:
    """The one line that scripts wait for; `facts` is what it says to programs."""
    print(one_line(facts, output, what), file=sys.stdout, flush=True)
    garbage.settled()

"""umiak controllers: all controllers, against any Kubernetes API server."""

import argparse
import asyncio
import os
import random
import socket
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from umiak.cli._access import span
from umiak.cli._output import JSON, TEXT, add_output
from umiak.cli._part import add_kubeconfig, connect, run_until_stopped, runtime, say_ready
from umiak.cli._scheduling import add_scheduler_config, configuration, scheduler_of
from umiak.cli._telling import Teller, add_telling, telling
from umiak.cli.command import Command, CommandError
from umiak.reconcile.context import Runtime
from umiak.reconcile.contract import Context, Controller, Loop, Options

if TYPE_CHECKING:
    from umiak.scheduler.configuration.reading import Configuration
    from umiak.scheduler.loop import Scheduler

LEASE = "kube-controller-manager"
"""The original's own lease, so that it and we never work at the same time."""
SUFFIX = "-controller"
DEFAULTS = Options()


def arguments(parser: argparse.ArgumentParser) -> None:
    add_kubeconfig(parser)
    add = parser.add_argument
    add("--cluster-cidr", default=",".join(DEFAULTS.cluster_cidrs), metavar="CIDR,..", help="addresses of pods")
    add("--service-cidr", default=",".join(DEFAULTS.service_cidrs), metavar="CIDR,..", help="addresses of services")
    add("--node-cidr-mask", type=int, default=DEFAULTS.node_cidr_mask, metavar="BITS", help="size of a node's range")
    add("--root-ca", type=Path, metavar="F", help="authority that pods trust (PEM)")
    add("--service-account-key", type=Path, metavar="F", help="key that signs lasting tokens (PEM)")
    add("--signing-ca", type=Path, metavar="F", help="authority that signs certificate requests (PEM)")
    add("--signing-key", type=Path, metavar="F", help="its key (PEM)")
    add(
        "--legacy-service-account-token-clean-up-period",
        type=span,
        default=DEFAULTS.legacy_token_clean_up.total_seconds(),
        metavar="TIME",
        help="how long a generated token must be unused before it is made invalid, then deleted (default: a year)",
    )
    add_node_lifecycle(parser)
    add("--local-path-root", default="", metavar="DIR", help="folder on nodes for volumes of class local-path")
    add("--controllers", default="*", metavar="NAME,..", help="* for all, NAME for one, -NAME for all but one")
    add("--with-scheduler", action="store_true", help="run the scheduler in the same process, on the same cache")
    add_scheduler_config(parser)
    add("--leader-elect", action="store_true", help="work only while holding the lease kube-system/" + LEASE)
    add_telling(parser)
    add_output(parser, TEXT, JSON)


def add_node_lifecycle(parser: argparse.ArgumentParser) -> None:
    """What decides when a node is lost and how fast its pods go; kube-controller-manager's flags."""
    group = parser.add_argument_group("lost nodes")

    def add(name: str, default: float, help: str, metavar: str = "N") -> None:
        kind = span if metavar == "TIME" else type(default)
        group.add_argument(f"--{name}", type=kind, default=default, metavar=metavar, help=help)

    grace, startup = DEFAULTS.node_monitor_grace.total_seconds(), DEFAULTS.node_startup_grace.total_seconds()
    add("node-monitor-grace-period", grace, "how long a node may be silent", "TIME")
    add("node-startup-grace-period", startup, "the same before its first report", "TIME")
    add("node-eviction-rate", DEFAULTS.node_eviction_rate, "nodes of a zone a second whose pods are driven away")
    rate = DEFAULTS.secondary_node_eviction_rate
    add("secondary-node-eviction-rate", rate, "the same where too many are lost; 0 in small zones")
    add("large-cluster-size-threshold", DEFAULTS.large_cluster_threshold, "how many nodes a small zone has at most")
    add("unhealthy-zone-threshold", DEFAULTS.unhealthy_zone_threshold, "the part of a zone that is too many, 0 to 1")


def text_of(path: Path | None) -> str:
    """A file's text, or nothing when none is named. Raises CommandError."""
    if path is None:
        return ""
    try:
        return path.read_text()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error


def clean_up_period(args: argparse.Namespace) -> timedelta:
    """Raises CommandError unless it is longer than nothing."""
    seconds = args.legacy_service_account_token_clean_up_period
    if seconds <= 0:
        raise CommandError(f"--legacy-service-account-token-clean-up-period: must be positive, not {seconds:g} s")
    return timedelta(seconds=seconds)


def options_of(args: argparse.Namespace) -> Options:
    return Options(
        cluster_cidrs=tuple(c for c in args.cluster_cidr.split(",") if c),
        service_cidrs=tuple(c for c in args.service_cidr.split(",") if c),
        node_cidr_mask=args.node_cidr_mask,
        root_ca=text_of(args.root_ca),
        service_account_key=text_of(args.service_account_key),
        signing_ca=text_of(args.signing_ca),
        signing_key=text_of(args.signing_key),
        legacy_token_clean_up=clean_up_period(args),
        local_path_root=args.local_path_root,
        node_monitor_grace=timedelta(seconds=args.node_monitor_grace_period),
        node_startup_grace=timedelta(seconds=args.node_startup_grace_period),
        node_eviction_rate=args.node_eviction_rate,
        secondary_node_eviction_rate=args.secondary_node_eviction_rate,
        large_cluster_threshold=args.large_cluster_size_threshold,
        unhealthy_zone_threshold=args.unhealthy_zone_threshold,
    )


def chosen(wish: str = "*") -> list[Controller | Loop]:
    """The controllers that `wish` names, in the syntax of kube-controller-manager's --controllers.

    A name may have "-controller" at its end or not.
    """
    from umiak.kit.modules import exported

    found: Iterable[Controller | Loop] = exported("umiak.controllers", "CONTROLLER").values()
    known = {c.name.removesuffix(SUFFIX): c for c in found}
    words = [w.removesuffix(SUFFIX) for w in wish.split(",") if w]
    unknown = [w for w in words if w.removeprefix("-") not in known and w != "*"]
    if unknown:
        raise CommandError(f'unknown controller "{unknown[0]}"; there are: {", ".join(sorted(known))}')
    return [c for name, c in known.items() if name in words or ("*" in words and f"-{name}" not in words)]


def run(args: argparse.Namespace) -> int:
    if args.scheduler_config and not args.with_scheduler:
        raise CommandError("--scheduler-config is of use only with --with-scheduler")
    controllers, options, config = chosen(args.controllers), options_of(args), configuration(args.scheduler_config)
    return run_until_stopped(lambda: work(args, controllers, options, config))


async def work(
    args: argparse.Namespace,
    controllers: Iterable[Controller | Loop],
    options: Options,
    config: "Configuration | None",
) -> None:
    shared = runtime(connect(args.kubeconfig, "controllers"), options)
    scheduler = scheduler_of(shared, config) if args.with_scheduler else None
    loops = [*controllers, *([as_loop(scheduler)] if scheduler is not None else ())]
    ready = asyncio.Event()
    async with telling(args, shared, teller(shared, loops, ready, scheduler)):
        if args.leader_elect:
            await lead(shared, loops, args.output, ready)
        else:
            await reconcile(shared, loops, args.output, ready)


def teller(
    shared: Runtime, loops: Iterable[Controller | Loop], ready: asyncio.Event, scheduler: "Scheduler | None" = None
) -> Teller:
    def metrics() -> bytes:
        from umiak.reconcile.measures import text

        own = scheduler.metrics.text() if scheduler is not None else b""
        return text(shared.metrics, shared.tables, loops) + own

    return Teller("controllers", {"informer-sync": ready.is_set}, metrics)


def as_loop(scheduler: "Scheduler") -> Loop:
    """The scheduler as one more loop of this process."""

    async def schedule(_: Context) -> None:
        await scheduler.run()

    return Loop(name="scheduler", run=schedule)


async def reconcile(
    shared: Runtime, controllers: Iterable[Controller | Loop], output: str, ready: asyncio.Event
) -> None:
    """Runs until cancelled, and says when all caches are filled."""
    from umiak.reconcile.loop import run as run_all

    task = asyncio.ensure_future(run_all(controllers, shared, ready=ready))
    waiting = asyncio.ensure_future(ready.wait())
    try:
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
        if ready.is_set():
            say_ready("controllers are ready", output, part="controllers")
        await task
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.wait([task, waiting])


async def lead(shared: Runtime, controllers: Iterable[Controller | Loop], output: str, ready: asyncio.Event) -> None:
    """Works once and while this process is the leader; ends when it no longer is, for its supervisor to start anew."""
    from umiak.reconcile.leader import Election

    identity = f"{socket.gethostname()}_{os.getpid()}_{random.getrandbits(32):08x}"
    election = Election(shared.client, shared.clock, shared.random, name=LEASE, identity=identity)
    await election.run(lambda: reconcile(shared, controllers, output, ready))


COMMAND = Command(
    name="controllers",
    help="run only the controllers, against any Kubernetes API server",
    arguments=arguments,
    run=run,
    examples=(
        "umiak controllers --kubeconfig admin.kubeconfig",
        "umiak controllers --kubeconfig admin.kubeconfig --controllers '*,-node-ipam' --leader-elect",
    ),
)

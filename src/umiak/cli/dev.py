"""umiak dev: a whole cluster in one process, without root; only its nodes are simulated."""

import argparse
import asyncio
import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from umiak.cli._output import JSON, TEXT, add_output
from umiak.cli._part import one_of, run_until_stopped, runtime, say_ready
from umiak.cli._scheduling import add_scheduler_config, configuration, scheduler_of
from umiak.cli.command import Command, CommandError
from umiak.cli.server import COMMAND as SERVER
from umiak.cli.server import Running, elapsed, serving, settings_of

if TYPE_CHECKING:
    from umiak.client.contract import Client
    from umiak.client.kubeconfig import Config
    from umiak.kit.clock import Clock
    from umiak.objects.types import Object
    from umiak.reconcile.context import Runtime
    from umiak.scheduler.configuration.reading import Configuration
    from umiak.testing.clock import VirtualClock

CLUSTER = "umiak-dev"
LAST_REQUESTS = 0.3
"""Seconds that requests under way get at the end."""


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--nodes", type=int, default=1, metavar="N", help="how many simulated nodes (1)")
    add("--port", type=int, default=0, metavar="P", help="where the API server listens (a free one)")
    add("--data-dir", type=Path, metavar="D", help="keep the cluster here; without, it is gone when this ends")
    where = f"written when ready, removed at the end ({CLUSTER}.kubeconfig here or in the data folder)"
    add("--kubeconfig", type=Path, metavar="F", help=where)
    add("--load", type=Path, action="append", default=[], metavar="F|DIR", help="manifests to create; may be repeated")
    told = 'false: time stands still until a POST of {"seconds": N} to /umiak/clock turns it (true)'
    add("--real-time", choices=("true", "false"), default="true", help=told)
    add_scheduler_config(parser)
    add_output(parser, TEXT, JSON)


def run(args: argparse.Namespace) -> int:
    if args.nodes < 0:
        raise CommandError(f"--nodes {args.nodes}: must not be negative")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    config = configuration(args.scheduler_config)
    file = (args.kubeconfig or (args.data_dir or Path()) / f"{CLUSTER}.kubeconfig").absolute()
    forget_last(file)
    with folder(args.data_dir) as data_dir:
        store = "sqlite" if args.data_dir else "memory"
        clock = virtual_clock() if args.real_time == "false" else None
        wishes = Wishes(data_dir, store, args.port, args.nodes, file, read(args.load), clock, args.output, config)
        return run_until_stopped(lambda: work(wishes), plain_loop=clock is not None)


class Wishes(msgspec.Struct, frozen=True):
    """What kind of cluster it is to be. Without a `clock` time is real."""

    data_dir: Path
    store: str
    port: int
    nodes: int
    kubeconfig: Path
    objects: "list[Object]"
    clock: "VirtualClock | None"
    output: str
    scheduler: "Configuration | None"


def virtual_clock() -> "VirtualClock":
    """Begins at the time it is."""
    from datetime import UTC, datetime

    from umiak.testing.clock import VirtualClock

    return VirtualClock(datetime.now(UTC).replace(microsecond=0))


def read(manifests: "list[Path]") -> "list[Object]":
    """Raises CommandError on a file that is missing or no manifest."""
    from umiak.objects.encoding import Unreadable
    from umiak.testing.embedded.client import sorted_objects

    try:
        return sorted_objects(manifests)
    except OSError as error:
        raise CommandError(f"--load {error.filename}: {error.strerror}") from None
    except Unreadable as error:
        raise CommandError(f"--load: {error}") from None


def forget_last(kubeconfig: Path) -> None:
    """Removes what an earlier run had to leave. Raises CommandError when the file is somebody else's."""
    import yaml

    try:
        found = yaml.safe_load(kubeconfig.read_text())
        if [context["name"] for context in found["contexts"]] != [CLUSTER]:
            raise ValueError
        kubeconfig.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise CommandError(f"--kubeconfig {kubeconfig}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, yaml.YAMLError):
        why = "it is there already and not of umiak dev, so it would be lost; name another file"
        raise CommandError(f"--kubeconfig {kubeconfig}: {why}") from None


@contextlib.contextmanager
def folder(data_dir: Path | None) -> Iterator[Path]:
    """The server's: the user's own, or one for this run only."""
    if data_dir is not None:
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix=f"{CLUSTER}-") as name:
        yield Path(name)


async def work(wishes: Wishes) -> None:
    """Until cancelled. Raises CommandError when it can not start."""
    from umiak.cli.main import parser_of
    from umiak.testing.population import populate
    from umiak.testing.simulation import Settings

    words = ["--data-dir", str(wishes.data_dir), "--port", str(wishes.port)]
    settings = settings_of(parser_of(SERVER).parse_args(words))
    started = serving(settings, wishes.store, LAST_REQUESTS, clock=wishes.clock)
    try:
        async with started as server, asyncio.TaskGroup() as tasks:
            if wishes.clock is not None:
                from umiak.testing.clock_path import hang_in

                hang_in(server.app, wishes.clock)
            shared = join(server, wishes.clock)
            scheduler = scheduler_of(shared, wishes.scheduler)
            await populate(shared, Settings(count=wishes.nodes), tasks, scheduler)
            await load(server, shared.client, wishes.objects)
            with published(wishes.kubeconfig, server.kubeconfig):
                url, spent = f"https://127.0.0.1:{server.port}", round(elapsed())
                text = f"umiak dev is ready on {url} after {spent} ms\nKUBECONFIG={wishes.kubeconfig}"
                facts = {"part": "dev", "url": url, "kubeconfig": str(wishes.kubeconfig), "milliseconds": spent}
                say_ready(text, wishes.output, **facts)
                await asyncio.Event().wait()
    except ExceptionGroup as group:
        raise (one_of(group, CommandError) or group) from None


async def load(server: Running, client: "Client", objects: "list[Object]") -> None:
    """Raises CommandError on what the server does not take."""
    from umiak.objects.errors import StatusError
    from umiak.testing.embedded.client import UnknownKind, create

    for obj in objects:
        try:
            await create(client, server.app.kinds(), obj)
        except (StatusError, UnknownKind) as error:
            raise CommandError(f"--load: {error}") from None


def join(server: Running, clock: "Clock | None") -> "Runtime":
    """What all controllers share, speaking to the server without HTTP."""
    from umiak.client.client import ApiClient
    from umiak.server.contract import MASTERS, User
    from umiak.server.local import LocalTransport
    from umiak.testing.population import options

    client = ApiClient(LocalTransport(server.app, User(CLUSTER, groups=(MASTERS,))))
    authority, signing_key = server.identity.authority, server.identity.signing_key
    cidr = server.app.settings.service_cidr
    return runtime(client, options(cidr, authority.certificate_pem, authority.key_pem, signing_key), clock)


@contextlib.contextmanager
def published(file: Path, config: "Config") -> Iterator[None]:
    """The kubeconfig is there as long as the cluster is."""
    from umiak.client.kubeconfig import write

    try:
        write(str(file), config, cluster=CLUSTER)
        written = file.read_text()
    except OSError as error:
        raise CommandError(f"--kubeconfig {file}: {error.strerror}") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if file.read_text() == written:  # else another run has put its own there
                file.unlink()


COMMAND = Command(
    name="dev",
    help="run a whole cluster with simulated nodes in one process, without root",
    arguments=arguments,
    run=run,
    examples=(
        "umiak dev",
        "umiak dev --nodes 3 --data-dir ./cluster --port 6443",
        "umiak dev --load ./manifests --real-time=false",
        "kubectl --kubeconfig umiak-dev.kubeconfig create deployment web --image web --replicas 3",
    ),
)

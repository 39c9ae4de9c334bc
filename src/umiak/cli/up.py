"""umiak up: this machine becomes a cluster."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from umiak.cli._output import JSON, TEXT, add_output, show
from umiak.cli._part import connect
from umiak.cli.command import Command, CommandError
from umiak.cli.machine import config as settings
from umiak.cli.machine.config import ClusterConfig
from umiak.cli.machine.phases import Phases
from umiak.client.client import ApiClient

T = TypeVar("T")

SECONDS = {"server": 120.0, "node": 240.0}
"""How long to wait for each program before giving up, on a slow machine with much to recover."""
LOOK_SECONDS = 0.01

NEXT = """
try next:
  export KUBECONFIG={kubeconfig}
  kubectl get nodes
  kubectl get pods --all-namespaces
  examples/guestbook/README.md is a longer tour; `umiak down` takes all of it away again
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings of the cluster (cluster.yaml)")
    parser.add_argument("--quiet", action="store_true", help="print the KUBECONFIG line only")
    add_output(parser, TEXT, JSON)


def run(args: argparse.Namespace) -> int:
    config, phases = load(args.config), Phases(quiet=args.quiet or args.output != TEXT)
    bring_up(config, phases)
    kubeconfig = str(config.layout.admin_kubeconfig)
    more = [] if args.quiet else [NEXT.format(kubeconfig=kubeconfig)]
    found = {"kubeconfig": kubeconfig, "node": config.nodeName, "phases": phases.done}
    show(found, args.output, [*more, f"KUBECONFIG={kubeconfig}"])
    return 0


def load(path: Path | None) -> ClusterConfig:
    try:
        return settings.load(path)
    except settings.ConfigError as error:
        raise CommandError(str(error)) from error


def bring_up(config: ClusterConfig, phases: Phases) -> None:
    """All phases. Raises CommandError; when preflight refuses, nothing was changed."""
    from umiak.cli.machine import programs

    # A node that runs already need not have told of itself since: it does so every five minutes.
    runs = "node" in programs.running(config.layout)
    began = datetime.fromtimestamp(0, UTC) if runs else datetime.now(UTC)
    if programs.supervisor_pid(config.layout) == 0:
        with phases.phase("preflight: the machine has what a cluster needs"):
            check(config)
        with phases.phase("folders, certificates, kernel settings"):
            prepare(config)
        programs.start_supervisor(config)
    asyncio.run(settle(config, phases, began))


def check(config: ClusterConfig) -> None:
    from umiak.cli.machine import preflight, programs

    # What still runs of a cluster whose supervisor was killed is taken over, so its ports are in use.
    found = preflight.problems(config, ports=not programs.running(config.layout))
    for problem in found:
        if not problem.fatal:
            print(f"warning: {problem}", file=sys.stderr)
    fatal = [str(p) for p in found if p.fatal]
    if fatal:
        raise CommandError("this machine is not ready:\n  " + "\n  ".join(fatal))


def prepare(config: ClusterConfig) -> None:
    """All that must be there before the programs start. The server finds its own certificates made."""
    from umiak.cli.machine import containerd, credentials, kernel
    from umiak.cli.server import keys, settings_of

    layout = config.layout
    try:
        layout.make()
        kernel.settle(layout.before)
        identity = keys(settings_of(server_arguments(config)))
        credentials.write_all(config, identity.authority)
        if not config.containerRuntimeEndpoint:
            containerd.prepare(layout)
    except containerd.RuntimeMissing as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"cannot prepare {layout.data}: {error}") from error


def server_arguments(config: ClusterConfig) -> argparse.Namespace:
    """What the server is going to be told, read as it will read it."""
    from umiak.cli.machine import programs
    from umiak.cli.main import parser_of
    from umiak.cli.server import COMMAND as SERVER

    words = programs.server(config)
    return parser_of(SERVER).parse_args(words[words.index("server") + 1 :])


async def settle(config: ClusterConfig, phases: Phases, began: datetime) -> None:
    """Waits for each part and gives it what it needs."""
    runtime = None if config.containerRuntimeEndpoint else asyncio.ensure_future(make_runtime(config, phases))
    client = await server_answers(config, phases)
    try:
        from umiak.cli.machine import objects

        with phases.phase("permissions of the cluster's parts"):
            await objects.apply(client)
        if runtime is not None:
            await runtime
        with phases.phase(f"node {config.nodeName} is Ready"):
            await within("node", config, objects.node_ready(client, config.nodeName, began))
    finally:
        await client.transport.close()


async def make_runtime(config: ClusterConfig, phases: Phases) -> None:
    from umiak.cli.machine import containerd

    try:
        await containerd.ready(config.layout)
        await containerd.import_pause(config.layout)
    except containerd.RuntimeMissing as error:
        raise CommandError(str(error)) from error
    phases.say("container runtime answers and has its sandbox image")


async def server_answers(config: ClusterConfig, phases: Phases) -> ApiClient:
    """A client of the API server, once that is ready."""
    from umiak.client.contract import Unreachable
    from umiak.objects.errors import StatusError

    layout = config.layout

    async def ready() -> ApiClient:
        while not layout.admin_kubeconfig.exists():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(LOOK_SECONDS)
        client = connect(layout.admin_kubeconfig, "up")
        while True:
            try:
                await client.raw("GET", "/readyz")
                return client
            except (Unreachable, StatusError):
                await asyncio.sleep(LOOK_SECONDS)

    with phases.phase("API server answers"):
        return await within("server", config, ready())


async def within(program: str, config: ClusterConfig, work: Awaitable[T]) -> T:
    """`work`, or a CommandError that shows the end of the program's log."""
    try:
        async with asyncio.timeout(SECONDS[program]):
            return await work
    except TimeoutError:
        log = config.layout.logs / f"{program}.log"
        tail = log.read_text(errors="replace").splitlines()[-5:] if log.exists() else []
        what = f"the {program} was not ready after {SECONDS[program]:g} s; {log} ends with:"
        raise CommandError("\n    ".join([what, *tail])) from None


COMMAND = Command(
    name="up",
    help="start the cluster on this machine",
    arguments=arguments,
    run=run,
    examples=("umiak up", "umiak up --config cluster.yaml"),
)

"""umiak simulate: nodes that are not there, with pods that only seem to run, for any Kubernetes API server."""

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umiak.cli._output import JSON, TEXT, add_output
from umiak.cli._part import add_kubeconfig, connect, run_until_stopped, runtime, say_ready
from umiak.cli.command import Command, CommandError

if TYPE_CHECKING:
    from umiak.testing.simulation import Settings

NODES = ("prefix", "cpu", "memory", "pods", "zones")
LIFE = ("start_delay", "ready_delay", "stop_delay", "jitter", "failing", "stuck")


def arguments(parser: argparse.ArgumentParser) -> None:
    add_kubeconfig(parser)
    add = parser.add_argument
    add_output(parser, TEXT, JSON)
    add("--config", type=Path, metavar="F", help="settings as YAML; what is also given here counts")
    add("--nodes", type=int, metavar="N", help="how many (1)")
    add("--prefix", metavar="NAME", help="what their names begin with (node)")
    add("--cpu", metavar="AMOUNT", help="what each offers (8)")
    add("--memory", metavar="AMOUNT", help="what each offers (32Gi)")
    add("--pods", type=int, metavar="N", help="how many pods each takes (110)")
    add("--zones", type=lambda text: text.split(","), metavar="ZONE,..", help="the zones they are in, in turn")
    add("--start-delay", type=float, metavar="S", help="seconds from a pod's being scheduled to Running (0)")
    add("--ready-delay", type=float, metavar="S", help="seconds from Running to Ready (0)")
    add("--stop-delay", type=float, metavar="S", help="seconds from a pod's being deleted to being gone (0)")
    add("--jitter", type=float, metavar="SHARE", help="by what share of itself a delay may be longer (0)")
    add("--failing", type=float, metavar="SHARE", help="of how many pods the containers fail (0)")
    add("--stuck", type=float, metavar="SHARE", help="how many pods never start (0)")
    add("--outages", type=float, metavar="SHARE", help="how many nodes fall silent for two of every ten minutes (0)")


def run(args: argparse.Namespace) -> int:
    settings = settings_of(args)
    return run_until_stopped(lambda: work(args.kubeconfig, settings, args.output))


def settings_of(args: argparse.Namespace) -> "Settings":
    """The file's, with what the command line says. Raises CommandError."""
    from umiak.testing.simulation.settings import Wrong, read

    found = _file(args.config) if args.config else {}
    if args.nodes is not None:
        found["nodes"] = args.nodes
    found |= _given(args, NODES)
    for name, said in (("life", _given(args, LIFE)), ("outages", {"share": args.outages})):
        if any(value is not None for value in said.values()):
            found[name] = {**(found.get(name) or {}), **said}
    try:
        return read(found)
    except Wrong as error:
        raise CommandError(str(error)) from None


def _given(args: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    """What was said on the command line, by the name it has in the file."""
    said = {name: getattr(args, name) for name in names}
    return {_camel(name): value for name, value in said.items() if value is not None}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _file(path: Path) -> dict[str, Any]:
    from umiak.objects.encoding import Unreadable, from_yaml

    try:
        found, _ = from_yaml(path.read_bytes())
    except OSError as error:
        raise CommandError(f"--config {path}: {error.strerror}") from None
    except Unreadable as error:
        raise CommandError(f"--config {path}: {error}") from None
    if not isinstance(found, dict):
        raise CommandError(f"--config {path}: there must be a mapping")
    return found


async def work(kubeconfig: Path, settings: "Settings", output: str = TEXT) -> None:
    """Until cancelled."""
    from umiak.reconcile.loop import run as run_all
    from umiak.testing.simulation import Nodes

    shared, nodes = runtime(connect(kubeconfig, "simulate")), Nodes(settings)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run_all(nodes.controllers(), shared), name="simulation")
        await nodes.registered.wait()
        say_ready(f"{settings.count} nodes are simulated", output, part="simulation", nodes=settings.count)


COMMAND = Command(
    name="simulate",
    help="pretend nodes that run pods, against any Kubernetes API server",
    arguments=arguments,
    run=run,
    examples=(
        "umiak simulate --kubeconfig admin.kubeconfig --nodes 1000 --zones a,b,c",
        "umiak simulate --kubeconfig admin.kubeconfig --nodes 50 --start-delay 2 --jitter 0.5 --failing 0.05",
        "umiak simulate --kubeconfig admin.kubeconfig --config simulation.yaml",
    ),
)

"""umiak reset: the cluster and all its data are gone."""

import argparse
from pathlib import Path

from umiak.cli._output import JSON, TEXT, add_output, show
from umiak.cli.command import Command, CommandError
from umiak.cli.down import take_down
from umiak.cli.machine.phases import Phases
from umiak.cli.up import load


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="the settings it was started with")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    add_output(parser, TEXT, JSON)


def agreed(question: str) -> bool:
    """Where nobody can answer, nobody has agreed."""
    try:
        return input(question) == "yes"
    except EOFError:
        return False


def run(args: argparse.Namespace) -> int:
    from umiak.cli.machine import teardown

    config = load(args.config)
    if not args.yes and not agreed(f"Delete the cluster and all data in {config.dataDir}? Type yes: "):
        raise CommandError("nothing was changed; --yes does not ask")
    phases = Phases(quiet=args.output != TEXT)
    take_down(config, phases)
    with phases.phase(f"{config.dataDir} deleted"):
        teardown.remove_data(config)
    show({"data": config.dataDir, "phases": phases.done}, args.output)
    return 0


COMMAND = Command(
    name="reset",
    help="stop the cluster on this machine and delete all its data",
    arguments=arguments,
    run=run,
    examples=("umiak reset --yes",),
)

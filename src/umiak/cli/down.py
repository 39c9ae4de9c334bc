"""umiak down: the cluster stops, and nothing of it stays on the machine but its data folder."""

import argparse
import os
from pathlib import Path

from umiak.cli._output import JSON, TEXT, add_output, show
from umiak.cli.command import Command, CommandError
from umiak.cli.machine.config import ClusterConfig
from umiak.cli.machine.phases import Phases
from umiak.cli.up import load


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="the settings it was started with")
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    add_output(parser, TEXT, JSON)


def run(args: argparse.Namespace) -> int:
    config, phases = load(args.config), Phases(quiet=args.quiet or args.output != TEXT)
    take_down(config, phases)
    show({"data": config.dataDir, "phases": phases.done}, args.output)
    return 0


def take_down(config: ClusterConfig, phases: Phases) -> None:
    """Also right when little or nothing of the cluster is left running."""
    from umiak.cli.machine import teardown

    if os.geteuid() != 0:
        raise CommandError("this needs root, as `umiak up` did: sudo umiak down")
    with phases.phase("programs and pods ended"):
        teardown.stop(config)
    with phases.phase(f"links, rules, mounts and cgroups removed; the data stays in {config.dataDir}"):
        teardown.remove_traces(config)


COMMAND = Command(
    name="down",
    help="stop the cluster on this machine; its data stays",
    arguments=arguments,
    run=run,
    examples=("umiak down",),
)

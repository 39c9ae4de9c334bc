"""The scheduler that a KubeSchedulerConfiguration describes, for commands that run one."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from umiak.cli.command import CommandError

if TYPE_CHECKING:
    from umiak.reconcile.context import Runtime
    from umiak.scheduler.configuration.reading import Configuration
    from umiak.scheduler.loop import Scheduler


def add_scheduler_config(parser: argparse.ArgumentParser) -> None:
    """For commands that run the scheduler beside other things; its leader election is then theirs."""
    told = "a KubeSchedulerConfiguration for the scheduler: profiles, plugins, extenders"
    parser.add_argument("--scheduler-config", type=Path, metavar="F", help=told)


def configuration(path: Path | None) -> "Configuration | None":
    """Nothing without a path. Raises CommandError."""
    if path is None:
        return None
    from umiak.api.configuration import Unacceptable
    from umiak.scheduler.configuration.reading import load

    try:
        return load(path.read_bytes())
    except Unacceptable as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"open {path}: {(error.strerror or '').lower()}") from None


def scheduler_of(shared: "Runtime", config: "Configuration | None", name: str = "") -> "Scheduler":
    """Without a configuration the default one, under `name` if one is given."""
    from umiak.scheduler.loop import Scheduler
    from umiak.scheduler.profile import DEFAULT_NAME, default_profile

    if config is None:
        return Scheduler(shared, profiles=[default_profile(name or DEFAULT_NAME)])
    return Scheduler(shared, profiles=config.profiles, backoff=config.backoff, extenders=config.extenders)

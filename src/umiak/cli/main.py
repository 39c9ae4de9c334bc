"""The `umiak` program: finds the command by name, imports only that one, runs it."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence

from umiak import cli
from umiak.cli.command import FAILED, Command, CommandError
from umiak.kit import garbage
from umiak.kit.modules import exported

_NOT_COMMANDS = {"command", "main"}
OVERVIEW = """usage: umiak COMMAND [options]

A Kubernetes-conformant container orchestrator.

{commands}

umiak COMMAND --help tells more."""


def names() -> list[str]:
    """Every command there is, without importing any: a module is named like its command, with _ for -."""
    found = (m.name for m in pkgutil.iter_modules(cli.__path__) if not m.ispkg)
    ours = (name for name in found if name not in _NOT_COMMANDS and not name.startswith("_"))
    return sorted(name.replace("_", "-") for name in ours)


def find(name: str) -> Command:
    """Raises CommandError with what there is to choose from."""
    if name not in names():
        raise CommandError(f'unknown command "{name}"; commands are: {", ".join(names())}')
    command: Command = importlib.import_module(f"umiak.cli.{name.replace('-', '_')}").COMMAND
    return command


def overview() -> str:
    commands = exported("umiak.cli", "COMMAND").values()
    lines = "\n".join(f"  {c.name:<14} {c.help}" for c in sorted(commands, key=lambda c: c.name))
    return OVERVIEW.format(commands=lines)


def parser_of(command: Command) -> argparse.ArgumentParser:
    examples = "\n".join(f"  {line}" for line in command.examples)
    parser = argparse.ArgumentParser(
        prog=f"umiak {command.name}",
        description=command.help,
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.arguments(parser)
    return parser


def run(arguments: Sequence[str]) -> int:
    """One command line. Returns the exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(f"umiak {version('umiak')}")
        return 0
    command = find(arguments[0])
    return command.run(parser_of(command).parse_args(arguments[1:]))


def main() -> None:
    garbage.put_off()
    try:
        code = run(sys.argv[1:])
    except CommandError as error:
        print(f"umiak: {error}", file=sys.stderr)
        code = FAILED
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = FAILED
    sys.exit(code)


if __name__ == "__main__":
    main()

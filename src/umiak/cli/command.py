"""What a command is, and how it fails without a traceback."""

import argparse
from collections.abc import Callable

import msgspec

OK, FAILED, WRONG_USE = 0, 1, 2
"""Exit codes: done; could not be done; the command line makes no sense (argparse's own)."""


class CommandError(Exception):
    """A command could not do its work; the text is for the user and names the fix where there is one."""


class Command(msgspec.Struct, frozen=True):
    """One command. `run` returns the exit code, or raises CommandError."""

    name: str
    help: str
    """One line, for the list of commands."""
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    examples: tuple[str, ...] = ()

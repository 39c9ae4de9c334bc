"""Flags as Kubernetes' and etcd's programs take them: `--name value`, `--name=value`, and `--name` alone for true."""

import argparse
from collections.abc import Iterable, Sequence

from umiak.cli.command import CommandError


class Flags:
    """The flags of one program. `--help` lists them one a line, which is where envtest looks what there is."""

    def __init__(self, program: str, about: str) -> None:
        self.parser = argparse.ArgumentParser(program, "%(prog)s [flags]", about, allow_abbrev=False)

    def value(self, name: str, default: str = "", help: str | None = None) -> None:
        self.parser.add_argument(f"--{name}", default=default, metavar="VALUE", help=help)

    def several(self, name: str, help: str | None = None) -> None:
        """Given once with commas, or several times."""
        self.parser.add_argument(f"--{name}", action="append", default=[], metavar="VALUES", help=help)

    def unused(self, names: str, why: str) -> None:
        """Flags that change nothing here, whatever their value; `names` has blanks between them."""
        for name in names.split():
            self.parser.add_argument(f"--{name}", nargs="?", action="append", metavar="VALUE", help=why)

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Raises CommandError for a flag that is not there: it would be wrong to run on without what it asks for."""
        found, unknown = self.parser.parse_known_args(words)
        if unknown:
            raise CommandError(f"unknown flag: {unknown[0]} (see {self.parser.prog} --help for those umiak has)")
        return found


def split(values: Iterable[str]) -> list[str]:
    """The members of a flag that takes several."""
    return [member for value in values for member in value.split(",") if member]

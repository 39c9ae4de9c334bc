"""How commands print what they have to tell: lines for people; JSON, or YAML where kubectl has it, for programs."""

import argparse
import json
from collections.abc import Iterable
from typing import Any

TEXT, JSON, YAML = "text", "json", "yaml"


def add_output(parser: argparse.ArgumentParser, *formats: str) -> None:
    """The option `-o`; the first of `formats` is what is printed without it."""
    told = ", ".join([f"{formats[0]} (default)", *formats[1:]])
    parser.add_argument(
        "-o", "--output", choices=formats, default=formats[0], metavar="FORMAT", help=f"how to print it: {told}"
    )


def show(found: Any, output: str, lines: Iterable[str] = ()) -> None:
    """Prints what was found; `lines` is how people see it."""
    if output == TEXT:
        for line in lines:
            print(line)
    elif output == JSON:
        print(json.dumps(found, indent=4))
    else:
        import yaml

        print(yaml.safe_dump(found, sort_keys=False), end="")


def one_line(found: Any, output: str, text: str) -> str:
    """What is said while a command goes on: one line whatever the format, for whoever reads line by line."""
    return text if output == TEXT else json.dumps(found)

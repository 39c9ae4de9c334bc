"""Reads the project's pages: links, named files, and blocks of code with what the text says of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
SOURCE = re.compile(r"`(src/[\w./-]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, the file that the paragraph before names for it, and its line."""

    language: str
    text: str
    file: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in FENCE.finditer(text):
        paragraph = text[: found.start()].rstrip().rpartition("\n\n")[2]
        names = re.findall(r"`([\w-]+\.(?:py|yaml))`", paragraph)
        named = names[0] if (names and paragraph.startswith("`")) or len(names) == 1 else ""
        yield Block(found[1], found[2], named, text.count("\n", 0, found.start()) + 2)


def links(page: Path) -> set[str]:
    return set(LINK.findall(FENCE.sub("", page.read_text())))


def sources(page: Path) -> set[str]:
    return set(SOURCE.findall(page.read_text()))

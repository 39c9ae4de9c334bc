"""Sections of the page that says how far umiak conforms: counts by interest group, each failure with its reason.

Everything above the page's first section is written by hand. `reasons.toml` holds what people found
out about failing tests; what it says of a test that passes is not shown.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from suite import Result

REASONS = Path(__file__).with_name("reasons.toml")
LONGEST = 200
"""Characters of a failure's text that are shown."""


def section(title: str, runs: Sequence[str], results: Sequence[Result], reasons: Mapping[str, str]) -> str:
    """`runs` are lines that say when and how it was run. Groups of which nothing was run are left out."""
    asked = {r.group for r in results if r.ran}
    results = [r for r in results if r.group in asked]
    failed = [r for r in results if r.ran and r.failure]
    parts = (runs, [""], table(results), [""], failures(failed, reasons), second_attempts(results), left_out(results))
    return "\n".join([f"## {title}", "", *(line for part in parts for line in part)]).rstrip() + "\n"


def put(page: str, new: str) -> str:
    """The page with the section in the place of the one with its title, or at the end."""
    head, *sections = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    title = new.partition("\n")[0]
    titles = [s.partition("\n")[0] for s in sections]
    if title in titles:
        sections[titles.index(title)] = new
    else:
        sections.append(new)
    return "\n".join(part.rstrip() + "\n" for part in (head, *sections))


def table(results: Sequence[Result]) -> list[str]:
    lines = ["| group | tests | passed | failed | not run |", "|---|---:|---:|---:|---:|"]
    for group in sorted({r.group for r in results}):
        lines.append(row(group, [r for r in results if r.group == group]))
    return [*lines, row("**all**", results)]


def row(title: str, results: Sequence[Result]) -> str:
    ran = [r for r in results if r.ran]
    failed = sum(1 for r in ran if r.failure)
    return f"| {title} | {len(results)} | {len(ran) - failed} | {failed} | {len(results) - len(ran)} |"


def failures(failed: Sequence[Result], reasons: Mapping[str, str]) -> list[str]:
    if not failed:
        return []
    lines = ["### What fails", "", "| test | why |", "|---|---|"]
    lines += [f"| {cell(r.name)} | {cell(reasons.get(r.name) or r.failure[:LONGEST])} |" for r in failed]
    return [*lines, ""]


def second_attempts(results: Sequence[Result]) -> list[str]:
    again = [r for r in results if r.before and not r.failure]
    if not again:
        return []
    lines = ["### What passed at a second attempt", "", "| test | at the first |", "|---|---|"]
    return [*lines, *(f"| {cell(r.name)} | {cell(r.before[:LONGEST])} |" for r in again), ""]


def left_out(results: Sequence[Result]) -> list[str]:
    names = [r.name for r in results if not r.ran]
    return ["### What was not run", "", *(f"- {name}" for name in names), ""] if names else []


def cell(text: str) -> str:
    """Without the folder in which the suite was compiled, which is the machine's own business."""
    shown = re.sub(r"/\S*/go/pkg/mod/", "", text).replace("[Conformance]", "")
    return shown.replace("|", "\\|").replace("<", "&lt;").strip()


def reasons(path: Path = REASONS) -> dict[str, str]:
    return tomllib.loads(path.read_text())["tests"] if path.exists() else {}

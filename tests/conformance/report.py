"""The page that says how far umiak conforms: counts by interest group, and each failure with its reason.

`reasons.toml` holds what people found out about failing tests; what it says of a test that passes is not shown.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from suite import Result

REASONS = Path(__file__).with_name("reasons.toml")
HEAD = """\
# Conformance

The upstream conformance suite of Kubernetes 1.37.1 on two nodes, every part of which is umiak: API server, controllers,
scheduler, node agents, service proxy, DNS. This page is written by `scripts/conformance`; do not edit it.

`scripts/conformance [FOCUS]` runs it again, as root. It needs the suite itself (`e2e.test`, `ginkgo`, `kubectl` and the
programs inside the test images) in `$REFERENCE/bin`, and nothing else from outside: the nodes are namespaces of this
machine, and the images are made of programs on it.

What failed was run again: mended or, where only time had run out on a busy machine, unchanged. The last run counts, and
the page tells.

For comparison: a one-node cluster of the original's programs on such a machine passed 418 of the 427 tests that may run
in parallel.
"""
LONGEST = 200
"""Characters of a failure's text that are shown."""


def page(results: Sequence[Result], reasons: Mapping[str, str]) -> str:
    failed = [r for r in results if r.ran and r.failure]
    parts = (table(results), [""], failures(failed, reasons), second_attempts(results), left_out(results))
    return "\n".join([HEAD, *(line for part in parts for line in part)]).rstrip() + "\n"


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
    lines = ["## What fails", "", "| test | why |", "|---|---|"]
    lines += [f"| {cell(r.name)} | {cell(reasons.get(r.name) or r.failure[:LONGEST])} |" for r in failed]
    return [*lines, ""]


def second_attempts(results: Sequence[Result]) -> list[str]:
    again = [r for r in results if r.before and not r.failure]
    if not again:
        return []
    lines = ["## What passed at a second attempt", "", "| test | at the first |", "|---|---|"]
    return [*lines, *(f"| {cell(r.name)} | {cell(r.before[:LONGEST])} |" for r in again), ""]


def left_out(results: Sequence[Result]) -> list[str]:
    names = [r.name for r in results if not r.ran]
    return ["## What was not run", "", *(f"- {name}" for name in names), ""] if names else []


def cell(text: str) -> str:
    return text.replace("[Conformance]", "").replace("|", "\\|").replace("<", "&lt;").strip()


def reasons(path: Path = REASONS) -> dict[str, str]:
    return tomllib.loads(path.read_text())["tests"] if path.exists() else {}

"""Runs the upstream suite against a cluster, and reads what it reports."""

import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import cluster as clusters
from umiak.testing import reference
from umiak.testing.machine import Machine

EVERYTHING = r"\[Conformance\]"


@dataclass(frozen=True, slots=True)
class Result:
    """One test: its name without what Ginkgo puts around it, and why it failed ("" when it passed)."""

    name: str
    failure: str = ""
    ran: bool = True
    before: str = ""
    """Why it failed in an earlier run."""

    @property
    def group(self) -> str:
        """The special interest group that owns the test, such as `sig-apps`."""
        found = re.search(r"\[(sig-[\w-]+)\]", self.name)
        return found[1] if found else "other"


def run(machine: Machine, admin: Path, out: Path, *, focus: str, skip: str = "", procs: int = 2) -> list[Result]:
    """Serial tests run after the parallel ones, alone: Ginkgo knows them. Raises reference.Missing."""
    out.mkdir(parents=True, exist_ok=True)
    command = [
        reference.program("ginkgo"),
        f"--procs={procs}",
        "--timeout=6h",
        f"--focus={focus}",
        *([f"--skip={skip}"] if skip else []),
        "--no-color",
        "--silence-skips",
        reference.program("e2e.test"),
        "--",
        f"--kubeconfig={admin}",
        "--provider=skeleton",
        f"--kubectl-path={reference.program('kubectl')}",
        f"--report-dir={out}",
        "--disable-log-dump=true",
    ]
    clusters.run(machine, command, out / "log.txt", {"PATH": f"{reference.folder()}:{os.environ['PATH']}"})
    return read(out.glob("junit*.xml"))


def read(reports: Iterable[Path]) -> list[Result]:
    """Every conformance test, sorted by name; of one that ran more than once, the last report's result."""
    found: dict[str, Result] = {}
    for path in sorted(reports, key=lambda p: p.stat().st_mtime):
        for case in ElementTree.parse(path).iter("testcase"):
            name = case.get("name", "")
            if name.startswith("[It]") and "[Conformance]" in name:
                result = Result(plain(name), failure_of(case), ran=case.find("skipped") is None)
                earlier = found.get(result.name)
                if earlier is None:
                    found[result.name] = result
                elif result.ran:
                    found[result.name] = replace(result, before=earlier.failure or earlier.before)
    return sorted(found.values(), key=lambda r: r.name)


def failure_of(case: ElementTree.Element) -> str:
    """The first line of what went wrong."""
    for tag in ("failure", "error"):
        problem = case.find(tag)
        if problem is not None:
            text = problem.get("message") or problem.text or "failed without a word"
            return " ".join(text.split())
    return ""


def plain(name: str) -> str:
    """`[It] [sig-apps] Job should run [Conformance] [sig-apps, Conformance]` without its first and last mark."""
    return re.sub(r"(\s*\[(?!Conformance\])[^\[\]]*\])+$", "", name.removeprefix("[It] ")).strip()

"""A cluster on this machine, commanded as a user commands it; and patience."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from umiak.testing.patience import LONG, TAIL, tail

GUESTBOOK = Path(__file__).resolve().parents[2] / "examples" / "guestbook"


def traces(data: Path, run: Path) -> dict[str, list[str]]:
    """What a cluster could leave outside its data folder, whosever it is."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return {
        "processes": [p for p in commands() if str(data) in p or str(run) in p],
        "mounts": [m for m in mounts if m.startswith((str(data), str(run)))],
        "links": [p.name for p in Path("/sys/class/net").iterdir() if p.name.startswith(("umiak0", "veth"))],
        "nft": [line for line in output("nft", "list", "tables").splitlines() if "umiak" in line],
        "chains": [line for line in output("iptables-save").splitlines() if "CNI-" in line],
        "cgroups": [str(p) for p in Path("/sys/fs/cgroup").glob("*/kubepods/**/pod*")],
        "namespaces": [n for n in netns() if n.startswith("cni-")],
        "files": [str(p) for p in (run, Path("/var/lib/cni/networks/umiak")) if p.exists()],
    }


def netns() -> list[str]:
    folders = (Path("/run/netns"), Path("/var/run/netns"))
    return [p.name for folder in folders if folder.is_dir() for p in folder.iterdir()]


def commands() -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    return found


def has_ended(pid: int) -> bool:
    """Gone, or waiting for nothing but its parent to notice."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@dataclass
class Machine:
    """The cluster's settings file, and how to command it."""

    config: Path
    data: Path
    run: Path
    address: str = ""
    before: dict[str, list[str]] = field(default_factory=dict)
    """What `traces` found before the cluster came up."""

    def traces(self) -> dict[str, list[str]]:
        return traces(self.data, self.run)

    def umiak(self, command: str, *more: str, timeout: float = 3 * LONG) -> str:
        words = [sys.executable, "-m", "umiak.cli.main", command, *more]
        if command in ("up", "down", "reset", "status"):
            words.append(f"--config={self.config}")
        return run(words, timeout=timeout)

    @property
    def kubeconfig(self) -> Path:
        return self.data / "server" / "admin.kubeconfig"

    def kubectl(self, *words: str, text: str | None = None, timeout: float = 2 * LONG) -> str:
        return run([kubectl_path(), f"--kubeconfig={self.kubeconfig}", *words], text=text, timeout=timeout)

    def start_kubectl(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        command = [kubectl_path(), f"--kubeconfig={self.kubeconfig}", *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)

    def bring_up(self) -> None:
        """Raises AssertionError with the logs: they go with the cluster that did not come up."""
        try:
            self.umiak("up")
        except AssertionError as error:
            for name, text in self.last_words():
                error.add_note(f"{name}:\n{text}")
            raise

    def last_words(self) -> list[tuple[str, str]]:
        """Why something may have gone wrong: what the programs logged last, and what the cluster looks like."""
        found = [(log.name, tail(log)) for log in sorted((self.data / "logs").glob("*.log"))]
        for kinds in ("nodes", "pods", "events"):
            words = [kubectl_path(), f"--kubeconfig={self.kubeconfig}", "--request-timeout=20s"]
            told = output(
                *words, "get", kinds, "--all-namespaces", "-o", "wide", "--sort-by=.metadata.creationTimestamp"
            )
            found.append((kinds, told[-2 * TAIL :]))
        return found

    def pid(self, program: str) -> int:
        return int((self.run / f"{program}.pid").read_text().split()[0])


def run(words: list[str], *, text: str | None = None, timeout: float = 2 * LONG) -> str:
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words[-6:])} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def kubectl_path() -> str:
    """The reference's kubectl where it was built, else the one on PATH."""
    built = Path(os.environ.get("REFERENCE", Path.home() / ".cache" / "reference")) / "bin" / "kubectl"
    found = str(built) if built.exists() else shutil.which("kubectl")
    assert found, "kubectl is not installed: apt-get install kubernetes-client"
    return found

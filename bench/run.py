"""umiak's API server beside kube-apiserver, in one run with the same load generator: start, memory, rates.

Both are up all the time. Each operation is measured several times on each, in turn, and who is first changes from round
to round, so that whatever happens to the machine happens to both; figures are medians. Rates depend on what else the
machine does; the second table, CPU time per request of the server with its store, hardly.

usage: bench/run.py [--rounds 3] [--count 2000] [--list 5000] [--only umiak|reference] [--ops create,get,...]
    [--workers N]

The load generator (bench/apiload, Go) is built from its source; $APILOAD names another. The reference (kube-apiserver
and etcd) is taken from the folder `bin` in $REFERENCE or ~/.cache/reference; without it, only umiak is measured.
Everything runs on loopback.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from umiak.kit.ports import free_ports

HERE = Path(__file__).resolve().parent
REFERENCE = Path(os.environ.get("REFERENCE", Path.home() / ".cache" / "reference")) / "bin"
TOKEN = "benchtoken"
READY_SECONDS = 60
OPERATIONS = "list,create,get,patch,status,apply,watch,delete"
LISTS = 20
"""How many are asked for."""
TITLES = ("what", "CPU µs per request, server", "CPU µs per request, load generator")


@dataclass
class Row:
    """One measurement of one operation: operations per second, CPU time in microseconds per operation of the server and
    of the load generator."""

    rate: float
    server: float
    client: float


@dataclass
class Side:
    """One server and its figures: seconds to ready, MiB before and after the load (`shared`: as PSS)."""

    name: str
    url: str
    processes: list[subprocess.Popen[bytes]]
    start: float
    idle: float
    loaded: float = 0.0
    shared: float = 0.0
    rows: dict[str, list[Row]] = field(default_factory=dict)


def family(processes: list[subprocess.Popen[bytes]]) -> Iterator[Path]:
    """The folders in /proc of the processes and all that they started."""
    numbers = [process.pid for process in processes]
    while numbers:
        folder = Path(f"/proc/{numbers.pop()}")
        with suppress(OSError):  # it has just ended
            yield folder
            for thread in (folder / "task").iterdir():
                numbers += map(int, (thread / "children").read_text().split())


def resident(processes: list[subprocess.Popen[bytes]], what: str = "Rss") -> float:
    """MiB of memory that the processes hold. Of memory that several share, `Rss` counts all of it for each, `Pss` a
    part for each."""
    total = 0
    for folder in family(processes):
        for line in (folder / "smaps_rollup").read_text().splitlines():
            if line.startswith(f"{what}:"):
                total += int(line.split()[1])
    return total / 1024


def cpu_time(processes: list[subprocess.Popen[bytes]]) -> float:
    """Microseconds that all threads of the processes have run, also those that ended, as the kernel's own for io_uring
    do when they had nothing to do for a while. The number of a process's clock is made as clock_getcpuclockid(3) does.
    """
    total = 0
    for folder in family(processes):
        with suppress(OSError):  # it has just ended
            total += time.clock_gettime_ns((~int(folder.name) << 3) | 2)
    return total / 1000


def call(url: str, path: str, body: bytes | None = None) -> int:
    context = ssl._create_unverified_context()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, data=body, headers=headers)
    with urllib.request.urlopen(request, context=context, timeout=5) as answer:
        return int(answer.status)


def wait_ready(url: str, process: subprocess.Popen[bytes], began: float) -> float:
    """Seconds from `began` to the first ready answer."""
    while time.monotonic() - began < READY_SECONDS:
        try:
            if call(url, "/readyz") == 200:
                return time.monotonic() - began
        except OSError:
            if process.poll() is not None:
                sys.exit(f"{process.args} ended with {process.returncode}")
            time.sleep(0.005)
    sys.exit(f"{process.args} was not ready after {READY_SECONDS} s")


@contextmanager
def umiak(folder: Path, *more: str) -> Iterator[tuple[str, list[subprocess.Popen[bytes]], float]]:
    (port,) = free_ports()
    (folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
    program = [sys.executable, "-m", "umiak.cli.main", "server", f"--data-dir={folder / 'data'}", f"--port={port}"]
    program += more
    with (folder / "log").open("wb") as log:
        # Once before, so that authorities and bootstrap objects exist, as etcd's own start is not counted either.
        process = subprocess.Popen([*program, f"--token-file={folder / 'tokens.csv'}"], stdout=log, stderr=log)
        wait_ready(f"https://127.0.0.1:{port}", process, time.monotonic())
        end([process])
        began = time.monotonic()
        process = subprocess.Popen([*program, f"--token-file={folder / 'tokens.csv'}"], stdout=log, stderr=log)
        try:
            seconds = wait_ready(f"https://127.0.0.1:{port}", process, began)
            yield f"https://127.0.0.1:{port}", [process], seconds
        finally:
            end([process])


@contextmanager
def reference(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]], float]]:
    store, peer, port = free_ports(3)
    (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
    subprocess.run(["openssl", "genrsa", "-out", folder / "sa.key", "2048"], check=True, capture_output=True)
    public = ["openssl", "rsa", "-in", folder / "sa.key", "-pubout", "-out", folder / "sa.pub"]
    subprocess.run(public, check=True, capture_output=True)
    etcd = [
        str(REFERENCE / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{store}",
        f"--advertise-client-urls=http://127.0.0.1:{store}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
    ]
    server = [
        str(REFERENCE / "kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{store}",
        f"--cert-dir={folder / 'certs'}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={folder / 'sa.pub'}",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
        "--service-cluster-ip-range=10.96.0.0/16",
    ]
    with (folder / "log").open("wb") as log:
        processes = [subprocess.Popen(etcd, stdout=log, stderr=log)]
        time.sleep(2)  # etcd elects itself; not part of the reference's start either
        began = time.monotonic()
        processes.append(subprocess.Popen(server, stdout=log, stderr=log))
        try:
            seconds = wait_ready(f"https://127.0.0.1:{port}", processes[1], began)
            yield f"https://127.0.0.1:{port}", processes, seconds
        finally:
            end(list(reversed(processes)), signal.SIGKILL)


def end(processes: list[subprocess.Popen[bytes]], number: int = signal.SIGTERM) -> None:
    for process in processes:
        process.send_signal(number)
        process.wait(30)


def load(url: str, operations: str, count: int, *more: str) -> dict[str, dict[str, Any]]:
    """What the load generator says of each operation."""
    program = [str(generator()), f"-server={url}", f"-token={TOKEN}", f"-ops={operations}", f"-n={count}", *more]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=900)
    rows = {row["op"]: row for row in map(json.loads, done.stdout.splitlines())}
    for operation, row in rows.items():
        if row["errors"]:
            print(f"  {operation}: {row['errors']} errors, the first: {row.get('first_error', '')}", file=sys.stderr)
    return rows


@cache
def generator() -> Path:
    """The load generator: built from its source, or where there is no Go the reference's copy, which knows fewer flags
    and takes more of the processor itself."""
    if given := os.environ.get("APILOAD"):
        return Path(given)
    own, copy = HERE / "apiload" / "apiload", REFERENCE / "apiload"
    if shutil.which("go") is not None:
        subprocess.run(["go", "build", "-o", own.name, "."], cwd=own.parent, check=True)
    elif not own.exists() and not copy.exists():
        sys.exit("the load generator needs Go once: apt-get install golang")
    return own if own.exists() else copy


@contextmanager
def side(name: str, options: argparse.Namespace) -> Iterator[Side]:
    """The server, started, and looked at before it has work."""
    with tempfile.TemporaryDirectory() as folder:
        more = [f"--workers={options.workers}"] if options.workers else []
        run = umiak(Path(folder), *more) if name == "umiak" else reference(Path(folder))
        with run as (url, processes, seconds):
            yield Side(name, url, processes, seconds, resident(processes))


def open_namespace(url: str, name: str) -> None:
    """Makes a namespace that takes Pods, as controllers would."""
    for path, what in (("namespaces", name), (f"namespaces/{name}/serviceaccounts", "default")):
        with suppress(urllib.error.HTTPError):  # it is there already
            call(url, f"/api/v1/{path}", json.dumps({"metadata": {"name": what}}).encode())


def measure(sides: list[Side], options: argparse.Namespace) -> None:
    """All rounds of all operations, each round in a namespace of its own. Those of lists come first, and share Pods."""
    operations = options.ops.split(",")
    if "list" in operations:
        operations.remove("list")
        with pods(sides, "lists", options.list):
            for number in range(options.rounds):
                in_turn(sides, number, "list", options.count, "lists")
    for number in range(options.rounds):
        space = f"round-{number}"
        for one in sides:
            open_namespace(one.url, space)
        for operation in operations:
            in_turn(sides, number, operation, options.count, space)


@contextmanager
def pods(sides: list[Side], space: str, count: int) -> Iterator[None]:
    for one in sides:
        open_namespace(one.url, space)
        load(one.url, "create", count, f"-ns={space}")
    yield
    for one in sides:
        load(one.url, "delete", count, f"-ns={space}")


def in_turn(sides: list[Side], number: int, operation: str, count: int, space: str) -> None:
    for one in sides if number % 2 == 0 else reversed(sides):
        one.rows.setdefault(operation, []).append(measured(one, operation, count, space))


def measured(one: Side, operation: str, count: int, space: str) -> Row:
    before = cpu_time(one.processes)
    found = load(one.url, operation, count, f"-lists={LISTS}", f"-ns={space}")[operation]
    return Row(found["per_s"], (cpu_time(one.processes) - before) / found["n"], found.get("client_us", 0.0))


def ratios(ours: list[float], theirs: list[float]) -> list[str]:
    """How many times as much ours are: the medians, and the least and most of the rounds."""
    if not all(theirs):
        return ["-", ""]
    single = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return [f"{median(ours) / median(theirs):.1f} x", f"{min(single):.1f} to {max(single):.1f}" if single[1:] else ""]


def line(label: str, figures: list[list[float]], less_is_better: bool = False) -> str:
    """One row of a table: a median for each side, and how many times better umiak is."""
    cells = [f"{f:,.2f}" if f < 10 else f"{f:,.0f}" for f in map(median, figures)]
    if len(figures) == 2:
        cells += ratios(*(reversed(figures) if less_is_better else figures))
    return f"| {' | '.join([label, *cells])} |"


def tables(sides: list[Side], options: argparse.Namespace) -> Iterator[str]:
    labels = {"list": f"list of {options.list} Pods", "watch": "watch fan-out, 100 watchers (events)"}
    columns = [*(one.name for one in sides), *(("ratio", "ratios of the rounds") if len(sides) == 2 else ())]
    rows = [(labels.get(operation, operation), [one.rows[operation] for one in sides]) for operation in sides[0].rows]
    heads = [f"| {title} | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}" for title in TITLES]
    yield heads[0]
    yield line("start to ready (s)", [[one.start] for one in sides], True)
    yield line("RSS idle (MiB)", [[one.idle] for one in sides], True)
    for label, found in rows:
        yield line(f"{label} /s", [[row.rate for row in each] for each in found])
    yield line("RSS after the load (MiB)", [[one.loaded] for one in sides], True)
    yield line("PSS after the load (MiB)", [[one.shared] for one in sides], True) + "\n"
    yield heads[1]
    for label, found in rows:
        yield line(label, [[row.server for row in each] for each in found], True)
    yield "\n" + heads[2]
    for label, found in rows:
        yield line(label, [[row.client for row in each] for each in found], True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each operation is measured on each side")
    parser.add_argument("--count", type=int, default=2000, help="requests per operation")
    parser.add_argument("--list", type=int, default=5000, help="Pods in the list")
    parser.add_argument("--ops", default=OPERATIONS)
    parser.add_argument("--workers", type=int, default=0, help="of umiak; without, its own choice")
    parser.add_argument("--only", choices=("umiak", "reference"))
    options = parser.parse_args()
    names = [options.only] if options.only else ["umiak", "reference"]
    if "reference" in names and not (REFERENCE / "kube-apiserver").exists():
        print(f"no kube-apiserver in {REFERENCE}: measuring umiak alone", file=sys.stderr)
        names.remove("reference")
    with ExitStack() as stack:
        sides = [stack.enter_context(side(name, options)) for name in names]
        measure(sides, options)
        for one in sides:
            one.loaded, one.shared = resident(one.processes), resident(one.processes, "Pss")
    print("\n".join(tables(sides, options)))
    print(f"\numiak ran on Python {platform.python_version()} of {sys.base_prefix}")


if __name__ == "__main__":
    main()

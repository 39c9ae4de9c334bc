"""umiak's API server beside kube-apiserver, in one run with the same load generator: start, memory, rates.

Rates depend on what else the machine does; the second table, CPU time per request of the server with its store, hardly.

usage: bench/run.py [--count 2000] [--list 5000] [--only umiak|reference] [--ops create,get,...] [--workers N]

The load generator (bench/apiload, Go) is built on first use. The reference (kube-apiserver and etcd) is taken from
the folder `bin` in $REFERENCE or ~/.cache/reference; without it, only umiak is measured. Everything runs on loopback.
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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from umiak.kit.ports import free_ports

HERE = Path(__file__).resolve().parent
REFERENCE = Path(os.environ.get("REFERENCE", Path.home() / ".cache" / "reference")) / "bin"
TOKEN = "benchtoken"
READY_SECONDS = 60
OPERATIONS = "list,create,get,patch,status,apply,watch,delete"
LISTS, EVENTS = 10, 20_000
"""Lists that are asked for; events that 100 watchers get of 200 changes."""


@dataclass
class Measured:
    """One server's figures: seconds to ready, MiB before and after the load (`shared`: as PSS), operations per second
    and p99 in ms, CPU time in microseconds per operation."""

    name: str
    start: float = 0.0
    idle: float = 0.0
    loaded: float = 0.0
    shared: float = 0.0
    rates: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)


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
    """Microseconds that all threads of the processes have run."""
    total = 0
    for folder in family(processes):
        for thread in (folder / "task").iterdir():
            with suppress(OSError):  # it has just ended
                total += int((thread / "schedstat").read_text().split()[0])
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


def load(url: str, operations: str, count: int, *more: str) -> dict[str, tuple[float, float, int]]:
    program = [str(generator()), f"-server={url}", f"-token={TOKEN}", f"-ops={operations}", f"-n={count}", *more]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=900)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for row in rows:
        if row["errors"]:
            print(f"  {row['op']}: {row['errors']} errors, the first: {row.get('first_error', '')}", file=sys.stderr)
    return {row["op"]: (row["per_s"], row["p99_ms"], row["errors"]) for row in rows}


def generator() -> Path:
    """The load generator: built beside its source, or where there is no Go the reference's copy, which knows fewer
    flags."""
    own, copy = HERE / "apiload" / "apiload", REFERENCE / "apiload"
    if own.exists():
        return own
    if shutil.which("go") is not None:
        subprocess.run(["go", "build", "-o", "apiload", "."], cwd=HERE / "apiload", check=True)
        return own
    if not copy.exists():
        sys.exit("the load generator needs Go once: apt-get install golang")
    return copy


def measure(name: str, options: argparse.Namespace) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        more = [f"--workers={options.workers}"] if options.workers else []
        run = umiak(Path(folder), *more) if name == "umiak" else reference(Path(folder))
        with run as (url, processes, seconds):
            found = Measured(name, seconds, resident(processes))
            account = b'{"metadata":{"name":"default"}}'
            with suppress(urllib.error.HTTPError):  # it may be there already
                call(url, "/api/v1/namespaces/default/serviceaccounts", account)
            for operation in options.ops.split(","):
                measure_one(found, url, processes, operation, options)
            found.loaded, found.shared = resident(processes), resident(processes, "Pss")
    return found


def measure_one(
    found: Measured, url: str, processes: list[subprocess.Popen[bytes]], operation: str, options: argparse.Namespace
) -> None:
    """Lists have Pods of their own around them."""
    count = options.list if operation == "list" else options.count
    times = {"get": 3 * count, "list": LISTS, "watch": EVENTS}.get(operation, count)
    if operation == "list":
        load(url, "create", count)
    before = cpu_time(processes)
    found.rates |= load(url, operation, count, f"-lists={LISTS}")
    found.cpu[operation] = (cpu_time(processes) - before) / times
    if operation == "list":
        load(url, "delete", count)


def cpu_table(results: list[Measured]) -> Iterator[str]:
    yield (
        "| CPU µs per request | " + " | ".join(r.name for r in results) + (" | ratio |" if len(results) == 2 else " |")
    )
    yield "|---|" + "---|" * (len(results) + (len(results) == 2))
    for operation in results[0].cpu:
        figures = [r.cpu[operation] for r in results]
        ratio = [f"{figures[1] / figures[0]:.1f} x"] if len(figures) == 2 else []
        yield "| " + " | ".join([operation, *(f"{f:,.0f}" for f in figures), *ratio]) + " |"


def table(results: list[Measured], options: argparse.Namespace) -> Iterator[str]:
    """One row per figure; with both servers a last column says how many times better umiak is."""
    yield "| what | " + " | ".join(r.name for r in results) + (" | ratio |" if len(results) == 2 else " |")
    yield "|---|" + "---|" * (len(results) + (len(results) == 2))
    rows = [
        ("start to ready (s)", [r.start for r in results], True),
        ("RSS idle (MiB)", [r.idle for r in results], True),
    ]
    labels = {"list": f"list of {options.list} Pods", "watch": "watch fan-out, 100 watchers (events)"}
    for operation in results[0].rates:
        figures = [r.rates.get(operation, (0, 0, 0))[0] for r in results]
        rows.append((f"{labels.get(operation, operation)} /s", figures, False))
    rows.append(("RSS after the load (MiB)", [r.loaded for r in results], True))
    rows.append(("PSS after the load (MiB)", [r.shared for r in results], True))
    for label, figures, less_is_better in rows:
        line = [label, *(f"{f:,.2f}" if f < 100 else f"{f:,.0f}" for f in figures)]
        if len(figures) == 2 and all(figures):
            ours, theirs = figures
            line.append(f"{theirs / ours if less_is_better else ours / theirs:.1f} x")
        yield "| " + " | ".join(line) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    results = [measure(name, options) for name in names]
    print("\n".join([*table(results, options), "", *cpu_table(results)]))
    print(f"\numiak ran on Python {platform.python_version()} of {sys.base_prefix}")


if __name__ == "__main__":
    main()

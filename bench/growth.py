"""How the API server's cost grows: with the number of Pods stored, and with the number of watchers.

usage: bench/growth.py [--pods 1000,10000,100000] [--watchers 10,100,1000] [--count 500] [--svg FOLDER]

Prints two tables; with --svg it also draws them. Pods are put into the store directly, as copies of one that the API
server made; the server then starts with them, and is asked by the load generator of bench/run.py.
"""

import argparse
import asyncio
import json
import resource
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import run
from plot import Line, chart

from umiak.store.sqlite import SqliteStore

PODS = "/api/v1/namespaces/default/pods"
OPERATIONS = ("create", "get", "patch", "status", "delete")
PAGE, PAGES = 500, 20
"""Pods of a page, and pages asked for."""
WARMING = 40
"""Requests of each sort before anything is measured: much is loaded with the first."""
TOGETHER = 256
"""Writes of one commit while the store is filled."""
EVENTS = 20_000
"""Events that all watchers together get, at least 20 each."""
SEED = {
    "metadata": {"name": "seed", "labels": {"app": "load", "tier": "web"}},
    "spec": {
        "containers": [
            {
                "name": "web",
                "image": "registry.example/web:1.2",
                "ports": [{"containerPort": 8080}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "nodeSelector": {"none": "such"},
    },
}


@dataclass
class Grown:
    """A server with `pods` stored: seconds to ready, MiB (PSS) when ready, CPU time in µs per request."""

    pods: int
    start: float
    memory: float
    cpu: dict[str, float] = field(default_factory=dict)


def ask(url: str, path: str, body: object = None) -> bytes:
    headers = {"Authorization": f"Bearer {run.TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, json.dumps(body).encode() if body else None, headers)
    context = ssl._create_unverified_context()
    with urllib.request.urlopen(request, context=context, timeout=60) as answer:
        return bytes(answer.read())


async def fill(file: Path, seed: bytes, count: int) -> None:
    """Puts `count` copies of `seed` beside it."""
    about = json.loads(seed)["metadata"]
    parts = [f'"name":"{about["name"]}"', f'"uid":"{about["uid"]}"', f'"resourceVersion":"{about["resourceVersion"]}"']
    store = SqliteStore(file)

    def copy(number: int, revision: int) -> bytes:
        uid = f"{about['uid'][:-12]}{number:012x}"
        value = seed.rstrip()
        for part, text in zip(parts, (f"fill-{number:06}", uid, str(revision)), strict=True):
            value = value.replace(part.encode(), f"{part.partition(':')[0]}:{json.dumps(text)}".encode(), 1)
        return value

    for start in range(0, count, TOGETHER):
        numbers = range(start, min(count, start + TOGETHER))
        keys = {number: f"/core/pods/default/fill-{number:06}" for number in numbers}
        await asyncio.gather(*(store.put(keys[n], lambda revision, n=n: copy(n, revision), expect=0) for n in numbers))
    await store.close()


def with_pods(count: int, requests: int) -> Grown:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with run.umiak(folder) as (url, _, _):
            seed = ask(url, PODS, SEED)
        asyncio.run(fill(folder / "data" / "store.db", seed, count))
        with run.umiak(folder) as (url, processes, seconds):
            grown = Grown(count, seconds, run.resident(processes, "Pss"))
            run.load(url, ",".join(OPERATIONS), WARMING)
            for operation in OPERATIONS:
                before = run.cpu_time(processes)
                run.load(url, operation, requests)
                times = 3 * requests if operation == "get" else requests
                grown.cpu[operation] = (run.cpu_time(processes) - before) / times
            grown.cpu[f"page of {PAGE}"] = paging(url, processes)
    return grown


def paging(url: str, processes: list[subprocess.Popen[bytes]]) -> float:
    """CPU time of one page, from the middle on."""
    before, token = run.cpu_time(processes), ""
    for _ in range(PAGES):
        page = json.loads(ask(url, f"{PODS}?limit={PAGE}&continue={token}"))
        token = page["metadata"].get("continue", "")
    return (run.cpu_time(processes) - before) / PAGES


def with_watchers(count: int) -> tuple[float, float]:
    """(CPU time in µs per event and watcher, MiB for each watcher)."""
    events = max(20, EVENTS // count)
    with tempfile.TemporaryDirectory() as name, run.umiak(Path(name)) as (url, processes, _):
        idle, before = run.resident(processes, "Pss"), run.cpu_time(processes)
        watching = subprocess.Popen(
            [
                str(run.generator()),
                f"-server={url}",
                f"-token={run.TOKEN}",
                "-ops=watch",
                f"-watchers={count}",
                f"-events={events}",
            ],
            stdout=subprocess.DEVNULL,
        )
        most = idle
        while watching.poll() is None:
            most = max(most, run.resident(processes, "Pss"))
            time.sleep(0.2)
        return (run.cpu_time(processes) - before) / (events * count), (most - idle) / count


def tables(grown: list[Grown], watched: dict[int, tuple[float, float]]) -> Iterator[str]:
    names = list(grown[0].cpu)
    yield "| Pods stored | start (s) | memory (MiB) | kB per Pod | " + " | ".join(f"{n} (µs)" for n in names) + " |"
    yield "|---|" + "---|" * (3 + len(names))
    for one in grown:
        each = per_pod(one, grown[0]) if one is not grown[0] else 0
        figures = [f"{one.start:.2f}", f"{one.memory:.0f}", f"{each:.1f}" if each else ""]
        yield f"| {one.pods:,} | " + " | ".join([*figures, *(f"{one.cpu[n]:,.0f}" for n in names)]) + " |"
    yield ""
    yield "| watchers | µs per event and watcher | kB per watcher |"
    yield "|---|---|---|"
    for count, (cpu, memory) in watched.items():
        yield f"| {count:,} | {cpu:.1f} | {memory * 1024:.0f} |"


def per_pod(one: Grown, least: Grown) -> float:
    """kB of memory for each Pod more than in `least`."""
    return (one.memory - least.memory) * 1024 / (one.pods - least.pods)


def draw(folder: Path, grown: list[Grown], watched: dict[int, tuple[float, float]]) -> None:
    lines: dict[str, Line] = {name: [(one.pods, one.cpu[name]) for one in grown] for name in grown[0].cpu}
    title = "CPU time per request as Pods grow"
    (folder / "growth-pods.svg").write_text(chart(title, "Pods stored", "µs", lines))
    memory: dict[str, Line] = {"PSS": [(one.pods, one.memory) for one in grown]}
    (folder / "growth-memory.svg").write_text(chart("Memory as Pods grow", "Pods stored", "MiB", memory))
    events: dict[str, Line] = {"event": [(count, cpu) for count, (cpu, _) in watched.items()]}
    title = "CPU time per event and watcher as watchers grow"
    (folder / "growth-watchers.svg").write_text(chart(title, "watchers", "µs", events))


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=numbers, default=[1_000, 10_000, 100_000])
    parser.add_argument("--watchers", type=numbers, default=[10, 100, 1_000])
    parser.add_argument("--count", type=int, default=500, help="requests per operation")
    parser.add_argument("--svg", type=Path, metavar="FOLDER", help="draw the figures there, too")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a socket for each watcher
    grown = [with_pods(count, options.count) for count in options.pods]
    watched = {count: with_watchers(count) for count in options.watchers}
    print("\n".join(tables(grown, watched)))
    if options.svg:
        draw(options.svg, grown, watched)


if __name__ == "__main__":
    main()

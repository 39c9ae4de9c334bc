"""Scheduler and controllers at scale, ours beside the reference's on the same API servers and simulated nodes.

usage: bench/scale.py [--rows basic-500,...] [--sides umiak,mixed,reference] [--pods N]

A side is an API server with a scheduler and controllers: `umiak` has ours, `mixed` the reference's kube-scheduler and
kube-controller-manager on our API server, `reference` them on kube-apiserver with etcd. Nodes are those of `umiak
simulate` on every side. Most rows are cases of the reference's test/integration/scheduler_perf, with what its own
runs must reach in pods per second (its harness has no TLS, no admission and many cores).

Besides rates, which depend on what else the machine does, CPU time per pod is told for each process.
"""

import argparse
import json
import resource
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import run
import scale_pods
from run import REFERENCE, TOKEN

SIDES = ("umiak", "mixed", "reference")
SETTLE_SECONDS = 2.0
PATIENCE = 400.0
Process = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Row:
    """One case: `first` pods are there before the `measured` ones come. Templates are those of `scale_pods`."""

    name: str
    nodes: int
    measured: int
    template: str = "plain"
    first: int = 0
    first_template: str = "plain"
    zones: str = ""
    cpu: str = "4"
    gate: int = 0
    """Pods per second that upstream's runs must reach; 0: none."""
    churn: bool = False
    """Whether nodes, services and pods that fit nowhere come and go meanwhile, once a second."""
    kind: str = "place"
    """`place` creates single pods, `rollout` a Deployment, `idle` nothing."""
    bare: bool = False
    """Whether nodes are objects that nobody runs, and nothing but a scheduler is at work, as in upstream's harness."""


ROWS = (
    Row("basic-500", 500, 3000, "apiload", cpu="8"),
    Row("basic-5000", 5000, 10000, first=1000, gate=680),
    Row("bare-5000", 5000, 10000, first=1000, gate=680, bare=True),
    Row("affinity-500", 500, 1000, "affinity", 500, "affinity", zones="zone1"),
    Row("affinity-5000", 5000, 1000, "affinity", 1000, "affinity", zones="zone1", gate=70),
    Row("anti-affinity-500", 500, 400, "anti-affinity", 100, "anti-affinity"),
    Row("anti-affinity-5000", 5000, 2000, "anti-affinity", 1000, "anti-affinity", gate=180),
    Row("spreading-500", 500, 1000, "spreading", 1000, zones="moon-1,moon-2,moon-3"),
    Row("spreading-5000", 5000, 2000, "spreading", 1000, zones="moon-1,moon-2,moon-3", gate=460),
    Row("preferred-spreading-500", 500, 1000, "preferred-spreading", 1000, zones="moon-1,moon-2,moon-3"),
    Row("preemption-500", 500, 500, "important", 2000, "unimportant"),
    Row("churn-1000", 1000, 1000, churn=True, gate=710),
    Row("rollout-10000", 1000, 10000, kind="rollout", cpu="16"),
    Row("rollout-1000", 100, 1000, kind="rollout", cpu="16"),
    Row("idle-1000", 1000, 0, kind="idle"),
)
IDLE_SECONDS = 30.0


@dataclass(slots=True)
class Cluster:
    """A running side: its address and its processes by part."""

    url: str
    folder: Path
    parts: dict[str, list[Process]] = field(default_factory=dict)

    def cpu(self) -> dict[str, float]:
        """CPU time so far in microseconds, by part."""
        return {name: run.cpu_time(processes) for name, processes in self.parts.items()}

    def memory(self) -> dict[str, float]:
        """MiB (PSS), by part."""
        return {name: run.resident(processes, "Pss") for name, processes in self.parts.items()}


@dataclass(slots=True)
class Found:
    """What one row gave on one side."""

    rate: float
    p99: float
    cpu: dict[str, float]
    """Microseconds per pod, by part; of an idle cluster per second. Read when all is quiet again."""
    memory: dict[str, float] = field(default_factory=dict)
    """MiB per 1,000 pods, by part; of an idle cluster all."""


def ask(url: str, path: str, body: Any = None, method: str = "") -> Any:
    """One request; the answer decoded."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", "Accept": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, headers=headers, method=method or None)
    with urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=60) as answer:
        return json.load(answer)


def kubeconfig(url: str, folder: Path) -> Path:
    """The administrator's, for all parts."""
    about = {"server": url, "insecure-skip-tls-verify": True}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": about}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file = folder / "admin.kubeconfig"
    file.write_text(json.dumps(config))
    return file


def ours(command: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "umiak.cli.main", command, *more]


def parts_of(side: str, config: Path) -> dict[str, list[str]]:
    """The command lines of a side's scheduler and controllers. Neither gives address ranges to nodes; limits of the
    reference's clients are out of the way."""
    if side == "umiak":
        return {
            "scheduler": ours("scheduler", f"--kubeconfig={config}"),
            "controllers": ours("controllers", f"--kubeconfig={config}", "--controllers=*,-node-ipam"),
        }
    common = [f"--kubeconfig={config}", "--leader-elect=false", "--secure-port=0"]
    common += ["--kube-api-qps=5000", "--kube-api-burst=5000"]
    return {
        "scheduler": [str(REFERENCE / "kube-scheduler"), *common],
        "controllers": [str(REFERENCE / "kube-controller-manager"), *common, "--use-service-account-credentials=false"],
    }


@contextmanager
def cluster(side: str, nodes: int, *more: str) -> Iterator[Cluster]:
    """A side with its simulated nodes, all ready."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        server = run.reference if side == "reference" else run.umiak
        url, processes, _ = stack.enter_context(server(folder))
        found = Cluster(url, folder)
        if side == "reference":
            found.parts["store"], found.parts["server"] = processes[:1], processes[1:]
        else:
            found.parts["server"] = processes
        config = kubeconfig(url, folder)
        simulate = ours("simulate", f"--kubeconfig={config}", f"--nodes={nodes}", *more)
        for part, command in {**parts_of(side, config), "nodes": simulate}.items():
            log = stack.enter_context((folder / f"{part}.log").open("wb"))
            process = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(end, process)
            found.parts[part] = [process]
        wait_for_nodes(found, nodes)
        yield found


def end(process: Process) -> None:
    if process.poll() is None:
        run.end([process])


def until(check: Callable[[], bool], what: str, pause: float = 0.5) -> None:
    deadline = time.monotonic() + PATIENCE
    while not check():
        if time.monotonic() > deadline:
            sys.exit(f"gave up waiting for {what}")
        time.sleep(pause)


def wait_for_nodes(found: Cluster, count: int) -> None:
    """Until all are ready and untainted, and pods may be created."""

    def usable() -> bool:
        nodes = ask(found.url, "/api/v1/nodes?resourceVersion=0")["items"]
        return len(nodes) >= count and not any(n["spec"].get("taints") for n in nodes)

    def may_create() -> bool:
        accounts = ask(found.url, "/api/v1/namespaces/default/serviceaccounts")["items"]
        return any(a["metadata"]["name"] == "default" for a in accounts)

    until(usable, f"{count} nodes", pause=2.0)
    until(may_create, "the default service account")
    time.sleep(SETTLE_SECONDS)


def place(found: Cluster, template: str, count: int, prefix: str) -> tuple[float, float]:
    """Creates pods and waits until all have nodes: pods per second, and the p99 in ms of the wait of one."""
    file = found.folder / f"{prefix}.json"
    file.write_text(scale_pods.template(template))
    program = [str(run.generator()), f"-server={found.url}", f"-token={TOKEN}", "-ops=scheduled", f"-n={count}"]
    program += [f"-pod={file}", f"-prefix={prefix}"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode:
        sys.exit(f"{program}: {done.stderr}")
    rows = {row["op"]: row for row in map(json.loads, done.stdout.splitlines())}
    row = rows["scheduled"]
    if row["errors"] or rows.get("create", row)["errors"]:
        print(f"  errors: {rows}", file=sys.stderr)
    return row["per_s"], row["p99_ms"]


def roll_out(found: Cluster, replicas: int) -> float:
    """Creates a Deployment and waits until all of its pods are ready; pods per second."""
    path = "/apis/apps/v1/namespaces/default/deployments"
    began = time.monotonic()
    ask(found.url, path, scale_pods.deployment(replicas))
    until(lambda: ask(found.url, f"{path}/wide")["status"].get("readyReplicas", 0) == replicas, "the Deployment")
    return replicas / (time.monotonic() - began)


@contextmanager
def churning(url: str) -> Iterator[None]:
    """Creates and deletes, in turn once a second, what `scale_pods.CHURN` lists."""
    over = threading.Event()

    def turn() -> None:
        there = False
        while not over.wait(1.0):
            for path, about in scale_pods.CHURN:
                with suppress(OSError):  # it is there still, or gone already
                    ask(url, f"{path}/churn" if there else path, None if there else about, "DELETE" if there else "")
            there = not there

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measure(row: Row, side: str) -> Found:
    more = [f"--zones={row.zones}"] if row.zones else []
    with cluster(side, row.nodes, f"--cpu={row.cpu}", *more) as found:
        if row.bare:
            run.end([process for part in ("nodes", "controllers") for process in found.parts.pop(part)])
        for about in scale_pods.PRIORITY_CLASSES:
            ask(found.url, "/apis/scheduling.k8s.io/v1/priorityclasses", about)
        if row.first:
            place(found, row.first_template, row.first, "first")
            time.sleep(SETTLE_SECONDS)
        before, small, generated = found.cpu(), found.memory(), generator_time()
        if row.kind == "idle":
            time.sleep(IDLE_SECONDS)
            return Found(0, 0, difference(found.cpu(), before, IDLE_SECONDS), found.memory())
        rate, p99 = act(row, found)
        load = (generator_time() - generated) / row.measured
        time.sleep(SETTLE_SECONDS)
        grown = difference(found.memory(), small, row.measured / 1000)
        return Found(rate, p99, {**difference(found.cpu(), before, row.measured), "load": load}, grown)


def generator_time() -> float:
    """Microseconds of CPU that load generators have taken: no other child ends while pods are placed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e6 * (used.ru_utime + used.ru_stime)


def act(row: Row, found: Cluster) -> tuple[float, float]:
    if row.kind == "rollout":
        return roll_out(found, row.measured), 0.0
    with churning(found.url) if row.churn else nullcontext():
        return place(found, row.template, row.measured, "measured")


def difference(after: dict[str, float], before: dict[str, float], by: float) -> dict[str, float]:
    return {part: (after[part] - before[part]) / by for part in after}


def title(row: Row) -> str:
    gate = f", upstream's gate {row.gate} pods/s" if row.gate else ""
    if row.kind == "idle":
        return f"{row.name}: {row.nodes:,} nodes and nothing to do; CPU µs per second and MiB"
    if row.kind == "rollout":
        return f"{row.name}: a Deployment of {row.measured:,} on {row.nodes:,} nodes, until all are ready"
    return f"{row.name}: {row.measured:,} pods on {row.nodes:,} nodes, {row.first:,} before{gate}"


def columns(figures: dict[str, float]) -> list[float]:
    """Server with its store, scheduler, controllers, nodes, all of these; the load generator."""
    found = [figures.get("server", 0.0) + figures.get("store", 0.0)]
    found += [figures.get(part, 0.0) for part in ("scheduler", "controllers", "nodes")]
    return [*found, sum(found), figures.get("load", 0.0)]


def table(row: Row, results: dict[str, Found]) -> Iterator[str]:
    """CPU µs and MiB are per pod and per 1,000 pods."""
    yield f"{title(row)}"
    yield ""
    parts = ["server", "scheduler", "controllers"]
    heads = [
        "side",
        "pods/s",
        "p99 ms",
        *(f"CPU {p}" for p in (*parts, "nodes", "all", "load")),
        *(f"MiB {p}" for p in parts),
    ]
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    for side, found in results.items():
        cells = [f"{found.rate:,.0f}", f"{found.p99:,.0f}", *(f"{f:,.0f}" for f in columns(found.cpu))]
        cells += [f"{f:.1f}" for f in columns(found.memory)[:3]]
        yield f"| {side} | " + " | ".join(cells) + " |"
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="basic-500", help="of " + ", ".join(row.name for row in ROWS))
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--pods", type=int, default=0, help="that are measured; without, as many as the row says")
    options = parser.parse_args()
    known = {row.name: row for row in ROWS}
    for name in options.rows.split(","):
        results, row = {}, known[name]
        if options.pods:
            row = replace(row, measured=options.pods)
        for side in options.sides.split(","):
            results[side] = measure(row, side)
        print("\n".join(table(row, results)), flush=True)


if __name__ == "__main__":
    main()

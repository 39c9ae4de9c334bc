"""What each request of a pod's life, and of a node's, costs the server in CPU µs, ours beside the reference's.

usage: bench/life.py [--count 2000] [--only umiak|reference]

The requests are those that the scheduler, controllers and nodes of `bench/scale.py` send, over so many connections as
they have.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import run
import scale_pods
import uvloop
from scale import ask, kubeconfig

from umiak.client.client import ApiClient
from umiak.client.http import HttpTransport
from umiak.client.kubeconfig import load

CONNECTIONS = 32
NOW = "2030-01-01T00:00:00Z"
Object = dict[str, Any]
Send = Callable[[ApiClient, str], Awaitable[object]]
PODS, EVENTS = "/api/v1/namespaces/default/pods", "/apis/events.k8s.io/v1/namespaces/default/events"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def event(name: str) -> Object:
    """As kube-scheduler writes it."""
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{hash(name) & 0xFFFFFFFFFFFF:x}", "namespace": "default"},
        "eventTime": "2030-01-01T00:00:00.000000Z",
        "reportingController": "default-scheduler",
        "reportingInstance": "default-scheduler-bench",
        "action": "Binding",
        "reason": "Scheduled",
        "regarding": {"kind": "Pod", "namespace": "default", "name": name, "apiVersion": "v1"},
        "note": f"Successfully assigned default/{name} to node-{len(name)}",
        "type": "Normal",
    }


def running(name: str) -> Object:
    """The status that a node tells of a pod that has started."""
    address = "10.0." + ".".join(map(str, divmod(int(name.rpartition("-")[2]), 256)))
    conditions = [
        {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": NOW}
        for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    container = {
        "name": "pause",
        "image": scale_pods.IMAGE,
        "imageID": f"simulated://{scale_pods.IMAGE}",
        "containerID": f"simulated://{name}",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": NOW}},
        "lastState": {},
    }
    return {
        "phase": "Running",
        "conditions": conditions,
        "startTime": NOW,
        "hostIP": "10.1.0.1",
        "hostIPs": [{"ip": "10.1.0.1"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "containerStatuses": [container],
    }


async def create(client: ApiClient, name: str) -> object:
    return await client.raw("POST", PODS, json.dumps(scale_pods.pod()).replace("%s", name).encode())


async def bind(client: ApiClient, name: str) -> object:
    about = {"name": name, "namespace": "default"}
    target = {"apiVersion": "v1", "kind": "Node", "name": f"node-{int(name.rpartition('-')[2]) % 100}"}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": about, "target": target}
    return await client.raw("POST", f"{PODS}/{name}/binding", body)


async def tell(client: ApiClient, name: str) -> object:
    return await client.raw("POST", EVENTS, event(name))


async def report(client: ApiClient, name: str) -> object:
    merge = {"Content-Type": "application/merge-patch+json"}
    return await client.raw("PATCH", f"{PODS}/{name}/status", {"status": running(name)}, merge)


async def make_lease(client: ApiClient, name: str) -> object:
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": "2030-01-01T00:00:00.000000Z"}
    about = {"name": name, "namespace": "kube-node-lease"}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": about, "spec": spec}
    return await client.raw("POST", LEASES, body)


async def renew(client: ApiClient, name: str) -> object:
    merge = {"Content-Type": "application/merge-patch+json"}
    answer = await client.raw("PATCH", f"{LEASES}/{name}", {"spec": {"renewTime": moment()}}, merge)
    _known[name] = json.loads(answer.body)
    return answer


async def renew_whole(client: ApiClient, name: str) -> object:
    """As a kubelet does it."""
    lease = _known[name]
    return await client.raw("PUT", f"{LEASES}/{name}", {**lease, "spec": {**lease["spec"], "renewTime": moment()}})


_known: dict[str, Object] = {}
"""Leases as they were answered last."""


async def register(client: ApiClient, name: str) -> object:
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"conditions": heartbeat()}}
    return await client.raw("POST", "/api/v1/nodes", body)


async def beat(client: ApiClient, name: str) -> object:
    strategic = {"Content-Type": "application/strategic-merge-patch+json"}
    return await client.raw("PATCH", f"/api/v1/nodes/{name}/status", {"status": {"conditions": heartbeat()}}, strategic)


def moment() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def heartbeat() -> list[Object]:
    stamp = moment()[:19] + "Z"
    kinds = (("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False"), ("Ready", "True"))
    return [
        {"type": kind, "status": value, "reason": "Fine", "lastHeartbeatTime": stamp, "lastTransitionTime": NOW}
        for kind, value in kinds
    ]


REQUESTS: dict[str, Send] = {
    "create a pod": create,
    "bind it": bind,
    "an event about it": tell,
    "its status": report,
    "create a lease": make_lease,
    "renew it by patch": renew,
    "renew it by update": renew_whole,
    "create a node": register,
    "a node's status": beat,
}


async def send_all(client: ApiClient, send: Send, count: int) -> None:
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await send(client, f"bench-{number}")

    await asyncio.gather(*(work() for _ in range(CONNECTIONS)))


async def measure(url: str, folder: Path, processes: list[Any], count: int) -> dict[str, float]:
    """CPU µs per request, by what it is."""
    transport = HttpTransport(load(str(kubeconfig(url, folder))), max_connections=CONNECTIONS)
    client, found = ApiClient(transport), {}
    for name, send in REQUESTS.items():
        before = run.cpu_time(processes)
        await send_all(client, send, count)
        found[name] = (run.cpu_time(processes) - before) / count
    await transport.close()
    return found


def of_side(side: str, count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (run.reference if side == "reference" else run.umiak)(folder) as (url, processes, _):
            with suppress(OSError):  # it may be there already
                ask(url, "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(measure(url, folder, processes, count))


def table(results: dict[str, dict[str, float]]) -> Iterator[str]:
    yield "| CPU µs | " + " | ".join(results) + " |"
    yield "|---" * (len(results) + 1) + "|"
    for name in REQUESTS:
        yield f"| {name} | " + " | ".join(f"{found[name]:,.0f}" for found in results.values()) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--only", choices=("umiak", "reference"))
    options = parser.parse_args()
    sides = [options.only] if options.only else ["umiak", "reference"]
    print("\n".join(table({side: of_side(side, options.count) for side in sides})))


if __name__ == "__main__":
    main()

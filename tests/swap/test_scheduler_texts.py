"""What is told of pods that find a node, find none, or make others leave: the original's words and ours, side by side.

Both schedulers meet the same situations on an API server each; only names that are drawn by chance are made alike.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from umiak.api.core import event, node, persistentvolumeclaim, pod
from umiak.api.resource import deviceclass, resourceclaim, resourceslice
from umiak.api.scheduling import priorityclass
from umiak.client import kubeconfig
from umiak.client.client import ApiClient
from umiak.client.http import HttpTransport
from umiak.objects.errors import StatusError
from umiak.testing import reference

pytestmark = [pytest.mark.shared, pytest.mark.slow]
NAMESPACE = "default"
HOST = "kubernetes.io/hostname"
MUST = "requiredDuringSchedulingIgnoredDuringExecution"
TRIES = 3
LOOKS, PAUSE, SETTLE = 1200, 0.1, 0.2
"""How often, and how many seconds apart, it is looked whether a pod was judged; for how long all may settle then."""


def a_node(name: str, cpu: str = "4", labels: dict | None = None, **spec: Any) -> dict:
    offered = {"cpu": cpu, "memory": "8Gi", "pods": "10"}
    about = {"name": name, "labels": {HOST: name, **(labels or {})}}
    status = {"allocatable": offered, "capacity": offered}
    return {"apiVersion": "v1", "kind": "Node", "metadata": about, "spec": spec, "status": status}


def a_pod(name: str, cpu: str = "", labels: dict | None = None, container: dict | None = None, **spec: Any) -> dict:
    asked = {"resources": {"requests": {"cpu": cpu}}} if cpu else {}
    containers = [{"name": "c", "image": "i", **asked, **(container or {})}]
    about = {"name": name, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": {"containers": containers, **spec}}


def near(kind: str) -> dict:
    term = {"topologyKey": HOST, "labelSelector": {"matchLabels": {"app": "x"}}}
    return {kind: {MUST: [term]}}


def named(name: str) -> dict:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
    return {"nodeAffinity": {MUST: {"nodeSelectorTerms": [term]}}}


def spread(key: str) -> list[dict]:
    rule = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule"}
    return [{**rule, "labelSelector": {"matchLabels": {"app": "x"}}}]


def claiming(name: str) -> dict:
    return {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": name}}]}


TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "there"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "none",
    },
}
DEVICES = "resource.k8s.io/v1"
GPUS = {"apiVersion": DEVICES, "kind": "DeviceClass", "metadata": {"name": "gpu"}, "spec": {}}


SERVING = {**GPUS, "spec": {"extendedResourceName": "example.com/gpu"}}


def wanting(**amounts: str) -> dict:
    """A container that wants extended resources, of the class and by name."""
    names = {"gpu": "example.com/gpu", "implicit": "deviceclass.resource.kubernetes.io/gpu"}
    return {"container": {"resources": {"limits": {names[name]: amount for name, amount in amounts.items()}}}}


def a_slice(on: str, *names: str) -> dict:
    pool = {"name": on, "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "example.com", "nodeName": on, "pool": pool, "devices": [{"name": name} for name in names]}
    return {"apiVersion": DEVICES, "kind": "ResourceSlice", "metadata": {"name": on}, "spec": spec}


def wish(name: str, *selectors: str, **fields: Any) -> dict:
    chosen = [{"cel": {"expression": each}} for each in selectors]
    exactly = {"deviceClassName": "gpu", "selectors": chosen, **fields}
    spec = {"devices": {"requests": [{"name": "r", "exactly": exactly}]}}
    return {"apiVersion": DEVICES, "kind": "ResourceClaim", "metadata": {"name": name}, "spec": spec}


def using(name: str) -> dict:
    return {"resourceClaims": [{"name": "c", "resourceClaimName": name}]}


SITUATIONS: dict[str, tuple[list[dict], list[dict]]] = {
    "a node": ([a_node("n1")], [a_pod("p")]),
    "no nodes": ([], [a_pod("p")]),
    "many reasons": (
        [
            a_node("n1", cpu="1"),
            a_node("n2", taints=[TAINT]),
            a_node("n3", unschedulable=True),
            a_node("n4", labels={"other": "pool"}),
            a_node("n5", cpu="1"),
        ],
        [
            a_pod(
                "p",
                cpu="2",
                affinity={
                    "nodeAffinity": {
                        MUST: {
                            "nodeSelectorTerms": [{"matchExpressions": [{"key": "other", "operator": "DoesNotExist"}]}]
                        }
                    }
                },
            )
        ],
    ),
    "too many pods": ([a_node("n1")], [*(a_pod(f"p{i}") for i in range(10)), a_pod("q")]),
    "an unknown resource": (
        [a_node("n1")],
        [a_pod("p", container={"resources": {"limits": {"example.com/gpu": "1"}}})],
    ),
    "ports": (
        [a_node("n1")],
        [a_pod(n, container={"ports": [{"containerPort": 80, "hostPort": 80}]}) for n in "pq"],
    ),
    "no company": ([a_node("n1")], [a_pod("p", affinity=near("podAffinity"))]),
    "wrong company": ([a_node("n1")], [a_pod(n, labels={"app": "x"}, affinity=near("podAntiAffinity")) for n in "pq"]),
    "others refuse": (
        [a_node("n1")],
        [a_pod("p", affinity=near("podAntiAffinity")), a_pod("q", labels={"app": "x"})],
    ),
    "uneven": (
        [a_node("n1"), a_node("n2", unschedulable=True)],
        [a_pod(n, labels={"app": "x"}, topologySpreadConstraints=spread(HOST)) for n in "pq"],
    ),
    "nothing to spread over": ([a_node("n1")], [a_pod("p", topologySpreadConstraints=spread("rack"))]),
    "a name nobody has": ([a_node("n1"), a_node("n2")], [a_pod("p", affinity=named("n9"))]),
    "a name with too little": ([a_node("n1", cpu="1"), a_node("n2")], [a_pod("p", cpu="2", affinity=named("n1"))]),
    "no claim": ([a_node("n1")], [a_pod("p", **claiming("missing"))]),
    "an unbound claim": ([a_node("n1")], [CLAIM, a_pod("p", **claiming("there"))]),
    "a device": ([a_node("n1"), a_node("n2")], [GPUS, a_slice("n2", "d"), wish("c"), a_pod("p", **using("c"))]),
    "one device for two": (
        [a_node("n1")],
        [GPUS, a_slice("n1", "d"), *map(wish, "cd"), a_pod("p", **using("c")), a_pod("q", **using("d"))],
    ),
    "no such class": ([a_node("n1")], [wish("c"), a_pod("p", **using("c"))]),
    "no such claim for devices": ([a_node("n1")], [a_pod("p", **using("c"))]),
    "a selector that fails": (
        [a_node("n1")],
        [GPUS, a_slice("n1", "d"), wish("c", "1/0 == 1"), a_pod("p", **using("c"))],
    ),
    "a device and no room": (
        [a_node("n1", cpu="1")],
        [GPUS, a_slice("n1", "d"), wish("c"), a_pod("p", cpu="2", **using("c"))],
    ),
    "devices serve a resource": (
        [a_node("n1"), a_node("n2")],
        [SERVING, a_slice("n2", "d", "e"), a_pod("p", **wanting(gpu="2"))],
    ),
    "devices serve a resource of their class": (
        [a_node("n1"), a_node("n2")],
        [GPUS, a_slice("n2", "d", "e"), a_pod("p", **wanting(implicit="1")), a_pod("q", **wanting(implicit="2"))],
    ),
    "devices serve a resource and a claim": (
        [a_node("n1")],
        [SERVING, a_slice("n1", "d", "e"), wish("c"), a_pod("p", **wanting(gpu="1"), **using("c"))],
    ),
    "devices serve one of two resources": (
        [a_node("n1")],
        [
            SERVING,
            a_slice("n1", "d", "e"),
            a_pod("p", container={"resources": {"limits": {"a.b/c": "1", "example.com/gpu": "1"}}}),
        ],
    ),
    "gates": ([a_node("n1")], [a_pod("p", schedulingGates=[{"name": "example.com/wait"}])]),
    "room is made": ([a_node("n1", cpu="1")], [a_pod("p", cpu="1"), a_pod("q", cpu="1", priorityClassName="high")]),
    "room is made on the better node": (
        [a_node("n1", cpu="1"), a_node("n2", cpu="1"), a_node("n3", cpu="500m")],
        [
            a_pod("p", cpu="1", affinity=named("n1"), priorityClassName="low"),
            a_pod("q", cpu="1", affinity=named("n2")),
            a_pod("r", cpu="1", priorityClassName="high"),
        ],
    ),
    "no room is made": (
        [a_node("n1", cpu="1")],
        [a_pod("p", cpu="1"), a_pod("q", cpu="1", priorityClassName="patient")],
    ),
    "no such claim": ([a_node("n1")], [a_pod("p", **claiming("nothing"))]),
    "nobody is less important": ([a_node("n1", cpu="1")], [a_pod("p", cpu="1"), a_pod("q", cpu="1")]),
}
KINDS = {
    kind.kind: kind
    for kind in (pod.KIND, persistentvolumeclaim.KIND, resourceclaim.KIND, resourceslice.KIND, deviceclass.KIND)
}
CLASSES = [("low", 10, "PreemptLowerPriority"), ("high", 1000, "PreemptLowerPriority"), ("patient", 1000, "Never")]
PLUGINS = "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition"


def _given(claim: dict) -> tuple[Any, ...]:
    """What a ResourceClaim asks for and got, and who keeps it."""
    status = claim.get("status") or {}
    allocation = {k: v for k, v in (status.get("allocation") or {}).items() if k != "allocationTimestamp"}
    users = [one["name"] for one in status.get("reservedFor") or ()]
    return repr(claim["spec"]), repr(allocation), repr(users), repr(claim["metadata"].get("finalizers"))


class Sandbox:
    """An API server and one scheduler."""

    def __init__(self, client: Any) -> None:
        self.client = client

    async def play(self, nodes: list[dict], objects: list[dict]) -> list[Any]:
        """What is told in one situation; leaves nothing behind."""
        for each in nodes:
            await self.client.create(node.KIND, each)
        told_before: Any = node.KIND
        for each in objects:
            kind = KINDS[each["kind"]]
            if kind is pod.KIND and told_before is not pod.KIND:
                await asyncio.sleep(SETTLE)  # the scheduler looks at copies
            told_before = kind
            await self.client.create(kind, each, namespace=NAMESPACE if kind.namespaced else "")
            if kind is pod.KIND:
                await self._judged(each["metadata"]["name"])
        told = await self._told()
        await self._clean()
        return told

    async def _judged(self, name: str) -> None:
        for _ in range(LOOKS):
            found = await self.client.get(pod.KIND, name, NAMESPACE)
            if found.get("status", {}).get("conditions") or found["spec"].get("nodeName"):
                break
            await asyncio.sleep(PAUSE)
        await asyncio.sleep(SETTLE)

    async def _told(self) -> list[Any]:
        told: set[Any] = set()
        pods = (await self.client.list(pod.KIND, NAMESPACE)).items
        uids = {each["metadata"]["uid"]: each["metadata"]["name"] for each in pods}
        for each in sorted(pods, key=lambda p: p["metadata"]["name"]):
            status = each.get("status") or {}
            fields = ("type", "status", "reason", "message", "observedGeneration")
            conditions = tuple(tuple(c.get(f) for f in fields) for c in status.get("conditions") or ())
            where = each["spec"].get("nodeName"), status.get("nominatedNodeName")
            told.add((each["metadata"]["name"], "deletionTimestamp" in each["metadata"], where, conditions))
            served = status.get("extendedResourceClaimStatus") or {}
            told.add((each["metadata"]["name"], json.dumps(served.get("requestMappings"), sort_keys=True)))
        for each in (await self.client.list(resourceclaim.KIND, NAMESPACE)).items:
            told.add((each["metadata"].get("generateName") or each["metadata"]["name"], *_given(each)))
        for each in (await self.client.list(event.KIND, NAMESPACE)).items:
            message = each["message"]
            for uid, name in uids.items():
                message = message.replace(uid, f"the uid of {name}")
            told.add((each["involvedObject"]["name"], each["type"], each["reason"], message))
        return sorted(told, key=repr)

    async def _clean(self) -> None:
        """Pods that wait go first, so that none of them finds room for a moment."""
        for kind in (*KINDS.values(), event.KIND, node.KIND):
            where = NAMESPACE if kind.namespaced else ""
            found = (await self.client.list(kind, where)).items
            for each in sorted(found, key=lambda o: bool((o.get("spec") or {}).get("nodeName"))):
                with contextlib.suppress(StatusError):  # a victim may have gone by itself
                    if each["metadata"].get("finalizers"):
                        about = {**each["metadata"], "finalizers": []}
                        await self.client.update(kind, {**each, "metadata": about})
                    await self.client.delete(kind, each["metadata"]["name"], where, grace_seconds=0)
        await asyncio.sleep(SETTLE)


def ours(path: Path) -> list[str]:
    return [sys.executable, "-m", "umiak.cli.main", "scheduler", f"--kubeconfig={path}"]


def original(path: Path) -> list[str]:
    return reference.scheduler(path, "application/json")


@contextlib.asynccontextmanager
async def running(log: Path, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program with its output read line by line; ended when left."""
    with log.open("w") as errors:
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=errors)
    try:
        yield process
    finally:
        process.terminate()
        await process.communicate()


@contextlib.asynccontextmanager
async def sandbox(folder: Path, command: Callable[[Path], list[str]]) -> AsyncIterator[Sandbox]:
    words = [sys.executable, "-m", "umiak.cli.main", "server", f"--data-dir={folder}", "--port=0", PLUGINS]
    async with running(folder.with_suffix(".server"), *words) as server:
        assert server.stdout is not None
        assert b"ready" in await server.stdout.readline()
        path = folder / "admin.kubeconfig"
        client = ApiClient(HttpTransport(kubeconfig.load(str(path)), "test"))
        for name, value, policy in CLASSES:
            about = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}}
            await client.create(priorityclass.KIND, {**about, "value": value, "preemptionPolicy": policy})
        async with running(folder.with_suffix(".scheduler"), *command(path)):
            yield Sandbox(client)


async def played(where: Sandbox, names: Iterable[str]) -> dict[str, list[Any]]:
    return {name: await where.play(*SITUATIONS[name]) for name in names}


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    try:
        reference.program("kube-scheduler")
    except reference.Missing as error:
        pytest.skip(str(error))
    folders = [tmp_path_factory.mktemp(name) for name in ("original", "ours")]

    async def play() -> Any:
        """What differs is played again: it may be that somebody was slow, and had not told everything yet."""
        told: Any = ({}, {})
        async with sandbox(folders[0], original) as theirs, sandbox(folders[1], ours) as our:
            for _ in range(TRIES):
                left = [name for name in SITUATIONS if name not in told[0] or told[0][name] != told[1][name]]
                for found, more in zip(
                    told, await asyncio.gather(played(theirs, left), played(our, left)), strict=True
                ):
                    found.update(more)
        return told

    return asyncio.run(play())


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_same_is_told(both, situation):
    theirs, our = both
    assert our[situation] == theirs[situation]

"""The agent put together, with a runtime and an API in memory."""

import asyncio
import random

import pytest

from umiak.api.coordination.lease import KIND as LEASE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.pod import KIND as POD
from umiak.node.agent import Agent, Settings
from umiak.node.localpaths import DELETE_ON, FINALIZER
from umiak.node.runtime import Condition
from umiak.testing.clock import VirtualClock
from umiak.testing.fake_runtime import FakeRuntime
from umiak.testing.fakeapi import FakeApi


class Api(FakeApi):
    """Here all pods are on our node, so that the selector which the fake does not know matters not."""

    async def raw_list(self, kind, namespace="", **options):
        wanted = {**options, "fields": ""} if kind is POD else options
        return await super().raw_list(kind, namespace, **wanted)


class House:
    def __init__(self, tmp_path):
        self.clock = VirtualClock()
        self.api, self.runtime = Api(self.clock), FakeRuntime(self.clock)
        self.folder = tmp_path
        for name in ("root", "cgroup", "manifests", "volumes"):
            (tmp_path / name).mkdir()
        self.agent = None
        self.task = None

    async def start(self):
        settings = Settings(
            name="n1",
            root=self.folder / "root",
            logs=self.folder / "logs",
            addresses=("192.0.2.1",),
            manifests=self.folder / "manifests",
            local_path_root=str(self.folder / "volumes"),
            cgroup_mount=self.folder / "cgroup",
        )
        self.agent = Agent(settings, self.api, self.runtime, self.clock, random.Random(1))
        self.task = asyncio.create_task(self.agent.run())
        await self.settled()

    async def stop(self):
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)

    async def settled(self, seconds=0.0):
        await self.clock.advance(seconds)
        for _ in range(15):
            await asyncio.sleep(0.002)
            await self.clock.advance(0.02)

    async def create(self, name):
        main = {"name": "main", "image": "busybox:1"}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "d"},
            "spec": {"nodeName": "n1", "restartPolicy": "Always", "containers": [main]},
        }
        await self.api.create(POD, pod)
        await self.settled()

    async def phases(self):
        return {p["metadata"]["name"]: p.get("status", {}).get("phase") for p in (await self.api.list(POD)).items}


@pytest.fixture
async def house(tmp_path, no_threads):
    found = House(tmp_path)
    yield found
    await found.stop()


async def test_registers_and_holds_its_lease(house):
    await house.start()
    node = await house.api.get(NODE, "n1")
    ready = next(c for c in node["status"]["conditions"] if c["type"] == "Ready")
    assert ready["status"] == "True"
    assert node["status"]["addresses"][0] == {"type": "InternalIP", "address": "192.0.2.1"}
    assert node["metadata"]["labels"]["kubernetes.io/os"] == "linux"
    first = (await house.api.get(LEASE, "n1", "kube-node-lease"))["spec"]["renewTime"]
    await house.settled(10)
    assert (await house.api.get(LEASE, "n1", "kube-node-lease"))["spec"]["renewTime"] > first


async def test_not_ready_while_the_network_is_not(house):
    broken = Condition("NetworkReady", False, "NetworkPluginNotReady", "no config")
    house.runtime.health_conditions = (Condition("RuntimeReady", True), broken)
    await house.start()
    await house.create("p")
    node = await house.api.get(NODE, "n1")
    assert next(c for c in node["status"]["conditions"] if c["type"] == "Ready")["reason"] == "KubeletNotReady"
    assert await house.phases() == {"p": "Pending"}
    house.runtime.health_conditions = (Condition("RuntimeReady", True), Condition("NetworkReady", True))
    await house.settled(1)
    await house.settled()
    assert await house.phases() == {"p": "Running"}


async def test_pods_come_and_go(house):
    await house.start()
    await house.create("a")
    await house.create("b")
    assert await house.phases() == {"a": "Running", "b": "Running"}
    await house.api.delete(POD, "a", "d")
    await house.settled()
    assert await house.phases() == {"b": "Running"}
    assert len(await house.runtime.sandboxes()) == 1 and len(house.agent.workers) == 1


async def test_a_crash_is_noticed_by_the_runtimes_event(house):
    await house.start()
    await house.create("p")
    house.runtime.exit(house.runtime.running("main"), 1)
    await house.settled()
    assert house.runtime.running("main")


async def test_restart_keeps_ours_and_ends_strangers(house):
    await house.start()
    await house.create("stays")
    await house.create("goes")
    await house.stop()
    await house.api.delete(POD, "goes", "d", grace_seconds=0)
    before = {s.name: s.id for s in await house.runtime.sandboxes()}
    await house.start()
    await house.settled(1)
    after = {s.name: s.id for s in await house.runtime.sandboxes()}
    assert after == {"stays": before["stays"]}


async def test_static_pod_and_its_mirror(house):
    path = house.folder / "manifests/web.yaml"
    path.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: busybox:1}]}\n"
    )
    await house.start()
    await house.settled()
    assert await house.phases() == {"web-n1": "Running"}
    assert house.runtime.running("c")
    path.unlink()
    await house.settled(25)
    await house.settled()
    assert await house.phases() == {} and await house.runtime.sandboxes() == []


async def test_refused_pod_fails(house):
    await house.start()
    main = {"name": "main", "image": "busybox:1", "resources": {"requests": {"cpu": "10k"}}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "d"},
        "spec": {"nodeName": "n1", "containers": [main]},
    }
    await house.api.create(POD, pod)
    await house.settled()
    status = (await house.api.get(POD, "p", "d"))["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "OutOfcpu")
    assert await house.runtime.sandboxes() == []


async def test_folder_of_a_deleted_local_volume_goes(house):
    folder = house.folder / "volumes/pvc-1"
    folder.mkdir()
    (folder / "data").write_text("x")
    about = {"name": "pvc-1", "annotations": {DELETE_ON: "n1"}, "finalizers": [FINALIZER]}
    await house.api.create(
        VOLUME,
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": about,
            "spec": {"hostPath": {"path": str(folder)}},
        },
    )
    await house.start()
    assert folder.exists()
    await house.api.delete(VOLUME, "pvc-1")
    await house.settled()
    assert not folder.exists()
    assert (await house.api.list(VOLUME)).items == []

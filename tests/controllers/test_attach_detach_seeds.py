"""Volumes for one node at a time stay that, whatever happens: seeded histories of pods, nodes, drivers and failures.

Nodes and drivers are played by hand: a node says that it uses a volume once it was told that it is attached and has a
pod for it, and lets go once no pod is left; a driver attaches, and ends a detachment, when chance lets it. Writes
fail now and then, and the controller is started anew. After every act the invariants must hold.
"""

import random
from contextlib import AsyncExitStack

import pytest

from umiak.api.core.node import KIND as NODE
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.persistentvolumeclaim import KIND as CLAIM
from umiak.api.core.pod import KIND as POD
from umiak.api.kind import Kind
from umiak.api.storage.volumeattachment import KIND as ATTACHMENT
from umiak.controllers._attachable import csi_name
from umiak.controllers.attach_detach import CONTROLLER, MANAGED
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.testing.fakeapi import FakeApi
from umiak.testing.workbench import Workbench

NODES = ("one", "two", "three")
VOLUMES = ("a", "b")
ATTACHER = "external-attacher/d.example.com"
SEEDS, ACTS = 40, 60


class History:
    """One cluster, moved on by chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.bench = Workbench.fake()
        self.failing = 0.1
        self.count = 0
        assert isinstance(self.bench.client, FakeApi)
        self.bench.client.refuse = self.refuse

    def refuse(self, verb: str, kind: Kind, obj: Object) -> StatusError | None:
        """Fails writes of the controller; those of nodes, drivers and users are not its fault."""
        mine = (kind is ATTACHMENT and verb in ("create", "delete")) or (kind is NODE and verb == "patch")
        if mine and self.chance.random() < self.failing:
            return StatusError(503, "ServiceUnavailable", "try again")
        return None

    async def prepare(self) -> None:
        for name in NODES:
            await self.bench.create(NODE, {"metadata": {"name": name, "annotations": {MANAGED: "true"}}, "spec": {}})
            await self.set_node(name, ready=True)
        for name in VOLUMES:
            about = {"name": name, "namespace": "default"}
            claim = {"metadata": about, "spec": {"volumeName": name}}
            made = await self.bench.create(CLAIM, claim, status={"phase": "Bound"})
            spec = {
                "accessModes": ["ReadWriteOnce"],
                "csi": {"driver": "d.example.com", "volumeHandle": name},
                "claimRef": {"namespace": "default", "name": name, "uid": meta.uid(made)},
            }
            await self.bench.create(VOLUME, {"metadata": {"name": name}, "spec": spec})

    # what others do

    async def set_node(self, name: str, *, ready: bool) -> None:
        node = await self.bench.client.get(NODE, name)
        status = {**(node.get("status") or {}), "conditions": [{"type": "Ready", "status": str(ready)}]}
        await self.bench.client.update(NODE, {**node, "status": status}, subresource="status")

    async def start_pod(self) -> None:
        self.count += 1
        node, volume = self.chance.choice(NODES), self.chance.choice(VOLUMES)
        source = {"name": "v", "persistentVolumeClaim": {"claimName": volume}}
        spec = {"nodeName": node, "containers": [], "volumes": [source]}
        await self.bench.create(POD, {"metadata": {"name": f"p{self.count}", "namespace": "default"}, "spec": spec})

    async def end_pod(self) -> None:
        names = await self.bench.names(POD)
        if names:
            await self.bench.client.delete(POD, self.chance.choice(names), "default", grace_seconds=0)

    async def turn_node(self) -> None:
        await self.set_node(self.chance.choice(NODES), ready=self.chance.random() < 0.6)

    async def report_use(self) -> None:
        """Every node that is well says what it uses."""
        for node in await self.bench.list(NODE):
            status = node["status"]
            if status["conditions"][0]["status"] != "True":
                continue
            told = {v["name"] for v in status.get("volumesAttached") or ()}
            using = set(status.get("volumesInUse") or ())
            wanted = {csi_name("d.example.com", v) for v in await self.wanted(meta.name(node))}
            status["volumesInUse"] = sorted((using | told) & wanted)
            await self.bench.client.update(NODE, node, subresource="status")

    async def wanted(self, node: str) -> set[str]:
        pods = [p for p in await self.bench.list(POD) if p["spec"]["nodeName"] == node]
        return {p["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] for p in pods}

    async def drive(self, often: float = 0.5) -> None:
        """The driver attaches and detaches, some of what there is to do."""
        for attachment in await self.bench.list(ATTACHMENT):
            if self.chance.random() > often:
                continue
            finalizers = attachment["metadata"].get("finalizers") or []
            if meta.is_being_deleted(attachment):
                attachment["metadata"]["finalizers"] = []
                await self.bench.client.update(ATTACHMENT, attachment)
            elif not finalizers:
                attachment["metadata"]["finalizers"] = [ATTACHER]
                made = await self.bench.client.update(ATTACHMENT, attachment)
                await self.bench.client.update(ATTACHMENT, {**made, "status": {"attached": True}}, subresource="status")

    # what must hold

    async def check(self) -> None:
        attachments = await self.bench.list(ATTACHMENT)
        for volume in VOLUMES:
            holders = [a for a in attachments if a["spec"]["source"]["persistentVolumeName"] == volume]
            assert len(holders) <= 1, f"{volume} is attached, or being attached, twice"
        told = {meta.name(n): n["status"].get("volumesAttached") or [] for n in await self.bench.list(NODE)}
        names = [v["name"] for listed in told.values() for v in listed]
        assert len(names) == len(set(names)), f"two nodes are told of one volume: {told}"

    async def check_end(self) -> None:
        """Once everybody works: a volume is where a pod wants it, and nowhere else."""
        for volume in VOLUMES:
            wishes = [n for n in NODES if volume in await self.wanted(n)]
            holders = [
                a["spec"]["nodeName"]
                for a in await self.bench.list(ATTACHMENT)
                if a["spec"]["source"]["persistentVolumeName"] == volume
            ]
            assert len(holders) == min(1, len(wishes)), (volume, wishes, holders)
            assert set(holders) <= set(wishes), (volume, wishes, holders)
            for holder in holders:
                told = (await self.bench.client.get(NODE, holder))["status"].get("volumesAttached") or ()
                assert csi_name("d.example.com", volume) in {v["name"] for v in told}

    async def run(self) -> None:
        acts = [
            self.start_pod,
            self.end_pod,
            self.end_pod,
            self.turn_node,
            self.report_use,
            self.report_use,
            self.drive,
        ]
        left = ACTS
        while left:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self.bench.running(CONTROLLER))
                for _ in range(min(left, self.chance.randrange(5, 25))):
                    await self.chance.choice(acts)()
                    await self.bench.clock.advance(self.chance.choice([0, 1, 30, 200]))
                    await self.check()
                    left -= 1
        self.failing = 0.0
        async with self.bench.running(CONTROLLER):
            for node in NODES:
                await self.set_node(node, ready=True)
            for _ in range(12):
                await self.report_use()
                await self.drive(often=1.0)
                await self.bench.clock.advance(20)
                await self.check()
            await self.check_end()


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_one_node_at_a_time(seed: int) -> None:
    history = History(seed)
    await history.prepare()
    await history.run()

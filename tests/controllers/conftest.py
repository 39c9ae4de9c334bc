"""A cluster in miniature for controllers of pods: fake API, virtual clock, and a kubelet turned by hand."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from umiak.api.core import event, node, pod
from umiak.api.kind import Kind
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.clock import VirtualClock
from umiak.testing.fakeapi import FakeApi, merge
from umiak.testing.workbench import Workbench


class World(Workbench):
    """Notes every write, fills in defaults, and moves pods along when told to."""

    client: FakeApi

    def __init__(self) -> None:
        clock = VirtualClock()
        super().__init__(FakeApi(clock), clock)
        self.calls: list[tuple[str, str]] = []
        """Verb and kind of each write, events apart."""
        self._told: list[str] = []
        self.refuse: Callable[[str, Kind, Object], Any] = lambda verb, kind, obj: None
        self.client.refuse = self._note

    def _note(self, verb: str, kind: Kind, obj: Object) -> Any:
        if kind is event.KIND:
            self._told.append(f"{obj.get('reason')}: {obj.get('message')}")
            return None
        self.calls.append((verb, kind.kind))
        return self.refuse(verb, kind, obj)

    async def make(self, kind: Kind, obj: Object) -> Object:
        """Creates with the kind's defaults."""
        obj = deepcopy(obj)
        kind.default(obj)
        return await self.create(kind, obj)

    async def get(self, kind: Kind, name: str) -> Object:
        return await self.client.get(kind, name, "default" if kind.namespaced else "")

    async def change(self, kind: Kind, name: str, patch: Object) -> Object:
        """Merges a change in, with what the kind makes of it."""
        old = await self.get(kind, name)
        wanted = merge(deepcopy(old), patch)
        kind.default(wanted)
        kind.prepare_update(wanted, old)
        made = await self.client.update(kind, wanted)
        await self.clock.advance(0)
        return made

    async def told(self) -> list[str]:
        """ "Reason: message" of every event written; they are named by the time, which stands still here."""
        await self.clock.advance(2)
        return list(self._told)

    async def add_node(self, name: str, **spec: Any) -> None:
        labels = {"kubernetes.io/hostname": name}
        await self.create(node.KIND, {"metadata": {"name": name, "labels": labels}, "spec": spec})

    async def pods(self) -> list[Object]:
        return await self.list(pod.KIND)

    async def set_pod(self, name: str, phase: str, *, ready: bool = False, on: str = "", **status: Any) -> None:
        """Reports a pod's state, and puts it on a node if it is on none."""
        fresh = await self.get(pod.KIND, name)
        if not fresh["spec"].get("nodeName"):
            fresh["spec"]["nodeName"] = on or "one"
            fresh = await self.client.update(pod.KIND, fresh)
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        condition["lastTransitionTime"] = meta.format_time(self.clock.now())
        report = {"phase": phase, "conditions": [condition], "podIP": "10.0.0.1", **status}
        await self.client.update(pod.KIND, {**fresh, "status": report}, subresource="status")
        await self.clock.advance(0)

    async def run_pods(self) -> None:
        """What healthy nodes do: ends pods that are being deleted, makes all others ready."""
        for name in await self.names(pod.KIND):
            found = await self.find(pod.KIND, name, "default")
            if found is None:
                continue
            if meta.is_being_deleted(found):
                await self.end_pod(name)
            elif (found.get("status") or {}).get("phase") not in ("Running", "Succeeded", "Failed"):
                await self.set_pod(name, "Running", ready=True)
        await self.clock.advance(0)

    async def end_pod(self, name: str) -> None:
        await self.client.delete(pod.KIND, name, "default", grace_seconds=0)
        await self.clock.advance(0)


@pytest.fixture
async def world() -> World:
    return World()

"""Nodes and pods for scheduler tests, told in few words."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from umiak.reconcile import context
from umiak.reconcile.cache import Tables
from umiak.scheduler.census import Census
from umiak.scheduler.contract import Cycle
from umiak.scheduler.decide import Decider, Placement, Refusal
from umiak.scheduler.loop import _READ, Scheduler
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView, view
from umiak.scheduler.profile import default_plugins
from umiak.testing.clock import NOON, VirtualClock
from umiak.testing.fakeapi import FakeApi
from umiak.testing.workbench import Workbench


def a_node(name: str, *, cpu="4", memory="8Gi", pods="110", labels=None, taints=(), unschedulable=False) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": list(taints), "unschedulable": unschedulable},
        "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": pods}},
    }


def a_pod(name: str, *, cpu="", memory="", labels=None, node="", priority=0, namespace="default", **spec: Any) -> dict:
    requests = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v}
    container = {"name": "c", "image": "i", "resources": {"requests": requests}, **spec.pop("container", {})}
    wanted = {"containers": [container], "priority": priority, "schedulerName": "default-scheduler", **spec}
    if node:
        wanted["nodeName"] = node
    about = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": wanted}


class World:
    """Nodes with the pods on them, and a decider with every plugin."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeView] = {}
        self.census = Census()
        self.tables = Tables()
        for kind in _READ:
            self.tables.ensure(kind)
        self.plugins = default_plugins()
        self.decider = Decider(self.plugins, random.Random(1))

    def add_nodes(self, *nodes: dict) -> None:
        for node in nodes:
            found = self.nodes.setdefault(node["metadata"]["name"], NodeView(node["metadata"]["name"]))
            if not found.exists:
                found.census = self.census
                self.census.forget()
            found.describe(node)

    def add_pods(self, *pods: dict) -> None:
        for pod in pods:
            self.nodes[pod["spec"]["nodeName"]].add(view(pod))

    def cycle(self, pod: dict | PodView, census: Census | None = None) -> Cycle:
        wanted = pod if isinstance(pod, PodView) else view(pod)
        return Cycle(wanted, self.nodes, self.tables, NOON, census=census or self.census)

    def decide(self, pod: dict) -> Placement | Refusal:
        return self.decider.decide(self.cycle(pod))

    def feasible(self, pod: dict) -> list[str]:
        found = self.decide(pod)
        return sorted(found.feasible) if isinstance(found, Placement) else []

    def why_not(self, pod: dict) -> str:
        found = self.decide(pod)
        return found.reasons() if isinstance(found, Refusal) else ""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def node_of():
    return a_node


@pytest.fixture
def pod_of():
    return a_pod


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def cluster(clock) -> Workbench:
    return Workbench(FakeApi(clock), clock)


@asynccontextmanager
async def running(cluster: Workbench, profiles=None, extenders=()) -> AsyncIterator[Scheduler]:
    """The scheduler at work on the cluster's API."""
    runtime = context.build(cluster.client, clock=cluster.clock, chance=random.Random(1))
    scheduler = Scheduler(runtime, profiles=profiles, extenders=extenders)

    async def everything() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(runtime.recorder.run())
            tasks.create_task(scheduler.run())

    task = asyncio.create_task(everything())
    try:
        await cluster.clock.advance(0)
        yield scheduler
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def scheduling():
    return running

"""The Node object: made when missing, kept true, with a lease renewed every ten seconds."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from umiak.api.coordination.lease import KIND as LEASE
from umiak.api.core.node import KIND as NODE
from umiak.client.contract import Client, Unreachable
from umiak.kit.clock import Clock
from umiak.node import facts
from umiak.node.runtime import Health, Image
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object
from umiak.reconcile.contract import Recorder

log = logging.getLogger(__name__)
LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS, RENEW_EVERY = 40, 10.0
LOOK_EVERY, REPORT_EVERY = 10.0, 300.0
MAX_IMAGES, MAX_NAMES = 50, 5
TRY_AGAIN = 0.5
READY = "kubelet is posting ready status"

DECLARED = ("RestartAllContainersOnContainerExits",)
"""Features that the scheduler places pods by (KEP-5328)."""

Fact = tuple[str, bool, str, str]


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """How the node presents itself."""

    name: str
    addresses: Sequence[str]
    port: int = 10250
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    taints: Sequence[Object] = ()
    capacity: Mapping[str, str] = msgspec.field(default_factory=dict)
    allocatable: Mapping[str, str] = msgspec.field(default_factory=dict)
    info: Mapping[str, str] = msgspec.field(default_factory=dict)


class Pressure(msgspec.Struct, frozen=True):
    """What is short on the machine."""

    memory: bool = False
    disk: bool = False
    pids: bool = False


def version(obj: Object) -> int:
    text = meta.resource_version(obj)
    return int(text) if text.isdecimal() else 0


def default_labels(name: str) -> dict[str, str]:
    arch = facts.architecture()
    return {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": arch,
    }


def new_node(who: Identity) -> Object:
    spec = {"taints": [dict(t) for t in who.taints]} if who.taints else {}
    annotations = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
    labels = {**default_labels(who.name), **who.labels}
    about = {"name": who.name, "labels": labels, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Node", "metadata": about, "spec": spec}


def ready_problem(health: Health | None) -> str:
    """Why the node is not ready, in kubelet's words; empty when it is."""
    if health is None:
        return "container runtime is down"
    runtime, network = health.problem("RuntimeReady"), health.problem("NetworkReady")
    problems = [f"container runtime not ready: {runtime}"] if runtime else []
    problems += [f"container runtime network not ready: {network}"] if network else []
    return problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]" if problems else ""


def conditions(before: Sequence[Object], health: Health | None, pressure: Pressure, now: datetime) -> list[Object]:
    """All four; the time of the last change stays while nothing changes."""
    problem = ready_problem(health)
    found: list[Fact] = [
        (
            "MemoryPressure",
            pressure.memory,
            *_words(pressure.memory, "InsufficientMemory", "SufficientMemory", "memory"),
        ),
        ("DiskPressure", pressure.disk, *_disk_words(pressure.disk)),
        ("PIDPressure", pressure.pids, *_words(pressure.pids, "InsufficientPID", "SufficientPID", "PID")),
        ("Ready", not problem, "KubeletNotReady" if problem else "KubeletReady", problem or READY),
    ]
    known = {c["type"]: c for c in before}
    return [_condition(fact, known.get(fact[0]), now) for fact in found]


def _words(short: bool, bad: str, good: str, what: str) -> tuple[str, str]:
    if short:
        return f"KubeletHas{bad}", f"kubelet has insufficient {what} available"
    return f"KubeletHas{good}", f"kubelet has sufficient {what} available"


def _disk_words(short: bool) -> tuple[str, str]:
    if short:
        return "KubeletHasDiskPressure", "kubelet has disk pressure"
    return "KubeletHasNoDiskPressure", "kubelet has no disk pressure"


def _condition(fact: Fact, before: Object | None, now: datetime) -> Object:
    type, holds, reason, message = fact
    status, time = ("True" if holds else "False"), meta.format_time(now)
    same = before is not None and before.get("status") == status
    return {
        "type": type,
        "status": status,
        "lastHeartbeatTime": time,
        "lastTransitionTime": before["lastTransitionTime"] if same and before else time,
        "reason": reason,
        "message": message,
    }


def images_shown(images: Sequence[Image]) -> list[Object]:
    """The fifty largest, each with at most five names."""
    largest = sorted(images, key=lambda i: -i.size)[:MAX_IMAGES]
    return [{"names": [*i.digests, *i.tags][:MAX_NAMES], "sizeBytes": i.size} for i in largest]


def wanted_status(
    who: Identity, before: Object, health: Health | None, pressure: Pressure, images: Sequence[Image], now: datetime
) -> Object:
    hostname = who.labels.get("kubernetes.io/hostname", who.name)
    addresses = [{"type": "InternalIP", "address": a} for a in who.addresses]
    status: Object = {
        "capacity": dict(who.capacity),
        "allocatable": dict(who.allocatable),
        "conditions": conditions(before.get("conditions") or [], health, pressure, now),
        "addresses": [*addresses, {"type": "Hostname", "address": hostname}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": who.port}},
        "nodeInfo": dict(who.info),
        "images": images_shown(images),
        "declaredFeatures": list(DECLARED),
    }
    if health is not None and health.handlers:
        status["runtimeHandlers"] = [{"name": h} for h in health.handlers]
    return status


def differs(before: Object, after: Object) -> bool:
    """Whether anything but the heartbeat has changed."""

    def essence(status: Object) -> Object:
        stable = [{k: v for k, v in c.items() if k != "lastHeartbeatTime"} for c in status.get("conditions") or ()]
        mine = {c["type"] for c in after["conditions"]}
        return {
            **{k: status.get(k) for k in after if k != "conditions"},
            "conditions": sorted((c for c in stable if c["type"] in mine), key=lambda c: c["type"]),
        }

    return essence(before) != essence(after)


def changes(before: Object, after: Object) -> Object:
    """What to patch: conditions always, for their heartbeat; addresses as a whole, as they would be merged by type."""
    found = {k: v for k, v in after.items() if before.get(k) != v}
    if "addresses" in found and before.get("addresses"):
        found["addresses"] = [{"$patch": "replace"}, *found["addresses"]]
    return found


class Registration:
    """Keeps the node's objects. `look` tells what is to be reported; `node` is the newest Node that was seen."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        events: Recorder,
        identity: Identity,
        look: Callable[[], tuple[Health | None, Pressure, Sequence[Image]]],
    ) -> None:
        self._client, self._clock, self._events = client, clock, events
        self._who = identity
        self._look = look
        self._changed = asyncio.Event()
        self._ready: bool | None = None
        self._reported_at = 0.0
        self.node: Object = {}

    def saw(self, node: Object) -> None:
        """Takes in what the API says of the Node."""
        if meta.uid(node) != meta.uid(self.node) or version(node) >= version(self.node):
            self.node = node

    def changed(self) -> None:
        """What `look` tells has changed: reports soon."""
        self._changed.set()

    async def register(self) -> None:
        """Makes the Node, or takes over the one that is there. Tries until it works."""
        while True:
            try:
                self.node = await self._make_or_take()
                return
            except (StatusError, Unreachable) as error:
                log.warning("cannot register node %s: %s", self._who.name, error)
                await self._clock.sleep(TRY_AGAIN)

    async def _make_or_take(self) -> Object:
        node = new_node(self._who)
        health, pressure, images = self._look()
        node["status"] = wanted_status(self._who, {}, health, pressure, images, self._clock.now())
        try:
            return await self._client.create(NODE, node)
        except StatusError as error:
            if error.code != 409:
                raise
        found = await self._client.get(NODE, self._who.name)
        wanted = node["metadata"]["labels"]
        if all(meta.labels(found).get(k) == v for k, v in wanted.items()):
            return found
        return await self._client.patch(NODE, self._who.name, "", {"metadata": {"labels": wanted}}, type="strategic")

    async def report(self) -> None:
        """Until cancelled: a status when something changed, and every five minutes."""
        while True:
            self._changed.clear()
            try:
                await self._report_once()
            except StatusError as error:
                log.warning("cannot report node status: %s", error)
                if error.code == 404:
                    await self.register()
            except Unreachable as error:
                log.warning("cannot report node status: %s", error)
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _report_once(self) -> None:
        health, pressure, images = self._look()
        before = self.node.get("status") or {}
        status = wanted_status(self._who, before, health, pressure, images, self._clock.now())
        now = self._clock.monotonic()
        if not differs(before, status) and now - self._reported_at < REPORT_EVERY and self._reported_at:
            return
        body = {"status": changes(before, status)}
        self.node = await self._client.patch(NODE, self._who.name, "", body, type="strategic", subresource="status")
        self._reported_at = now
        self._tell_readiness(not ready_problem(health))

    def _tell_readiness(self, ready: bool) -> None:
        if ready == self._ready:
            return
        self._ready = ready
        state = "NodeReady" if ready else "NodeNotReady"
        about = {"kind": "Node", "name": self._who.name, "uid": self._who.name, "apiVersion": "v1"}
        self._events.event(about, "Normal", state, f"Node {self._who.name} status is now: {state}")

    async def hold_lease(self) -> None:
        """Until cancelled: renews the lease that tells the control plane that we live."""
        known: Object | None = None
        while True:
            try:
                known = await self._renew(known)
                await self._clock.sleep(RENEW_EVERY)
            except (StatusError, Unreachable) as error:
                log.warning("cannot renew the node's lease: %s", error)
                known = None
                await self._clock.sleep(TRY_AGAIN)

    async def _renew(self, known: Object | None) -> Object:
        time = meta.format_micro_time(self._clock.now())
        if known is None:
            try:
                known = await self._client.get(LEASE, self._who.name, LEASE_NAMESPACE)
            except StatusError as error:
                if error.code != 404:
                    raise
                return await self._client.create(LEASE, self._lease(time))
        spec = {**(known.get("spec") or {}), "renewTime": time, "holderIdentity": self._who.name}
        return await self._client.update(LEASE, {**known, "spec": {"leaseDurationSeconds": LEASE_SECONDS, **spec}})

    def _lease(self, time: str) -> Object:
        about: dict[str, Any] = {"name": self._who.name, "namespace": LEASE_NAMESPACE}
        if meta.uid(self.node):
            owner = {"apiVersion": "v1", "kind": "Node", "name": self._who.name, "uid": meta.uid(self.node)}
            about["ownerReferences"] = [owner]
        spec = {"holderIdentity": self._who.name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": time}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": about, "spec": spec}

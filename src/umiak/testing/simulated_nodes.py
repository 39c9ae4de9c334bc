"""Nodes that are not there: they register, renew their leases, and say that pods run, without running anything.

For `umiak dev` and load tests. All of them together are one controller of pods and one loop, so that thousands are
cheap. A pod's annotations tell how it fares, when it may end at all (restartPolicy Never or OnFailure):
`umiak.dev/run-seconds` (default 1, `never` to keep it running) and `umiak.dev/exit-code` (default 0).
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address

import msgspec

from umiak.api.coordination.lease import KIND as LEASE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.persistentvolume import KIND as VOLUME
from umiak.api.core.pod import KIND as POD
from umiak.client.contract import Preconditions, Unreachable
from umiak.controllers.local_path import DELETE_ON, FINALIZER
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Loop, Outcome, RetryAfter

RUN_SECONDS = "umiak.dev/run-seconds"
EXIT_CODE = "umiak.dev/exit-code"
LEASES = "kube-node-lease"
LEASE_SECONDS = 40
AT_ONCE = 64
VERSION = "v1.37.1"
log = logging.getLogger(__name__)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of machines to pretend. Times in seconds."""

    prefix: str = "node"
    count: int = 1
    cpu: str = "8"
    memory: str = "32Gi"
    pods: int = 110
    start_delay: float = 0.0
    """From being scheduled to Running."""
    ready_delay: float = 0.0
    """From Running to Ready."""
    stop_delay: float = 0.0
    """From being deleted to being gone."""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    zones: Sequence[str] = ()
    """Nodes are spread over these in turn."""

    def names(self) -> list[str]:
        return [f"{self.prefix}-{i}" for i in range(self.count)]

    @property
    def renew_every(self) -> float:
        """Ten seconds as for real nodes; for thousands longer, lest they keep the server busy with nothing else."""
        return min(30.0, max(10.0, self.count / 100))


# what a node says of itself


def node_address(index: int) -> str:
    return str(IPv4Address("10.192.0.1") + index)


def node(settings: Settings, index: int, now: datetime) -> Object:
    name = f"{settings.prefix}-{index}"
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    if settings.zones:
        labels["topology.kubernetes.io/zone"] = settings.zones[index % len(settings.zones)]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {**labels, **settings.labels}},
        "status": node_status(settings, index, now),
    }


def node_status(settings: Settings, index: int, now: datetime) -> Object:
    stamp = meta.format_time(now)
    amounts = {"cpu": settings.cpu, "memory": settings.memory, "pods": str(settings.pods), "ephemeral-storage": "100Gi"}
    fine = {"lastHeartbeatTime": stamp, "lastTransitionTime": stamp}
    return {
        "capacity": amounts,
        "allocatable": amounts,
        "addresses": [
            {"type": "InternalIP", "address": node_address(index)},
            {"type": "Hostname", "address": f"{settings.prefix}-{index}"},
        ],
        "conditions": [
            *(
                {"type": f"{what}Pressure", "status": "False", "reason": f"KubeletHas{word}", **fine}
                for what, word in (("Memory", "SufficientMemory"), ("Disk", "NoDiskPressure"), ("PID", "SufficientPID"))
            ),
            {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated", **fine},
        ],
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": "",
            "containerRuntimeVersion": "simulated://1",
            "kernelVersion": "simulated",
            "kubeProxyVersion": "",
            "kubeletVersion": VERSION,
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "simulated",
            "systemUUID": "",
        },
    }


def lease(name: str, owner: Object, now: datetime) -> Object:
    reference = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": meta.uid(owner)}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASES, "ownerReferences": [reference]},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": meta.format_micro_time(now),
        },
    }


# how a pod fares


class Step(msgspec.Struct, frozen=True):
    """What happens next to a pod, and when: start, ready, finish or remove."""

    what: str
    due: datetime


def _moment(text: str | None, otherwise: datetime) -> datetime:
    return meta.parse_time(text) if text else otherwise


def run_seconds(pod: Object) -> float | None:
    """How long a pod that may end runs; None: for ever."""
    if (pod["spec"].get("restartPolicy") or "Always") == "Always":
        return None
    text = meta.annotations(pod).get(RUN_SECONDS, "1")
    try:
        return float(text)
    except ValueError:
        return None


def exit_code(pod: Object) -> int:
    text = meta.annotations(pod).get(EXIT_CODE, "0")
    return int(text) if text.isdecimal() else 1


def next_step(pod: Object, settings: Settings, now: datetime) -> Step | None:
    """None when the pod rests."""
    status, about = pod.get("status") or {}, meta.metadata(pod)
    if about.get("deletionTimestamp"):
        grace = timedelta(seconds=about.get("deletionGracePeriodSeconds") or 0)
        asked = meta.parse_time(about["deletionTimestamp"]) - grace
        stop = asked + timedelta(seconds=settings.stop_delay)
        return Step("remove", min(stop, asked + grace) if grace else stop)
    phase = status.get("phase") or "Pending"
    if phase == "Pending":
        scheduled = _condition(pod, "PodScheduled").get("lastTransitionTime")
        since = _moment(scheduled or about.get("creationTimestamp"), now)
        return Step("start", since + timedelta(seconds=settings.start_delay))
    if phase != "Running":
        return None
    since = _moment(status.get("startTime"), now)
    ready = since + timedelta(seconds=settings.ready_delay)
    if _condition(pod, "ContainersReady").get("status") != "True":
        return Step("ready", ready)
    lasts = run_seconds(pod)
    return None if lasts is None else Step("finish", ready + timedelta(seconds=lasts))


def _condition(pod: Object, type: str) -> Object:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == type), {})


def with_conditions(pod: Object, values: dict[str, bool], now: datetime) -> list[Object]:
    """The pod's conditions with these set; times change only where the value does."""
    wanted = dict(values)
    gates = [g["conditionType"] for g in pod["spec"].get("readinessGates") or ()]
    if wanted.get("Ready") and any(_condition(pod, gate).get("status") != "True" for gate in gates):
        wanted["Ready"] = False
    found = []
    for type, value in wanted.items():
        text, old = str(value), _condition(pod, type)
        since = old.get("lastTransitionTime") if old.get("status") == text else meta.format_time(now)
        found.append({"type": type, "status": text, "lastProbeTime": None, "lastTransitionTime": since})
    others = (pod.get("status") or {}).get("conditions") or ()
    return [*found, *(c for c in others if c["type"] not in wanted)]


def container_statuses(pod: Object, field: str, state: Object, ready: bool, restarts: int = 0) -> list[Object]:
    identity = meta.uid(pod).replace("-", "")
    return [
        {
            "name": container["name"],
            "image": container.get("image", ""),
            "imageID": f"simulated://{container.get('image', '')}",
            "containerID": f"simulated://{identity}{number:04x}",
            "ready": ready,
            "started": ready,
            "restartCount": restarts,
            "state": state,
            "lastState": {},
        }
        for number, container in enumerate(pod["spec"].get(field) or ())
    ]


def started(pod: Object, address: str, host: str, settings: Settings, now: datetime) -> Object:
    """The status of a pod that just started."""
    stamp, ready = meta.format_time(now), settings.ready_delay <= 0
    own = host if pod["spec"].get("hostNetwork") else address
    facts = {"Initialized": True, "Ready": ready, "ContainersReady": ready}
    over = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": stamp, "finishedAt": stamp}}
    status = {
        **(pod.get("status") or {}),
        "phase": "Running",
        "conditions": with_conditions(pod, {"PodReadyToStartContainers": True, **facts}, now),
        "startTime": stamp,
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": own,
        "podIPs": [{"ip": own}],
        "containerStatuses": container_statuses(pod, "containers", {"running": {"startedAt": stamp}}, ready),
    }
    if pod["spec"].get("initContainers"):
        status["initContainerStatuses"] = container_statuses(pod, "initContainers", over, True)
    return status


def made_ready(pod: Object, now: datetime) -> Object:
    status = pod["status"]
    containers = [{**c, "ready": True, "started": True} for c in status.get("containerStatuses") or ()]
    conditions = with_conditions(pod, {"Ready": True, "ContainersReady": True}, now)
    return {**status, "conditions": conditions, "containerStatuses": containers}


def finished(pod: Object, code: int, now: datetime) -> Object:
    """The status once all containers have ended; where they are to be tried again, that they run once more."""
    status, stamp = pod["status"], meta.format_time(now)
    old = (status.get("containerStatuses") or [{}])[0]
    since = ((old.get("state") or {}).get("running") or {}).get("startedAt") or stamp
    over = {"exitCode": code, "reason": "Error" if code else "Completed", "startedAt": since, "finishedAt": stamp}
    if code and pod["spec"].get("restartPolicy") == "OnFailure":
        state, restarts = {"running": {"startedAt": stamp}}, (old.get("restartCount") or 0) + 1
        again = container_statuses(pod, "containers", state, True, restarts)
        return {
            **status,
            "startTime": stamp,
            "containerStatuses": [{**c, "lastState": {"terminated": over}} for c in again],
        }
    ended = container_statuses(pod, "containers", {"terminated": over}, False, old.get("restartCount") or 0)
    conditions = with_conditions(pod, {"Ready": False, "ContainersReady": False}, now)
    conditions = [{**c, "reason": "PodCompleted"} if c["status"] == "False" and not code else c for c in conditions]
    phase = "Failed" if code else "Succeeded"
    return {**status, "phase": phase, "conditions": conditions, "containerStatuses": ended}


# at work


class Nodes:
    """All simulated nodes of one cluster."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._index = {name: i for i, name in enumerate(settings.names())}
        self._addresses = 0

    def controllers(self) -> list[Controller | Loop]:
        """To be run with, or like, the others."""
        pods = Controller(
            name="simulated-pods", watches=POD, reconcile=self.reconcile, workers=AT_ONCE, component="kubelet"
        )
        volumes = Controller(name="simulated-volumes", watches=VOLUME, reconcile=self.release, component="kubelet")
        return [Loop(name="simulated-nodes", run=self.run), pods, volumes]

    async def reconcile(self, ctx: Context, key: Key) -> Outcome:
        pod = ctx.cache.get(POD, key)
        if pod is None or pod["spec"].get("nodeName") not in self._index:
            return DONE
        now = ctx.clock.now()
        step = next_step(pod, self.settings, now)
        if step is None:
            return DONE
        if step.due > now:
            return RetryAfter(step.due - now)
        try:
            await self._take(ctx, pod, step.what, now)
        except StatusError as error:
            if error.code != 404:
                raise
        return DONE

    async def _take(self, ctx: Context, pod: Object, what: str, now: datetime) -> None:
        if what == "remove":
            await self._remove(ctx, pod, now)
            return
        if what == "start":
            host = node_address(self._index[pod["spec"]["nodeName"]])
            status = started(pod, self._new_address(), host, self.settings, now)
        else:
            status = made_ready(pod, now) if what == "ready" else finished(pod, exit_code(pod), now)
        await ctx.client.update(POD, {**pod, "status": status}, subresource="status")

    async def _remove(self, ctx: Context, pod: Object, now: datetime) -> None:
        """Says that it has ended, for those who hold it by a finalizer to see, and takes it out."""
        if pod["metadata"].get("finalizers") and (pod.get("status") or {}).get("phase") == "Running":
            pod = await ctx.client.update(POD, {**pod, "status": finished(pod, 137, now)}, subresource="status")
        about = pod["metadata"]
        if about.get("deletionGracePeriodSeconds") == 0 and about.get("finalizers"):
            return
        only = Preconditions(uid=meta.uid(pod))
        await ctx.client.delete(POD, about["name"], about["namespace"], only=only, grace_seconds=0)

    async def release(self, ctx: Context, key: Key) -> Outcome:
        """A volume of class local-path that is to go has no folder here to wait for."""
        volume = ctx.cache.get(VOLUME, key)
        if volume is None or meta.annotations(volume).get(DELETE_ON) not in self._index:
            return DONE
        finalizers = meta.metadata(volume).get("finalizers") or ()
        if meta.is_being_deleted(volume) and FINALIZER in finalizers:
            rest = [f for f in finalizers if f != FINALIZER]
            about = {"finalizers": rest or None, "resourceVersion": meta.resource_version(volume)}
            await ctx.client.patch(VOLUME, key.name, "", {"metadata": about})
        return DONE

    def _new_address(self) -> str:
        """Unique for the first sixteen million pods."""
        self._addresses += 1
        return str(IPv4Address("11.0.0.0") + self._addresses % (1 << 24))

    async def run(self, ctx: Context) -> None:
        """Registers all nodes, then renews their leases, some every second."""
        names = self.settings.names()
        await _some_at_once([self._register(ctx, name) for name in names])
        ticks = math.ceil(self.settings.renew_every)
        while True:
            for tick in range(ticks):
                await ctx.clock.sleep(1)
                await _some_at_once([self._renew(ctx, name) for name in names[tick::ticks]])

    async def _register(self, ctx: Context, name: str) -> None:
        now, index = ctx.clock.now(), self._index[name]
        try:
            made = await ctx.client.create(NODE, node(self.settings, index, now))
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            found = await ctx.client.get(NODE, name)
            status = node_status(self.settings, index, now)
            made = await ctx.client.update(NODE, {**found, "status": status}, subresource="status")
        await self._renew(ctx, name, made)

    async def _renew(self, ctx: Context, name: str, owner: Object | None = None) -> None:
        now = ctx.clock.now()
        try:
            await ctx.client.patch(LEASE, name, LEASES, {"spec": {"renewTime": meta.format_micro_time(now)}})
        except Unreachable as error:
            log.debug("lease of %s not renewed: %s", name, error)
        except StatusError as error:
            if error.code != 404:
                log.debug("lease of %s not renewed: %s", name, error)
                return
            await self._make_lease(ctx, name, owner)

    async def _make_lease(self, ctx: Context, name: str, owner: Object | None) -> None:
        try:
            found = owner or await ctx.client.get(NODE, name)
            await ctx.client.create(LEASE, lease(name, found, ctx.clock.now()))
        except StatusError as error:  # the node was deleted: so be it
            log.debug("no lease for %s: %s", name, error)


async def _some_at_once(work: Sequence[Awaitable[None]]) -> None:
    for start in range(0, len(work), AT_ONCE):
        await asyncio.gather(*work[start : start + AT_ONCE])

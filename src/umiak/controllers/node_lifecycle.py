"""Notices nodes that fall silent: marks them Unknown and their pods not ready, and taints them so that pods leave.

A node lives as long as its lease or its Ready heartbeat changes; when that was is measured by our own clock, not by
the times written there. Taints that drive pods away are added slowly, per zone, and not at all while every zone is
down: then the fault is more likely ours.
"""

import logging
from datetime import datetime, timedelta

import msgspec

from umiak.api.coordination.lease import KIND as LEASE
from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.client.contract import Unreachable
from umiak.controllers._act import every
from umiak.controllers._pods import condition, is_true
from umiak.controllers._taints import NOT_READY, UNREACHABLE, has_taint, swap_taints
from umiak.controllers._zones import EXCLUDED, Zones, zone_of
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import Context, Loop

EVERY = timedelta(seconds=5)
LEASES = "kube-node-lease"
FROM_KUBELET = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
log = logging.getLogger(__name__)


class Known(msgspec.Struct):
    """A node as last seen. `alive` is when it last gave a sign of life (monotonic)."""

    uid: str
    alive: float
    version: int = 0
    lease_version: int = 0
    renewed: str = ""
    ready: str = ""
    heartbeat: str = ""
    zone: str = ""
    counts: bool = True
    """Whether it says anything about its zone."""
    tainted: frozenset[str] = frozenset()
    """Which of the two NoExecute taints it has."""
    retry_pods: bool = False
    bad_since: float = float("inf")
    """When it was found not to be ready (monotonic): whoever has been so for longest is tainted first."""


def silenced(node: Object, now: datetime) -> list[Object]:
    """The node's conditions once it has fallen silent."""
    conditions = [dict(c) for c in (node.get("status") or {}).get("conditions") or ()]
    stamp = meta.format_time(now)
    for type in FROM_KUBELET:
        found = next((c for c in conditions if c["type"] == type), None)
        if found is None:
            made = {"type": type, "status": "Unknown", "reason": "NodeStatusNeverUpdated"}
            made["message"] = "Kubelet never posted node status."
            times = {"lastHeartbeatTime": meta.metadata(node)["creationTimestamp"], "lastTransitionTime": stamp}
            conditions.append({**made, **times})
        elif found.get("status") != "Unknown":
            found.update(status="Unknown", reason="NodeStatusUnknown", lastTransitionTime=stamp)
            found["message"] = "Kubelet stopped posting node status."
    return conditions


class Monitor:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._known: dict[str, Known] = {}
        self._zones = Zones(ctx.options)

    async def look(self) -> None:
        """One round over all nodes."""
        self._meet_and_part()
        for name, known in list(self._known.items()):
            self._notice_life(name, known)
        for name, known in list(self._known.items()):
            if self._is_overdue(known) and not await self._silence(name, known):
                return  # the cache is behind: what it says of the others is not to be trusted either
        self._judge_zones()
        wrong = [(n, k) for n, k in self._known.items() if self._wanted(k) not in (None, k.tainted)]
        await every(self._taint(*entry) for entry in sorted(wrong, key=lambda entry: entry[1].bad_since))

    def _meet_and_part(self) -> None:
        cache, now = self._ctx.cache, self._ctx.clock.monotonic()
        present = {key.name for key in cache.keys(NODE)}
        for name in sorted(self._known.keys() - present):
            self._tell(name, self._known.pop(name).uid, "RemovingNode", f"Removing Node {name} from Controller")
        for name in sorted(present - self._known.keys()):
            uid = meta.uid(cache.get(NODE, Key("", name)) or {})
            self._known[name] = Known(uid, now)
            self._tell(name, uid, "RegisteredNode", f"Registered Node {name} in Controller")

    def _tell(self, name: str, uid: str, reason: str, text: str) -> None:
        about = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}
        self._ctx.events.event(about, "Normal", reason, f"Node {name} event: {text}")

    def _notice_life(self, name: str, known: Known) -> None:
        """Decodes only what has changed since the last round."""
        cache, now = self._ctx.cache, self._ctx.clock.monotonic()
        key, lease_key = Key("", name), Key(LEASES, name)
        version, lease_version = cache.version(NODE, key), cache.version(LEASE, lease_key)
        if version != known.version:
            node = cache.get(NODE, key) or {}
            first = known.version == 0
            self._refresh(known, node, version, now, first)
        if lease_version != known.lease_version:
            known.lease_version = lease_version
            renewed = ((cache.get(LEASE, lease_key) or {}).get("spec") or {}).get("renewTime") or ""
            if renewed > known.renewed:
                known.renewed, known.alive = renewed, now

    def _refresh(self, known: Known, node: Object, version: int, now: float, first: bool) -> None:
        ready = condition(node, "Ready") or {}
        heartbeat = ready.get("lastHeartbeatTime") or ""
        if not first and heartbeat != known.heartbeat:
            known.alive = now
        if ready.get("status") == "True":
            known.bad_since = float("inf")
        else:
            known.bad_since = min(known.bad_since, now)
        known.version, known.heartbeat, known.ready = version, heartbeat, ready.get("status") or ""
        known.uid, known.zone = meta.uid(node), zone_of(node)
        known.counts = EXCLUDED not in meta.labels(node)
        known.tainted = frozenset(k for k in (NOT_READY, UNREACHABLE) if has_taint(node, k, "NoExecute"))

    def _is_overdue(self, known: Known) -> bool:
        grace = self._ctx.options.node_monitor_grace if known.ready else self._ctx.options.node_startup_grace
        overdue = self._ctx.clock.monotonic() - known.alive > grace.total_seconds()
        return overdue and (known.ready != "Unknown" or known.retry_pods)

    async def _silence(self, name: str, known: Known) -> bool:
        """Writes that the node is silent; False when the server knows a newer lease than the cache does."""
        node = self._ctx.cache.get(NODE, Key("", name))
        if node is None:
            return True
        try:
            if await self._has_newer_lease(name, known):
                return False
            was_ready = known.ready == "True"
            if known.ready != "Unknown":
                status = {**(node.get("status") or {}), "conditions": silenced(node, self._ctx.clock.now())}
                node = await self._ctx.client.update(NODE, {**node, "status": status}, subresource="status")
                known.ready = "Unknown"
            if was_ready:
                about = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": known.uid}
                text = f"Node {name} status is now: NodeNotReady"
                self._ctx.events.event(about, "Normal", "NodeNotReady", text)
            if was_ready or known.retry_pods:
                known.retry_pods = not await self._unready_pods(name)
        except (StatusError, Unreachable) as error:
            log.warning("cannot update the health of node %s: %s", name, error)
        return True

    async def _has_newer_lease(self, name: str, known: Known) -> bool:
        try:
            lease = await self._ctx.client.get(LEASE, name, LEASES)
        except StatusError as error:
            if error.code != 404:
                raise
            return False
        return meta.resource_version(lease) != str(known.lease_version)

    async def _unready_pods(self, name: str) -> bool:
        """Marks all pods of the node not ready; False when some could not be."""
        pods = [p for p in self._ctx.cache.on_node(POD, name) if is_true(p, "Ready")]
        return all(await every(self._unready(pod) for pod in pods))

    async def _unready(self, pod: Object) -> bool:
        ready = {**(condition(pod, "Ready") or {}), "status": "False"}
        ready["lastTransitionTime"] = meta.format_time(self._ctx.clock.now())
        change = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [ready]}}
        name, namespace = meta.name(pod), meta.namespace(pod)
        try:
            await self._ctx.client.patch(POD, name, namespace, change, type="strategic", subresource="status")
        except (StatusError, Unreachable) as error:
            return isinstance(error, StatusError) and error.code == 404
        self._ctx.events.event(pod, "Warning", "NodeNotReady", "Node is not ready")
        return True

    def _judge_zones(self) -> None:
        members: dict[str, list[bool]] = {}
        for known in self._known.values():
            if known.counts:
                members.setdefault(known.zone, []).append(known.ready == "True")
        if self._zones.judge(members, self._ctx.clock.monotonic()):
            self._leave_full_disruption()

    def _leave_full_disruption(self) -> None:
        """The first nodes are back: the others get a new chance to report."""
        for known in self._known.values():
            known.alive = self._ctx.clock.monotonic()

    def _wanted(self, known: Known) -> frozenset[str] | None:
        """The taint that it should have, if any; None when nothing is known of it yet."""
        if known.ready == "True" or self._zones.all_down():
            return frozenset()
        return frozenset((NOT_READY if known.ready == "False" else UNREACHABLE,)) if known.ready else None

    async def _taint(self, name: str, known: Known) -> None:
        """Gives a node the taint it should have, when it is the zone's turn; changing one taint for another is free."""
        wanted = self._wanted(known) or frozenset()
        if wanted and not known.tainted and not self._zones[known.zone].may_taint(self._ctx.clock.monotonic()):
            return
        node = self._ctx.cache.get(NODE, Key("", name))
        if node is None:
            return
        add = [{"key": key, "effect": "NoExecute"} for key in wanted]
        drop = [(key, "NoExecute") for key in (NOT_READY, UNREACHABLE) if key not in wanted]
        try:
            await swap_taints(self._ctx, node, add, drop)
        except (StatusError, Unreachable) as error:
            log.debug("cannot taint node %s: %s", name, error)


async def run(ctx: Context) -> None:
    monitor = Monitor(ctx)
    while True:
        await monitor.look()
        await ctx.clock.sleep(EVERY.total_seconds())


CONTROLLER = Loop(name="node-lifecycle", run=run, reads=(NODE, LEASE, POD), component="node-controller")

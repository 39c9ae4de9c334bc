"""Changing a running pod's resources in place (KEP-1287): what is granted, what its containers run with, what waits."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from umiak.node import pods
from umiak.node.limits import asked
from umiak.node.quantity import amount
from umiak.node.runtime import State
from umiak.node.snapshot import Snapshot
from umiak.objects import meta
from umiak.objects.types import Object

PENDING, IN_PROGRESS = "PodResizePending", "PodResizeInProgress"
INFEASIBLE, DEFERRED = "Infeasible", "Deferred"
LISTS = (pods.INIT, pods.CONTAINERS)
CHECKED = tuple((f, r) for r in ("cpu", "memory") for f in ("requests", "limits"))
Room = Callable[[Object], tuple[str, str] | None]
"""(reason, message) why a pod with these resources would not fit; None when it does."""


def resources_of(pod: Object) -> dict[str, Object]:
    """By container name, of all containers that can be resized."""
    return {c["name"]: c.get("resources") or {} for f in LISTS for c in pods.spec(pod).get(f) or ()}


def with_resources(pod: Object, granted: Mapping[str, Object]) -> Object:
    """The pod as if it asked for just what it was granted."""
    spec = dict(pods.spec(pod))
    for name in LISTS:
        if name in spec:
            spec[name] = [{**c, "resources": granted.get(c["name"], c.get("resources") or {})} for c in spec[name]]
    return {**pod, "spec": spec}


def same(one: Object, other: Object) -> bool:
    """Whether cpu and memory are equal as numbers."""
    return not different(one, other)


def different(one: Object, other: Object) -> set[str]:
    """Which of cpu and memory differ."""
    pair = ({"resources": one}, {"resources": other})
    found = set()
    for where, resource in CHECKED:
        before, after = (asked(p, where, resource) for p in pair)
        if (before is None) != (after is None) or (before and after and amount(before) != amount(after)):
            found.add(resource)
    return found


def granted_before(pod: Object) -> dict[str, Object]:
    """What an agent before us had granted, as the status tells: requests as allocated, limits as in force."""
    found = {}
    for name in ("initContainerStatuses", "containerStatuses"):
        for status in pods.status(pod).get(name) or ():
            if "allocatedResources" in status or "resources" in status:
                shown = dict(status.get("resources") or {})
                if requests := status.get("allocatedResources"):
                    shown["requests"] = requests
                found[status["name"]] = shown
    return found


class Allocation(msgspec.Struct):
    """One pod's resources. `applied` is by container id what it runs with; None when that is not known."""

    granted: dict[str, Object] = msgspec.field(default_factory=dict)
    applied: dict[str, Object | None] = msgspec.field(default_factory=dict)
    pending: tuple[str, str] | None = None
    error: str = ""
    _started_with: dict[str, Object] = msgspec.field(default_factory=dict)

    def take(self, pod: Object, room: Room) -> Object:
        """The pod with the resources that it may have now."""
        wanted = resources_of(pod)
        if not self.granted:
            known = granted_before(pod)
            self.granted = {name: known.get(name, asked_for) for name, asked_for in wanted.items()}
        if all(same(wanted[n], self.granted.get(n, {})) for n in wanted):
            self.granted, self.pending = wanted, None
            return pod
        self.pending = room(pod)
        if self.pending is None:
            self.granted = wanted
        return with_resources(pod, self.granted)

    def started(self, container: Object) -> None:
        """A container was started with what its specification says."""
        self._started_with[container["name"]] = container.get("resources") or {}

    def note(self, seen: Snapshot) -> None:
        """Learns which containers run, and with what."""
        running = {c.id: c.name for c in seen.containers if c.state == State.RUNNING}
        self.applied = {i: r for i, r in self.applied.items() if i in running}
        for id, name in running.items():
            if id not in self.applied:
                self.applied[id] = self._started_with.pop(name, None)

    def to_change(self, seen: Snapshot) -> dict[str, str]:
        """Names by id of the running containers whose resources are not those granted."""
        found = {}
        for status in seen.containers:
            granted = self.granted.get(status.name)
            if status.id not in self.applied or granted is None:
                continue
            now = self.applied[status.id]
            if (now is None and granted) or (now is not None and not same(now, granted)):
                found[status.id] = status.name
        return found

    def to_restart(self, pod: Object, seen: Snapshot) -> frozenset[str]:
        """Ids of those that must be restarted for it, as their resizePolicy says."""
        return frozenset(i for i, name in self.to_change(seen).items() if self._wants_restart(pod, i, name))

    def _wants_restart(self, pod: Object, id: str, name: str) -> bool:
        now = self.applied[id]
        if now is None:
            return False
        policies = (pods.find_container(pod, name) or {}).get("resizePolicy") or ()
        strict = {p["resourceName"] for p in policies if p.get("restartPolicy") == "RestartContainer"}
        return bool(strict & different(now, self.granted[name]))

    def in_force(self) -> dict[str, Object]:
        """Resources by container id, for the status."""
        return {i: r for i, r in self.applied.items() if r is not None}

    def conditions(self) -> list[Object]:
        """What the status says of a resize that is not done."""
        found: list[Object] = []
        if self.pending:
            found.append({"type": PENDING, "status": "True", "reason": self.pending[0], "message": self.pending[1]})
        if self.error:
            found.append({"type": IN_PROGRESS, "status": "True", "reason": "Error", "message": self.error})
        return found


def told(pod: Object, prefix: str, error: str = "") -> str:
    """An event's message: what the pod's resources are now, as JSON."""
    summary: dict[str, Any] = {}
    for name in LISTS:
        listed = [{"name": c["name"], "resources": c.get("resources") or {}} for c in pods.spec(pod).get(name) or ()]
        if listed:
            summary[name] = listed
    summary["generation"] = meta.generation(pod)
    if error:
        summary["error"] = error
    return f"{prefix}: {msgspec.json.encode(summary).decode()}"

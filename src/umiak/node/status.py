"""A pod's status, as kubelet computes it (kubelet_pods.go): pure functions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from umiak.node import phase, pods
from umiak.node.conditions import kubelet_conditions
from umiak.node.decide import should_restart
from umiak.node.names import restarts_of
from umiak.node.qos import qos_class
from umiak.node.runtime import ContainerStatus, State
from umiak.node.snapshot import Snapshot
from umiak.objects import meta
from umiak.objects.types import Object

CREATING, INITIALIZING = "ContainerCreating", "PodInitializing"
NOT_LOCATED = "The container could not be located when the pod was terminated"
NOT_LOCATED_DELETED = "The container could not be located when the pod was deleted.  The container used to be Running"
INIT_LOST = (
    "Unable to get init container status from container runtime and pod has been initialized, "
    "treat it as exited normally"
)


class Failure(msgspec.Struct, frozen=True):
    """Why a container could not be started: what shows as its waiting reason."""

    reason: str
    message: str = ""


class Probed(msgspec.Struct, frozen=True):
    """What probes say: by container name, whether it has started and whether it is ready."""

    started: Mapping[str, bool] = msgspec.field(default_factory=dict)
    ready: Mapping[str, bool] = msgspec.field(default_factory=dict)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a status is computed from."""

    pod: Object
    """As the API has it; its status may lag behind `old`."""
    old: Object
    """The status that was computed last, or the API's."""
    seen: Snapshot
    now: datetime
    runtime_name: str = "containerd"
    host_ips: Sequence[str] = ()
    failures: Mapping[str, Failure] = msgspec.field(default_factory=dict)
    probed: Probed = msgspec.field(default_factory=Probed)
    terminal: bool = False
    """Whether all containers have ended for good."""
    verdict: tuple[str, str] | None = None
    """(reason, message) when the agent itself ends the pod as failed: evicted, too late, refused."""
    resources: Mapping[str, Object] = msgspec.field(default_factory=dict)
    """What running containers have in force, by id, where it may differ from their specification."""
    resizing: Sequence[Object] = ()
    """Conditions of a resize that is not done."""


def moment(nanoseconds: int) -> str | None:
    """A runtime's time as the API writes it; None for never."""
    if nanoseconds <= 0:
        return None
    return meta.format_time(datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC))


def _terminated(status: ContainerStatus, id: str) -> Object:
    found = {
        "exitCode": status.exit_code,
        "reason": status.reason,
        "message": status.message,
        "startedAt": moment(status.started_at),
        "finishedAt": moment(status.finished_at),
        "containerID": id,
    }
    return {k: v for k, v in found.items() if v not in ("",)}


def _state(status: ContainerStatus, id: str, old: Object) -> Object:
    if status.state == State.RUNNING:
        return {"running": {"startedAt": moment(status.started_at)}}
    if status.state == State.EXITED:
        return {"terminated": _terminated(status, id)}
    if status.state == State.UNKNOWN and "running" in (old.get("state") or {}):
        lost = {"reason": "ContainerStatusUnknown", "message": NOT_LOCATED, "exitCode": 137}
        return {"terminated": {**lost, "startedAt": None, "finishedAt": None}}
    return {"waiting": {}}


def _from_runtime(facts: Facts, container: Object, status: ContainerStatus, old: Object) -> Object:
    """One container's status out of what the runtime says of it."""
    id = f"{facts.runtime_name}://{status.id}"
    restarts = restarts_of(status.annotations)
    state = _state(status, id, old)
    if status.state == State.UNKNOWN and "terminated" in state:
        restarts = (old.get("restartCount") or 0) + 1
    found: Object = {
        "name": container["name"],
        "state": state,
        "lastState": {},
        "ready": False,
        "restartCount": max(restarts, old.get("restartCount") or 0),
        "image": status.image,
        "imageID": status.image_ref,
        "containerID": id,
    }
    if container.get("resources") is not None:
        found["resources"] = facts.resources.get(status.id, container["resources"])
        if requests := container["resources"].get("requests"):
            found["allocatedResources"] = requests
    if status.user:
        uid, gid, groups = status.user
        found["user"] = {"linux": {"uid": uid, "gid": gid, **({"supplementalGroups": list(groups)} if groups else {})}}
    return found


def _volume_mounts(container: Object) -> list[Object]:
    """The mounts as the status shows them, with what became of recursive read-only."""
    shown = []
    for mount in container.get("volumeMounts") or ():
        entry = {"name": mount["name"], "mountPath": mount["mountPath"]}
        if mount.get("readOnly"):
            entry |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
        shown.append(entry)
    return shown


def container_statuses(facts: Facts, containers: Sequence[Object], field_name: str) -> list[Object]:
    """The statuses of one list of containers, in the order the API shows them."""
    old_by_name = {s["name"]: s for s in facts.old.get(field_name) or ()}
    found = {}
    for container in containers:
        old = old_by_name.get(container["name"]) or {}
        status = _status(facts, container, old, is_init=field_name == "initContainerStatuses")
        found[container["name"]] = status
    if field_name == "initContainerStatuses":
        return [found[c["name"]] for c in containers]
    return [found[name] for name in sorted(found)]


def _status(facts: Facts, container: Object, old: Object, is_init: bool) -> Object:
    mine = [c for c in facts.seen.containers if c.name == container["name"]][:2]
    if mine:
        status = _from_runtime(facts, container, mine[0], old)
        if len(mine) > 1:
            id = f"{facts.runtime_name}://{mine[1].id}"
            status["lastState"] = _state(mine[1], id, {})
        elif old.get("containerID") != status["containerID"] and "terminated" in (old.get("state") or {}):
            status["lastState"] = {"terminated": old["state"]["terminated"]}
        elif (old.get("lastState") or {}).get("terminated"):
            status["lastState"] = old["lastState"]
    else:
        status = _never_seen(facts, container, old)
    if mounts := _volume_mounts(container):
        status["volumeMounts"] = mounts
    return _waiting_to_start(facts, container, status, is_init)


def _never_seen(facts: Facts, container: Object, old: Object) -> Object:
    """For a container the runtime does not have: not yet, or not any more."""
    state = old.get("state") or {}
    if "terminated" in state:
        return dict(old)
    reason = INITIALIZING if pods.init_containers(facts.pod) else CREATING
    status: Object = {
        "name": container["name"],
        "state": {"waiting": {"reason": reason}},
        "lastState": old.get("lastState") or {},
        "ready": False,
        "restartCount": old.get("restartCount") or 0,
        "image": container.get("image", ""),
        "imageID": "",
    }
    if "running" in state and not status["lastState"].get("terminated"):
        lost = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": NOT_LOCATED_DELETED}
        status["lastState"] = {"terminated": {**lost, "startedAt": None, "finishedAt": None}}
        status["restartCount"] += 0 if meta.is_being_deleted(facts.pod) else 1
    return status


def _waiting_to_start(facts: Facts, container: Object, status: Object, is_init: bool) -> Object:
    """Shows why a container that ought to be started is not."""
    latest = facts.seen.latest(container["name"])
    if is_init:
        if latest is not None and latest.state == State.EXITED and latest.exit_code == 0:
            return status
        past = any(facts.seen.latest(c["name"]) for c in pods.containers(facts.pod))
        if latest is None and past and not pods.is_sidecar(container) and "waiting" in status["state"]:
            done = {"reason": "Completed", "message": INIT_LOST, "exitCode": 0, "startedAt": None, "finishedAt": None}
            return {**status, "state": {"terminated": done}}
    failure = facts.failures.get(container["name"])
    if failure is None or not should_restart(facts.pod, container, facts.seen):
        return status
    if "terminated" in status["state"]:
        status["lastState"] = status["state"]
    waiting = {"reason": failure.reason, **({"message": failure.message} if failure.message else {})}
    return {**status, "state": {"waiting": waiting}}


def apply_probes(facts: Facts, statuses: Object) -> None:
    """Fills in `started` and `ready`."""
    for status in statuses["containerStatuses"]:
        _apply_probe(facts.probed, status)
    wanted = {c["name"]: c for c in pods.init_containers(facts.pod)}
    for status in statuses["initContainerStatuses"]:
        if pods.is_sidecar(wanted[status["name"]]):
            _apply_probe(facts.probed, status)
            continue
        status["started"] = "running" in status["state"]
        ended = status["state"].get("terminated")
        status["ready"] = bool(ended) and ended["exitCode"] == 0


def _apply_probe(probed: Probed, status: Object) -> None:
    running = "running" in status["state"]
    name = status["name"]
    status["started"] = running and probed.started.get(name, True)
    status["ready"] = status["started"] and probed.ready.get(name, True)


def compute(facts: Facts) -> Object:
    """The whole status to report."""
    pod, seen = facts.pod, facts.seen
    statuses: Object = {
        "containerStatuses": container_statuses(facts, pods.containers(pod), "containerStatuses"),
        "initContainerStatuses": container_statuses(facts, pods.init_containers(pod), "initContainerStatuses"),
        "ephemeralContainerStatuses": _ephemeral(facts),
    }
    apply_probes(facts, statuses)
    status: Object = {"qosClass": pods.status(pod).get("qosClass") or qos_class(pod), **_addresses(facts)}
    status |= {k: v for k, v in statuses.items() if v}
    started = any(_started(seen.latest_active(c["name"])) for c in pods.containers(pod))
    every = [*statuses["initContainerStatuses"], *statuses["containerStatuses"]]
    status |= _phase(facts, phase.of(pod, every, facts.terminal, started))
    status["startTime"] = facts.old.get("startTime") or pods.status(pod).get("startTime") or meta.format_time(facts.now)
    problem = seen.sandbox_problem(pods.uses_host_network(pod))
    resizing = () if status["phase"] in pods.TERMINAL else facts.resizing
    status["conditions"] = kubelet_conditions(pod, facts.old, every, status["phase"], problem, facts.now, resizing)
    status["observedGeneration"] = meta.generation(pod)
    return {k: v for k, v in status.items() if v not in ("", None)}


def _started(status: ContainerStatus | None) -> bool:
    return status is not None and status.state in (State.RUNNING, State.EXITED)


def _ephemeral(facts: Facts) -> list[Object]:
    wanted = pods.ephemeral_containers(facts.pod)
    shown = container_statuses(facts, wanted, "ephemeralContainerStatuses")
    for status in shown:
        status["ready"] = False
    return shown


def _phase(facts: Facts, computed: str) -> Object:
    """The phase with its reason; a terminal phase stays as it is."""
    known = [facts.old.get("phase"), pods.status(facts.pod).get("phase")]
    if facts.verdict is not None:
        reason, message = facts.verdict
        return {"phase": "Failed", "reason": reason, "message": message}
    terminal = next((p for p in (known[1], known[0]) if p in pods.TERMINAL), None)
    final = terminal or computed
    if final != facts.old.get("phase"):
        return {"phase": final}
    kept: Object = {"phase": final}
    for name in ("reason", "message"):
        kept[name] = facts.old.get(name) or pods.status(facts.pod).get(name)
    return kept


def _addresses(facts: Facts) -> Object:
    """Host and pod addresses. A pod that has ended keeps those it had."""
    hosts = list(facts.host_ips)
    found: Object = {}
    if hosts:
        found |= {"hostIP": hosts[0], "hostIPs": [{"ip": ip} for ip in hosts]}
    ips = [e["ip"] for e in facts.old.get("podIPs") or ()]
    if pods.uses_host_network(facts.pod):
        ips = ips or hosts
    elif facts.seen.ips:
        ips = list(facts.seen.ips)
    elif not facts.terminal and not _has_ended(facts):
        ips = []
    if ips:
        found |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
    return found


def _has_ended(facts: Facts) -> bool:
    return facts.old.get("phase") in pods.TERMINAL or meta.is_being_deleted(facts.pod)


def changes(old: Object, new: Object) -> dict[str, Any]:
    """A strategic merge patch of the status subresource from one status to the other; empty when they are alike."""
    patch: dict[str, Any] = {}
    for name in old.keys() | new.keys():
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if name == "conditions":
            patch |= _condition_changes(before or [], after or [])
        elif name in ("podIPs", "hostIPs") and before and after:
            patch[name] = [{"$patch": "replace"}, *after]
        else:
            patch[name] = after
    return patch


def _condition_changes(before: Sequence[Object], after: Sequence[Object]) -> dict[str, Any]:
    known = {c["type"]: c for c in before}
    wanted = {c["type"] for c in after}
    different = [_with_removals(known.get(c["type"]), c) for c in after if known.get(c["type"]) != c]
    different += [{"$patch": "delete", "type": t} for t in known if t not in wanted]
    if not different:
        return {}
    return {"$setElementOrder/conditions": [{"type": c["type"]} for c in after], "conditions": different}


def _with_removals(before: Object | None, after: Object) -> Object:
    """A merge leaves fields that the new condition lacks; null takes them away."""
    return {**{k: None for k in before or () if k not in after}, **after}

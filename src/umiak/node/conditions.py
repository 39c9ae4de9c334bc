"""The pod conditions that the node agent owns, with kubelet's reasons and messages (status/generate.go)."""

from collections.abc import Sequence
from datetime import datetime

from umiak.node import pods
from umiak.objects import meta
from umiak.objects.types import Object

READY_TO_START = "PodReadyToStartContainers"
INITIALIZED, READY, CONTAINERS_READY, SCHEDULED = "Initialized", "Ready", "ContainersReady", "PodScheduled"
RESIZING = ("PodResizePending", "PodResizeInProgress")
OWNED = (READY_TO_START, INITIALIZED, READY, CONTAINERS_READY, SCHEDULED, *RESIZING)
COMPLETED, FAILED = "PodCompleted", "PodFailed"


def condition(type: str, status: bool, reason: str = "", message: str = "") -> Object:
    found: Object = {"type": type, "status": "True" if status else "False"}
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found


def listed(names: Sequence[str]) -> str:
    """Names as Go prints a slice: `[a b]`."""
    return f"[{' '.join(names)}]"


def _by_name(statuses: Sequence[Object]) -> dict[str, Object]:
    return {s["name"]: s for s in statuses}


def containers_ready(pod: Object, statuses: Sequence[Object], phase: str, type: str = CONTAINERS_READY) -> Object:
    known = _by_name(statuses)
    watched = [c for c in pods.init_containers(pod) if pods.is_sidecar(c)] + pods.containers(pod)
    unknown = [c["name"] for c in watched if c["name"] not in known]
    unready = [c["name"] for c in watched if c["name"] in known and not known[c["name"]].get("ready")]
    if phase == "Succeeded" and not unknown:
        return condition(type, False, COMPLETED)
    if phase == "Failed":
        return condition(type, False, FAILED)
    parts = []
    if unknown:
        parts.append(f"containers with unknown status: {listed(unknown)}")
    if unready:
        parts.append(f"containers with unready status: {listed(unready)}")
    if parts:
        return condition(type, False, "ContainersNotReady", ", ".join(parts))
    return condition(type, True)


def ready(pod: Object, statuses: Sequence[Object], phase: str, foreign: Sequence[Object]) -> Object:
    """Ready when all containers are, and every readiness gate says so."""
    found = containers_ready(pod, statuses, phase, READY)
    if found["status"] != "True":
        return found
    by_type = {c["type"]: c for c in foreign}
    problems = []
    for gate in pods.spec(pod).get("readinessGates") or ():
        type = gate["conditionType"]
        if type not in by_type:
            problems.append(f'corresponding condition of pod readiness gate "{type}" does not exist.')
        elif by_type[type]["status"] != "True":
            status = by_type[type]["status"]
            problems.append(f'the status of pod readiness gate "{type}" is not "True", but {status}')
    if problems:
        return condition(READY, False, "ReadinessGatesNotReady", ", ".join(problems))
    return found


def initialized(pod: Object, statuses: Sequence[Object], phase: str, was: bool) -> Object:
    known = _by_name(statuses)
    wanted = pods.init_containers(pod)
    unknown = [c["name"] for c in wanted if c["name"] not in known]
    incomplete = [c["name"] for c in wanted if c["name"] in known and not _is_past(c, known[c["name"]])]
    if phase == "Succeeded" and not unknown:
        return condition(INITIALIZED, True, COMPLETED)
    if was or any(_has_started(known.get(c["name"])) for c in pods.containers(pod)):
        return condition(INITIALIZED, True)
    parts = []
    if unknown:
        parts.append(f"containers with unknown status: {listed(unknown)}")
    if incomplete:
        parts.append(f"containers with incomplete status: {listed(incomplete)}")
    if parts:
        return condition(INITIALIZED, False, "ContainersNotInitialized", ", ".join(parts))
    return condition(INITIALIZED, True)


def _is_past(container: Object, status: Object) -> bool:
    return bool(status.get("started") if pods.is_sidecar(container) else status.get("ready"))


def _has_started(status: Object | None) -> bool:
    if status is None:
        return False
    state, last = status.get("state") or {}, status.get("lastState") or {}
    return "running" in state or "terminated" in state or "terminated" in last


def kubelet_conditions(
    pod: Object,
    old: Object,
    statuses: Sequence[Object],
    phase: str,
    sandbox_problem: str,
    now: datetime,
    resizing: Sequence[Object] = (),
) -> list[Object]:
    """All conditions: other owners' as the API has them, then ours in kubelet's order."""
    foreign = [c for c in pods.status(pod).get("conditions") or () if c["type"] not in OWNED]
    before = {c["type"]: c for c in (*(pods.status(pod).get("conditions") or ()), *(old.get("conditions") or ()))}
    reason = "PodSandboxNotReady" if sandbox_problem else ""
    was_initialized = before.get(INITIALIZED, {}).get("status") == "True"
    mine = [
        *resizing,
        condition(READY_TO_START, not sandbox_problem, reason, sandbox_problem),
        initialized(pod, statuses, phase, was_initialized),
        ready(pod, statuses, phase, foreign),
        containers_ready(pod, statuses, phase),
        condition(SCHEDULED, True),
    ]
    if "DisruptionTarget" in before and all(c["type"] != "DisruptionTarget" for c in foreign):
        foreign.append(before["DisruptionTarget"])
    return foreign + [_dated(c, before.get(c["type"]), meta.generation(pod), now) for c in mine]


def _dated(new: Object, before: Object | None, generation: int, now: datetime) -> Object:
    """With the time of the last change of status, kept while it stays the same."""
    same = before is not None and before["status"] == new["status"] and before.get("lastTransitionTime")
    since = before["lastTransitionTime"] if same and before else meta.format_time(now)
    numbered = {"observedGeneration": generation} if generation else {}
    return {**numbered, **new, "lastProbeTime": None, "lastTransitionTime": since}

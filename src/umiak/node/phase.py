"""The phase of a pod out of its containers' statuses (kubelet's getPhase)."""

from collections import Counter
from collections.abc import Sequence

from umiak.node import pods
from umiak.objects.types import Object

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"


def _ended(status: Object) -> Object | None:
    """How a container last ended, when it does not run: its state, or while it waits its last state."""
    state = status.get("state") or {}
    if "terminated" in state:
        return state["terminated"]
    if "waiting" in state:
        return (status.get("lastState") or {}).get("terminated")
    return None


def _runs(status: Object) -> bool:
    return "running" in (status.get("state") or {})


def _count_init(pod: Object, by_name: dict[str, Object], found: Counter[str]) -> None:
    for container in pods.init_containers(pod):
        status = by_name.get(container["name"])
        if pods.is_sidecar(container):
            _count_sidecar(status, found)
            continue
        ended = _ended(status) if status else None
        if status is None or _runs(status) or ended is None:
            found["init pending"] += 1
        elif ended["exitCode"] != 0:
            found["init failed"] += 1
            found["init failed for good"] += not pods.restarts_after(pod, container, ended["exitCode"])


def _count_sidecar(status: Object | None, found: Counter[str]) -> None:
    if status is None:
        found["unknown"] += 1
    elif _runs(status):
        found["running"] += 1
        found["sidecar pending"] += not status.get("started")
    elif _ended(status) is None:
        found["sidecar pending"] += 1
        found["waiting"] += 1


def _count_ordinary(pod: Object, by_name: dict[str, Object], found: Counter[str]) -> None:
    for container in pods.containers(pod):
        status = by_name.get(container["name"])
        ended = _ended(status) if status else None
        if status is None:
            found["unknown"] += 1
        elif _runs(status):
            found["running"] += 1
        elif ended is None:
            found["waiting" if "waiting" in status["state"] else "unknown"] += 1
        else:
            found["stopped"] += 1
            found["stopped for good"] += not pods.restarts_after(pod, container, ended["exitCode"])
            found["succeeded"] += "terminated" in status["state"] and ended["exitCode"] == 0


def of(pod: Object, statuses: Sequence[Object], terminal: bool, has_started: bool) -> str:
    """`terminal`: all containers have ended for good. `has_started`: an ordinary one has been up in this sandbox."""
    by_name = {s["name"]: s for s in statuses}
    found: Counter[str] = Counter()
    _count_init(pod, by_name, found)
    _count_ordinary(pod, by_name, found)
    if found["init failed for good"]:
        return FAILED
    if found["init pending"] or (found["sidecar pending"] and not has_started) or found["waiting"]:
        return PENDING
    if found["running"] and not found["unknown"]:
        return RUNNING
    if not found["running"] and found["stopped"] and not found["unknown"]:
        return _all_stopped(found, terminal and not pods.is_static(pod))
    return PENDING


def _all_stopped(found: Counter[str], terminal: bool) -> str:
    if not terminal and found["stopped"] != found["stopped for good"]:
        return RUNNING
    return SUCCEEDED if found["stopped"] == found["succeeded"] else FAILED

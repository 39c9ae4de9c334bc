"""How a table sums up a pod: readiness, state and restarts.

Source: `printPod` in `pkg/printers/internalversion/printers.go`; kubectl's users know these words.
"""

from typing import Any, NamedTuple

from umiak.api.common.cells import NONE, condition_is_true, seconds_of, since
from umiak.objects.types import Object


class Summary(NamedTuple):
    """What the containers of a pod amount to."""

    ready: int
    total: int
    reason: str
    restarts: int
    last_restart: str
    """When a container last ended before a restart, as RFC 3339; empty when none did."""


def _later(one: str, other: str) -> str:
    if not one or not other:
        return one or other
    return one if seconds_of(one) >= seconds_of(other) else other


def _last_end(status: Object) -> str:
    return ((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") or ""


def _ended(terminated: Object, prefix: str = "") -> str:
    if terminated.get("reason"):
        return f"{prefix}{terminated['reason']}"
    if terminated.get("signal"):
        return f"{prefix}Signal:{terminated['signal']}"
    return f"{prefix}ExitCode:{terminated.get('exitCode') or 0}"


class _Inits(NamedTuple):
    """How far the init containers are; `reason` is empty when all are done."""

    ready: int
    reason: str
    restarts: int
    last_restart: str
    lasting_restarts: int
    lasting_last_restart: str


def _init_reason(status: Object, index: int, total: int) -> str:
    state = status.get("state") or {}
    terminated, waiting = state.get("terminated"), state.get("waiting")
    if terminated is not None:
        return _ended(terminated, "Init:")
    why = (waiting or {}).get("reason") or ""
    return f"Init:{why}" if why and why != "PodInitializing" else f"Init:{index}/{total}"


def _inits(spec: Object, status: Object, lasting: set[str]) -> _Inits:
    """Goes through the init containers up to the first that is not done; `lasting` names the restartable ones."""
    ready = restarts = lasting_restarts = 0
    last = lasting_last = ""
    total = len(spec.get("initContainers") or ())
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        count, ended = container.get("restartCount") or 0, _last_end(container)
        restarts, last = restarts + count, _later(last, ended)
        is_lasting = container.get("name") in lasting
        if is_lasting:
            lasting_restarts, lasting_last = lasting_restarts + count, _later(lasting_last, ended)
        terminated = (container.get("state") or {}).get("terminated")
        if terminated is not None and not terminated.get("exitCode"):
            continue
        if is_lasting and container.get("started"):
            ready += bool(container.get("ready"))
            continue
        reason = _init_reason(container, index, total)
        return _Inits(ready, reason, restarts, last, lasting_restarts, lasting_last)
    return _Inits(ready, "", restarts, last, lasting_restarts, lasting_last)


def _container_reasons(statuses: Any, reason: str) -> tuple[int, str, bool, str]:
    """(ready containers, reason, whether one runs, the reason of one that failed), last container first."""
    ready, running, error = 0, False, ""
    for container in reversed(statuses):
        state = container.get("state") or {}
        if (state.get("waiting") or {}).get("reason"):
            reason = state["waiting"]["reason"]
        elif state.get("terminated") is not None:
            reason = _ended(state["terminated"])
            if state["terminated"].get("exitCode"):
                error = reason
        elif container.get("ready") and state.get("running") is not None:
            running, ready = True, ready + 1
    return ready, reason, running, error


def _completed_reason(pod: Object, running: bool, error: str) -> str:
    if running and condition_is_true(pod, "Ready"):
        return "Running"
    return error or ("NotReady" if running else "Completed")


def _phase_reason(status: Object) -> str:
    conditions = status.get("conditions") or ()
    if any(c.get("type") == "PodScheduled" and c.get("reason") == "SchedulingGated" for c in conditions):
        return "SchedulingGated"
    return status.get("reason") or status.get("phase") or ""


def summary(pod: Object) -> Summary:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    lasting = {c["name"] for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    inits = _inits(spec, status, lasting)
    ready, reason = inits.ready, inits.reason or _phase_reason(status)
    restarts, last = inits.restarts, inits.last_restart
    if not inits.reason or condition_is_true(pod, "Initialized"):
        statuses = status.get("containerStatuses") or ()
        more, reason, running, error = _container_reasons(statuses, reason)
        ready += more
        restarts = inits.lasting_restarts + sum(c.get("restartCount") or 0 for c in statuses)
        last = inits.lasting_last_restart
        for container in statuses:
            last = _later(last, _last_end(container))
        if reason == "Completed":
            reason = _completed_reason(pod, running, error)
    if (pod.get("metadata") or {}).get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            reason = "Unknown"
        elif status.get("phase") not in ("Failed", "Succeeded"):
            reason = "Terminating"
    return Summary(ready, len(spec.get("containers") or ()) + len(lasting), reason, restarts, last)


def ready(pod: Object, now: float) -> Any:
    found = summary(pod)
    return f"{found.ready}/{found.total}"


def state(pod: Object, now: float) -> Any:
    return summary(pod).reason


def restarts(pod: Object, now: float) -> Any:
    found = summary(pod)
    if found.restarts and found.last_restart:
        return f"{found.restarts} ({since(found.last_restart, now)} ago)"
    return str(found.restarts)


def readiness_gates(pod: Object, now: float) -> Any:
    gates = (pod.get("spec") or {}).get("readinessGates") or ()
    if not gates:
        return NONE
    passed = sum(condition_is_true(pod, gate.get("conditionType", "")) for gate in gates)
    return f"{passed}/{len(gates)}"

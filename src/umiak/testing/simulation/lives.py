"""How a pod fares on a simulated node: what happens to it next and when, and what its status is then. Pure.

A pod's annotations tell how it ends, when it may end at all (restartPolicy Never or OnFailure):
`umiak.dev/run-seconds` (default 1, `never` to keep it running) and `umiak.dev/exit-code` (default 0). What is left to
chance is drawn from the pod's uid.
"""

from datetime import datetime, timedelta

import msgspec

from umiak.objects import meta
from umiak.objects.types import Object
from umiak.testing.simulation.settings import Life, chance

RUN_SECONDS = "umiak.dev/run-seconds"
EXIT_CODE = "umiak.dev/exit-code"
BACK_OFF_FIRST, BACK_OFF_LIMIT = 10.0, 300.0
"""How long a failed container waits to be started again, as the kubelet has it."""
PULL_FAILS = {"reason": "ImagePullBackOff", "message": "simulated: the image cannot be pulled"}
CRASHES = {"reason": "CrashLoopBackOff", "message": "simulated: the container failed"}


class Step(msgspec.Struct, frozen=True):
    """What happens next to a pod, and when: start, stick, ready, finish, again or remove."""

    what: str
    due: datetime


def _moment(text: str | None, otherwise: datetime) -> datetime:
    return meta.parse_time(text) if text else otherwise


def _condition(pod: Object, type: str) -> Object:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] == type), {})


def _first(pod: Object) -> Object:
    """The status of the first container."""
    found: Object = ((pod.get("status") or {}).get("containerStatuses") or [{}])[0]
    return found


def fails(pod: Object, life: Life) -> bool:
    return chance(meta.uid(pod), "fail") < life.failing


def may_end(pod: Object, life: Life) -> bool:
    return (pod["spec"].get("restartPolicy") or "Always") != "Always" or fails(pod, life)


def run_seconds(pod: Object, life: Life) -> float | None:
    """How long a pod that may end runs; None: for ever."""
    if not may_end(pod, life):
        return None
    text = meta.annotations(pod).get(RUN_SECONDS, "1")
    try:
        return float(text) if life.run_seconds is None else life.run_seconds
    except ValueError:
        return None


def exit_code(pod: Object, life: Life) -> int:
    if fails(pod, life):
        return 1
    text = meta.annotations(pod).get(EXIT_CODE, "0")
    return int(text) if text.isdecimal() else 1


def delay(pod: Object, life: Life, what: str, seconds: float) -> timedelta:
    longer = seconds * life.jitter * chance(meta.uid(pod), what) if life.jitter else 0.0
    return timedelta(seconds=seconds + longer)


def next_step(pod: Object, life: Life, now: datetime) -> Step | None:
    """None when the pod rests."""
    status, about = pod.get("status") or {}, meta.metadata(pod)
    if about.get("deletionTimestamp"):
        grace = timedelta(seconds=about.get("deletionGracePeriodSeconds") or 0)
        asked = meta.parse_time(about["deletionTimestamp"]) - grace
        stop = asked + delay(pod, life, "stop", life.stop_delay)
        return Step("remove", min(stop, asked + grace) if grace else stop)
    phase = status.get("phase") or "Pending"
    if phase == "Pending":
        return _beginning(pod, life, now)
    if phase != "Running":
        return None
    since = _moment(status.get("startTime"), now)
    if "waiting" in (_first(pod).get("state") or {}):
        return Step("again", since + timedelta(seconds=back_off(_first(pod).get("restartCount") or 0)))
    ready = since + delay(pod, life, "ready", life.ready_delay)
    if _condition(pod, "ContainersReady").get("status") != "True":
        return Step("ready", ready)
    lasts = run_seconds(pod, life)
    return None if lasts is None else Step("finish", ready + timedelta(seconds=lasts))


def _beginning(pod: Object, life: Life, now: datetime) -> Step | None:
    if "waiting" in (_first(pod).get("state") or {}):
        return None
    scheduled = _condition(pod, "PodScheduled").get("lastTransitionTime")
    since = _moment(scheduled or meta.metadata(pod).get("creationTimestamp"), now)
    what = "stick" if chance(meta.uid(pod), "stick") < life.stuck else "start"
    return Step(what, since + delay(pod, life, "start", life.start_delay))


def back_off(restarts: int) -> float:
    """Seconds that a container waits after its failure number so-and-so."""
    return min(BACK_OFF_LIMIT, BACK_OFF_FIRST * 2.0 ** min(max(restarts - 1, 0), 10))


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


def started(pod: Object, address: str, host: str, life: Life, now: datetime) -> Object:
    """The status of a pod that just started."""
    stamp, ready = meta.format_time(now), life.ready_delay <= 0
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


def stuck(pod: Object, host: str, now: datetime) -> Object:
    """The status of a pod whose image cannot be pulled."""
    facts = {"Initialized": True, "Ready": False, "ContainersReady": False}
    containers = container_statuses(pod, "containers", {"waiting": PULL_FAILS}, False)
    return {
        **(pod.get("status") or {}),
        "conditions": with_conditions(pod, facts, now),
        "startTime": meta.format_time(now),
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "containerStatuses": [{k: v for k, v in c.items() if k != "containerID"} for c in containers],
    }


def made_ready(pod: Object, now: datetime) -> Object:
    status = pod["status"]
    containers = [{**c, "ready": True, "started": True} for c in status.get("containerStatuses") or ()]
    conditions = with_conditions(pod, {"Ready": True, "ContainersReady": True}, now)
    return {**status, "conditions": conditions, "containerStatuses": containers}


def finished(pod: Object, code: int, now: datetime) -> Object:
    """The status once all containers have ended; where they are to be tried again, that they wait or run once more."""
    status, stamp, old = pod["status"], meta.format_time(now), _first(pod)
    restarts, policy = old.get("restartCount") or 0, pod["spec"].get("restartPolicy") or "Always"
    since = ((old.get("state") or {}).get("running") or {}).get("startedAt") or stamp
    over = {"exitCode": code, "reason": "Error" if code else "Completed", "startedAt": since, "finishedAt": stamp}
    if code and policy == "OnFailure":
        return _restarted(pod, {"terminated": over}, restarts + 1, now)
    if policy == "Always":
        return _crashed(pod, {"terminated": over}, restarts + 1, now)
    ended = container_statuses(pod, "containers", {"terminated": over}, False, restarts)
    conditions = with_conditions(pod, {"Ready": False, "ContainersReady": False}, now)
    conditions = [{**c, "reason": "PodCompleted"} if c["status"] == "False" and not code else c for c in conditions]
    phase = "Failed" if code else "Succeeded"
    return {**status, "phase": phase, "conditions": conditions, "containerStatuses": ended}


def _crashed(pod: Object, last: Object, restarts: int, now: datetime) -> Object:
    waiting = container_statuses(pod, "containers", {"waiting": CRASHES}, False, restarts)
    return {
        **pod["status"],
        "startTime": meta.format_time(now),
        "conditions": with_conditions(pod, {"Ready": False, "ContainersReady": False}, now),
        "containerStatuses": [{**c, "lastState": last} for c in waiting],
    }


def restarted(pod: Object, now: datetime) -> Object:
    """The status of a pod whose containers have waited long enough."""
    old = _first(pod)
    again = _restarted(pod, old.get("lastState") or {}, old.get("restartCount") or 0, now)
    return {**again, "conditions": with_conditions(pod, {"Ready": True, "ContainersReady": True}, now)}


def _restarted(pod: Object, last: Object, restarts: int, now: datetime) -> Object:
    stamp = meta.format_time(now)
    running = container_statuses(pod, "containers", {"running": {"startedAt": stamp}}, True, restarts)
    statuses = [{**c, "lastState": last} for c in running]
    return {**pod["status"], "startTime": stamp, "containerStatuses": statuses}

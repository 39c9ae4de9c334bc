"""What is written about a pod that found no node or must leave one: patches of its status. Pure.

As the reference's (client-go's strategic two-way patches), they name the order of conditions, so that a new one comes
last.
"""

from collections.abc import Mapping
from datetime import datetime

from umiak.objects import meta
from umiak.objects.types import Object

UNSCHEDULABLE, ERROR = "Unschedulable", "SchedulerError"
"""Reasons of PodScheduled=False: rules rejected the pod, or something failed."""
LONGEST_NOTE = 1024
CUT = " ..."


def note(message: str) -> str:
    """A message as long as an event may have it."""
    return message if len(message) <= LONGEST_NOTE else message[: LONGEST_NOTE - len(CUT)] + CUT


def not_scheduled(pod: Object, reason: str, message: str, nominated: str | None, now: datetime) -> Object | None:
    """PodScheduled=False, which is what `kubectl describe` and autoscalers read; None when the pod says so already.
    `nominated` None: the node that was promised stays as it is."""
    status = pod.get("status") or {}
    promised = status.get("nominatedNodeName") or ""
    change = _with(pod, {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}, now)
    if nominated is not None and nominated != promised:
        change["nominatedNodeName"] = nominated or None
    return _patch(pod, change)


def disrupted(pod: Object, scheduler: str, now: datetime) -> Object | None:
    """DisruptionTarget, before the pod is deleted for a more important one."""
    message = f"{scheduler}: preempting to accommodate a higher priority pod"
    about = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": message}
    return _patch(pod, _with(pod, about, now))


def _patch(pod: Object, change: Object) -> Object | None:
    return {"metadata": {"uid": meta.uid(pod)}, "status": change} if change else None


def _with(pod: Object, condition: dict[str, str], now: datetime) -> Object:
    """What changes in the status; nothing when the condition is there already."""
    known = (pod.get("status") or {}).get("conditions") or ()
    current: Mapping[str, object] = next((c for c in known if c["type"] == condition["type"]), {})
    generation = (pod.get("metadata") or {}).get("generation") or 0
    wanted: Object = {**condition, **({"observedGeneration": generation} if generation else {})}
    if wanted.items() <= current.items():
        return {}
    if current.get("status") != condition["status"]:
        wanted["lastTransitionTime"] = meta.format_time(now)
    types = [c["type"] for c in known]
    order = types if condition["type"] in types else [*types, condition["type"]]
    return {"$setElementOrder/conditions": [{"type": each} for each in order], "conditions": [wanted]}

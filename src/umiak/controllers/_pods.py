"""What every controller of pods asks about a pod, and how it makes one from a template."""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cmp_to_key
from typing import Any

from umiak.objects import meta
from umiak.objects.types import Object

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
MAX_POD_PREFIX = 253
STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_PHASE_RANK = {"Pending": 0, "Unknown": 1, "Running": 2}


def phase(pod: Object) -> str:
    return (pod.get("status") or {}).get("phase") or ""


def node_name(pod: Object) -> str:
    return pod["spec"].get("nodeName") or ""


def condition(obj: Object, type: str) -> Object | None:
    """The status condition of that type, if any."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c.get("type") == type), None)


def is_true(obj: Object, type: str) -> bool:
    found = condition(obj, type)
    return found is not None and found.get("status") == "True"


def is_ready(pod: Object) -> bool:
    return is_true(pod, "Ready")


def is_terminal(pod: Object) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Neither finished nor being deleted."""
    return not is_terminal(pod) and not meta.is_being_deleted(pod)


def is_terminating(pod: Object) -> bool:
    """Being deleted while its containers may still run."""
    return not is_terminal(pod) and meta.is_being_deleted(pod)


def has_ended(pod: Object) -> bool:
    """Whether none of its containers runs, nor ever will."""
    if is_terminal(pod) or not meta.is_being_deleted(pod):
        return is_terminal(pod)
    status = pod.get("status") or {}
    states = [found.get("state") or {} for field in STATUSES for found in status.get(field) or ()]
    return all("terminated" in state or "waiting" in state for state in states)


def ready_since(pod: Object) -> datetime | None:
    """When the pod became ready; None while it is not, or when nobody noted the time."""
    found = condition(pod, "Ready")
    if found is None or found.get("status") != "True" or not found.get("lastTransitionTime"):
        return None
    return meta.parse_time(found["lastTransitionTime"])


def is_available(pod: Object, min_ready_seconds: int, now: datetime) -> bool:
    """Ready for at least `min_ready_seconds`."""
    if not is_ready(pod):
        return False
    if min_ready_seconds == 0:
        return True
    since = ready_since(pod)
    return since is not None and since + timedelta(seconds=min_ready_seconds) <= now


def until_next_available(pods: Iterable[Object], min_ready_seconds: int, now: datetime) -> timedelta | None:
    """How long until the first ready pod that is not available yet becomes so."""
    moments = (ready_since(pod) for pod in pods)
    waits = [since + timedelta(seconds=min_ready_seconds) - now for since in moments if since is not None]
    return min((wait for wait in waits if wait > timedelta(0)), default=None)


def created(obj: Object) -> str:
    """The creation time as text, which sorts like the time it names; empty when unknown."""
    return meta.metadata(obj).get("creationTimestamp") or ""


def by_age(obj: Object) -> tuple[str, str]:
    """Sort key: oldest first, then by name."""
    return created(obj), meta.name(obj)


def pod_prefix(owner_name: str) -> str:
    """generateName for the pods of an owner: with a dash, unless that would be no valid name."""
    prefix = owner_name + "-"
    return prefix if len(prefix) <= MAX_POD_PREFIX else owner_name


def pod_from_template(template: Object, owner: Object) -> Object:
    """A new pod of `owner`; it shares structure with the template, so do not change it in depth."""
    about = template.get("metadata") or {}
    metadata: Object = {
        "generateName": pod_prefix(meta.name(owner)),
        "namespace": meta.namespace(owner),
        "ownerReferences": [meta.owner_reference(owner)],
    }
    for field in ("labels", "annotations"):
        if about.get(field):
            metadata[field] = dict(about[field])
    if about.get("finalizers"):
        metadata["finalizers"] = list(about["finalizers"])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": dict(template.get("spec") or {})}


def deletion_cost(pod: Object) -> int:
    """The annotation's int32, or 0 when it is absent or malformed (a plus sign and leading zeros are)."""
    text = meta.annotations(pod).get(DELETION_COST, "")
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or (digits is text and text != "0" and text[0] == "0"):
        return 0
    cost = int(text)
    return cost if -(2**31) <= cost < 2**31 else 0


def restarts(pod: Object) -> tuple[int, int]:
    """The most restarts of any container, and of any sidecar."""
    status = pod.get("status") or {}
    regular = max((c.get("restartCount", 0) for c in status.get("containerStatuses") or ()), default=0)
    init = pod["spec"].get("initContainers") or ()
    sidecars = {c["name"] for c in init if c.get("restartPolicy") == "Always"}
    counts = (c.get("restartCount", 0) for c in status.get("initContainerStatuses") or () if c["name"] in sidecars)
    return regular, max(counts, default=0)


def _rank_of_age(since: datetime, now: datetime) -> int:
    """Ages in powers of two, so that pods of about one age are chosen among at random (by uid): KEP-2185."""
    nanoseconds = (now - since) / timedelta(microseconds=1) * 1000
    return int(math.log2(nanoseconds)) if nanoseconds > 0 else -1


def _compare_times(a: datetime | None, b: datetime | None, now: datetime, tie: int) -> int:
    """Younger before older, unknown before known."""
    if a is None or b is None:
        return -1 if a is None else 1
    return _rank_of_age(a, now) - _rank_of_age(b, now) or tie


class Victims:
    """Orders pods by how little they would be missed: those to delete come first."""

    def __init__(self, related: Iterable[Object], now: datetime) -> None:
        self._now = now
        self._on_node: dict[str, int] = {}
        for pod in related:
            if is_active(pod):
                self._on_node[node_name(pod)] = self._on_node.get(node_name(pod), 0) + 1

    def _urgency(self, pod: Object) -> tuple[Any, ...]:
        """What counts before ages do: unassigned, early phase, not ready, cheap, doubled up on its node."""
        crowd = self._on_node.get(node_name(pod), 0)
        return (node_name(pod) != "", _PHASE_RANK.get(phase(pod), 0), is_ready(pod), deletion_cost(pod), -crowd)

    def compare(self, a: Object, b: Object) -> int:
        first, second = self._urgency(a), self._urgency(b)
        if first != second:
            return -1 if first < second else 1
        tie = -1 if meta.uid(a) < meta.uid(b) else 1
        ready_a, ready_b = ready_since(a), ready_since(b)
        if is_ready(a) and is_ready(b) and ready_a != ready_b:
            return _compare_times(ready_a, ready_b, self._now, tie)
        if restarts(a) != restarts(b):
            return -1 if restarts(a) > restarts(b) else 1
        if created(a) != created(b):
            return _compare_times(_moment(created(a)), _moment(created(b)), self._now, tie)
        return 0

    def choose(self, pods: Sequence[Object], count: int) -> list[Object]:
        """The `count` pods to delete."""
        if count >= len(pods):
            return list(pods)
        return sorted(pods, key=cmp_to_key(self.compare))[:count]


def _moment(text: str) -> datetime | None:
    return meta.parse_time(text) if text else None


def _newer_first(a: str, b: str) -> int:
    """Unknown times count as newest."""
    if not a or not b:
        return (a != "") - (b != "")
    return (a < b) - (a > b)


def _least_useful_first(a: Object, b: Object) -> int:
    first, second = ((node_name(p) != "", _PHASE_RANK.get(phase(p), 0), is_ready(p)) for p in (a, b))
    if first != second:
        return -1 if first < second else 1
    ready_a, ready_b = ((condition(p, "Ready") or {}).get("lastTransitionTime") or "" for p in (a, b))
    if is_ready(a) and ready_a != ready_b:
        return _newer_first(ready_a, ready_b)
    if restarts(a) != restarts(b):
        return -1 if restarts(a) > restarts(b) else 1
    return _newer_first(created(a), created(b)) if created(a) != created(b) else 0


def least_useful_first(pods: Iterable[Object]) -> list[Object]:
    """Unassigned, pending, not ready, freshly ready, often restarted and young pods come first."""
    return sorted(pods, key=cmp_to_key(_least_useful_first))

"""When pods must leave because of the devices that they use (KEP-5055). Pure.

A device is tainted in the ResourceSlice that publishes it, or by a DeviceTaintRule that selects it. Only taints with
effect NoExecute make pods leave: at the time they were added, or as many seconds later as the claim tolerates them.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from umiak.controllers import _resource_claims as claims
from umiak.controllers._pods import node_name
from umiak.objects import meta
from umiak.objects.types import Object

NO_EXECUTE = "NoExecute"
IN_PROGRESS = "EvictionInProgress"
"""The condition of a rule that tells how far it is."""


class Cause(NamedTuple):
    """Where a taint comes from; the order is that of events and logs: rules first."""

    is_slice: bool
    rule: str
    """The rule's uid; empty for a slice's taint."""
    device: tuple[str, str, str] = ("", "", "")
    position: int = 0


class Eviction(msgspec.Struct, frozen=True):
    """When a pod has to go, and why."""

    when: datetime
    causes: frozenset[Cause]


TaintsOf = Callable[[Object], Iterable[tuple[Cause, Object]]]
"""The evicting taints of an allocated device (an entry of a claim's allocation results)."""


def selects(rule: Object, driver: str, pool: str, device: str) -> bool:
    """Whether a rule is about a device; one without a selector is about none."""
    selector = rule["spec"].get("deviceSelector")
    if selector is None:
        return False
    parts = {"driver": driver, "pool": pool, "device": device}
    return all(selector.get(field) in (None, value) for field, value in parts.items())


def effect(rule: Object) -> str:
    return str(rule["spec"]["taint"].get("effect") or "")


def results(claim: Object) -> list[Object]:
    """The devices that a claim got; none while it is not allocated."""
    allocation = (claim.get("status") or {}).get("allocation") or {}
    return (allocation.get("devices") or {}).get("results") or []


def place(result: Object) -> tuple[str, str, str]:
    return result["driver"], result["pool"], result["device"]


def current(slices: Sequence[Object]) -> list[Object]:
    """Those of a pool's slices that count: the newest generation."""
    newest = max((s["spec"]["pool"].get("generation", 0) for s in slices), default=0)
    return [s for s in slices if s["spec"]["pool"].get("generation", 0) == newest]


def slice_taints(slices: Sequence[Object], result: Object) -> Iterable[tuple[Cause, Object]]:
    """The evicting taints that a pool's slices put on a device."""
    for found in current(slices):
        for device in found["spec"].get("devices") or ():
            if device["name"] != result["device"]:
                continue
            for index, taint in enumerate(device.get("taints") or ()):
                if taint.get("effect") == NO_EXECUTE:
                    yield Cause(True, "", place(result), index), taint
            return


def rule_taints(rules: Iterable[Object], result: Object) -> Iterable[tuple[Cause, Object]]:
    """The evicting taints that rules put on a device."""
    for rule in rules:
        if effect(rule) == NO_EXECUTE and selects(rule, *place(result)):
            yield Cause(False, meta.uid(rule)), rule["spec"]["taint"]


def tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") != NO_EXECUTE or (toleration.get("key") or taint["key"]) != taint["key"]:
        return False
    if toleration.get("operator") == "Exists":
        return True
    return (toleration.get("value") or "") == (taint.get("value") or "")


def leaves_at(taint: Object, tolerations: Iterable[Object]) -> datetime | None:
    """When a taint takes effect; None when it is tolerated for ever, or has no time."""
    matching = [t.get("tolerationSeconds") for t in tolerations if tolerates(t, taint)]
    if None in matching or not taint.get("timeAdded"):
        return None
    seconds = min((max(0, s) for s in matching if s is not None), default=0)
    return meta.parse_time(taint["timeAdded"]) + timedelta(seconds=seconds)


def claim_eviction(claim: Object, taints_of: TaintsOf) -> Eviction | None:
    """When those who use the claim must go: the earliest of all its devices' taints."""
    due = [
        (cause, moment)
        for result in results(claim)
        for cause, taint in taints_of(result)
        if (moment := leaves_at(taint, result.get("tolerations") or ())) is not None
    ]
    return Eviction(min(m for _, m in due), frozenset(c for c, _ in due)) if due else None


def pod_eviction(pod: Object, claim_of: claims.ClaimOf, taints_of: TaintsOf) -> Eviction | None:
    """When the pod must go; None when it may stay. Only claims that are reserved for this very pod count."""
    if not node_name(pod):
        return None
    found = []
    for entry in claims.pod_claims(pod):
        named = claims.named(pod, entry)
        claim = claim_of(named.name) if named is not None and named.name else None
        if named is None or claim is None or (named.must_be_own and not claims.is_own(pod, claim)):
            continue
        eviction = claim_eviction(claim, taints_of) if claims.is_reserved_for(pod, claim) else None
        if eviction is not None:
            found.append(eviction)
    if not found:
        return None
    return Eviction(min(e.when for e in found), frozenset[Cause]().union(*(e.causes for e in found)))


class Count(msgspec.Struct, frozen=True):
    """What a rule does, or would do."""

    published: int = 0
    """Devices in slices that it selects."""
    allocated: int = 0
    """Devices in claims' allocations that it selects."""
    pods: int = 0
    """Pods that must go because of it."""
    namespaces: int = 0


def _many(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count} {many}"


def progress(rule: Object, count: Count, evicted: int) -> Object:
    """The rule's condition, without its time. `evicted` is how many pods have gone because of it so far."""
    status, (reason, message) = "False", _told(rule, count, evicted)
    if reason == "PodsPendingEviction":
        status = "True"
    if evicted:
        message = f"{message} {_many(evicted, 'pod', 'pods')} evicted since starting the controller.".strip()
    generation = meta.generation(rule)
    return {"type": IN_PROGRESS, "status": status, "reason": reason, "message": message} | {
        "observedGeneration": generation
    }


def _told(rule: Object, count: Count, evicted: int) -> tuple[str, str]:
    namespaces = _many(count.namespaces, "namespace", "different namespaces")
    if effect(rule) == NO_EXECUTE:
        if count.pods:
            pods = _many(count.pods, "pod needs", "pods need")
            return "PodsPendingEviction", f"{pods} to be evicted in {namespaces}."
        return ("Completed" if evicted else "NotStarted"), ""
    if effect(rule) == "None":
        return "NoEffect", (
            f"{_many(count.published, 'published device', 'published devices')} selected. "
            f"{_many(count.allocated, 'allocated device', 'allocated devices')} selected. "
            f"{_many(count.pods, 'pod', 'pods')} would be evicted in {namespaces} if the effect was NoExecute. "
            "This information will not be updated again. Recreate the DeviceTaintRule to trigger an update."
        )
    return "OtherEffect", "Eviction only happens for the NoExecute effect."

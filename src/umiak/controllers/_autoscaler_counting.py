"""How many replicas a measured load asks for: the arithmetic of horizontal autoscaling, without any I/O.

Values and targets are in thousandths, as the reference counts them (replica_calculator.go). All functions are pure.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from umiak.controllers._pods import condition, is_ready, phase
from umiak.objects import meta, quantity
from umiak.objects.types import Object

CPU_INITIALIZATION = timedelta(minutes=5)
"""How long after its start a pod may still be warming up."""
READINESS_DELAY = timedelta(seconds=30)
"""A pod that turns unready within this time of its start has never really been ready."""
FULL = 100
NEVER = datetime.min.replace(tzinfo=UTC)
LARGEST = 2**31 - 1
POD_LEVEL = ("cpu", "memory")


class NoCount(Exception):
    """The number of replicas can not be told."""


class Sample(msgspec.Struct, frozen=True):
    """What one pod was measured to use: thousandths, the moment, and over which time."""

    value: int
    at: datetime
    window: timedelta


Samples = Mapping[str, Sample]


class Tolerances(msgspec.Struct, frozen=True):
    """By which part of the target the load may be off without anything being done."""

    down: float = 0.1
    up: float = 0.1

    def cover(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Proposal(msgspec.Struct, frozen=True):
    """`current` is what was measured, per pod, in thousandths; `utilization` in percent of requests."""

    replicas: int
    current: int
    utilization: int | None = None


class Groups(msgspec.Struct, frozen=True):
    """Pods by what their samples are worth: names of those `unready` and `missing` a sample, and the rest's number."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


def grouped(pods: Sequence[Object], samples: Samples, resource: str, now: datetime) -> Groups:
    """Failed and ending pods are ignored; pending ones and those that are warming up are unready."""
    unready, missing, ignored = set(), set(), set()
    for pod in pods:
        name = meta.name(pod)
        if meta.is_being_deleted(pod) or phase(pod) == "Failed":
            ignored.add(name)
        elif phase(pod) == "Pending":
            unready.add(name)
        elif name not in samples:
            missing.add(name)
        elif resource == "cpu" and is_warming_up(pod, samples[name], now):
            unready.add(name)
    ready = len(pods) - len(unready) - len(missing) - len(ignored)
    return Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def is_warming_up(pod: Object, sample: Sample, now: datetime) -> bool:
    """Whether its use of cpu says nothing yet about its load."""
    ready, start = condition(pod, "Ready"), (pod.get("status") or {}).get("startTime")
    if ready is None or not start:
        return True
    started, changed = meta.parse_time(start), _changed(ready)
    is_unready = ready.get("status") == "False"
    if started + CPU_INITIALIZATION > now:
        return is_unready or sample.at < changed + sample.window
    return is_unready and started + READINESS_DELAY > changed


def _changed(ready: Object) -> datetime:
    text = ready.get("lastTransitionTime")
    return meta.parse_time(text) if text else NEVER


def requests_of(pods: Sequence[Object], container: str, resource: str) -> dict[str, int]:
    """Thousandths that each pod requests, by name; of one container where one is named. Raises NoCount."""
    return {meta.name(pod): _request(pod, container, resource) for pod in pods}


def _request(pod: Object, container: str, resource: str) -> int:
    whole = (pod["spec"].get("resources") or {}).get("requests") or {}
    if not container and any(name in whole for name in POD_LEVEL):
        if resource not in whole:
            raise NoCount(f"missing pod-level request for {resource} in Pod {meta.name(pod)}")
        return quantity.parse(whole[resource]).milli()
    wanted = [c for c in _running(pod) if container in ("", c["name"])]
    if container and not wanted:
        raise NoCount(f"container {container} not found in Pod {meta.name(pod)}")
    return sum(_of_container(pod, c, resource) for c in wanted)


def _running(pod: Object) -> list[Object]:
    """Its containers, with those started first that go on running."""
    sidecars = [c for c in pod["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return [*pod["spec"]["containers"], *sidecars]


def _of_container(pod: Object, container: Object, resource: str) -> int:
    requests = (container.get("resources") or {}).get("requests") or {}
    if resource not in requests:
        raise NoCount(f"missing request for {resource} in container {container['name']} of Pod {meta.name(pod)}")
    return quantity.parse(requests[resource]).milli()


def usable(samples: Samples, groups: Groups) -> dict[str, int]:
    """Values that count. Raises NoCount when there are none."""
    left = {n: s.value for n, s in samples.items() if n not in groups.ignored and n not in groups.unready}
    if not left:
        raise NoCount("did not receive metrics for targeted pods (pods might be unready)")
    return left


def utilization(values: Mapping[str, int], requests: Mapping[str, int], target: int) -> tuple[float, int, int]:
    """(ratio to the target, percent of the requests, average value). Raises NoCount."""
    known = [name for name in values if name in requests]
    used, wanted = sum(values[n] for n in known), sum(requests[n] for n in known)
    if wanted == 0:
        raise NoCount("no metrics returned matched known pods")
    percent = used * FULL // wanted
    return percent / target, percent, used // len(known)


def usage(values: Mapping[str, int], target: int) -> tuple[float, int]:
    """(ratio to the target, average value)."""
    average = sum(values.values()) // len(values)
    return average / target, average


def completed(values: Mapping[str, int], groups: Groups, ratio: float, assumed: Mapping[str, int]) -> dict[str, int]:
    """With pods that were not measured: when scaling down they are taken to use what is `assumed`, when up nothing."""
    found = dict(values)
    if ratio < 1.0:
        found |= {name: assumed[name] for name in groups.missing}
    elif ratio > 1.0:
        found |= dict.fromkeys(groups.missing | groups.unready, 0)
    return found


def is_conclusive(groups: Groups, ratio: float) -> bool:
    """Whether those that were not measured make no difference."""
    return not groups.missing and not (groups.unready and ratio > 1.0)


def first_count(replicas: int, groups: Groups, ratio: float, tolerances: Tolerances) -> int:
    return replicas if tolerances.cover(ratio) else math.ceil(ratio * groups.ready)


def second_count(replicas: int, count: int, before: float, after: float, tolerances: Tolerances) -> int:
    """`count` pods were looked at. What was assumed of some of them may weaken a decision, but never turn it."""
    turned = (before < 1.0 < after) or (after < 1.0 < before)
    if tolerances.cover(after) or turned:
        return replicas
    wanted = math.ceil(after * count)
    backwards = (after < 1.0 and wanted > replicas) or (after > 1.0 and wanted < replicas)
    return replicas if backwards else wanted


def by_utilization(
    replicas: int,
    samples: Samples,
    pods: Sequence[Object],
    groups: Groups,
    requests: Mapping[str, int],
    target: int,
    tolerances: Tolerances,
) -> Proposal:
    """`target` is in percent of the requests. Raises NoCount."""
    values = usable(samples, groups)
    ratio, percent, average = utilization(values, requests, target)
    if is_conclusive(groups, ratio):
        return Proposal(first_count(replicas, groups, ratio, tolerances), average, percent)
    assumed = {meta.name(p): requests[meta.name(p)] * max(FULL, target) // FULL for p in pods}
    values = completed(values, groups, ratio, assumed)
    again, _, _ = utilization(values, requests, target)
    return Proposal(second_count(replicas, len(values), ratio, again, tolerances), average, percent)


def by_usage(replicas: int, samples: Samples, groups: Groups, target: int, tolerances: Tolerances) -> Proposal:
    """`target` is what each pod should use, in thousandths. Raises NoCount."""
    values = usable(samples, groups)
    ratio, average = usage(values, target)
    if is_conclusive(groups, ratio):
        return Proposal(first_count(replicas, groups, ratio, tolerances), average)
    values = completed(values, groups, ratio, dict.fromkeys(groups.missing, target))
    again, _ = usage(values, target)
    return Proposal(second_count(replicas, len(values), ratio, again, tolerances), average)


def by_total(replicas: int, pods: Sequence[Object], value: int, target: int, tolerances: Tolerances) -> Proposal:
    """For one value of the whole workload. With no replicas the ratio itself is their number. Raises NoCount."""
    ratio = value / target
    if replicas == 0:
        return Proposal(math.ceil(ratio), value)
    if tolerances.cover(ratio):
        return Proposal(replicas, value)
    if not pods:
        raise NoCount("unable to calculate ready pods: no pods returned by selector while calculating replica count")
    ready = sum(phase(pod) == "Running" and is_ready(pod) for pod in pods)
    return Proposal(min(LARGEST, math.ceil(ratio * ready)), value)


def by_share(replicas: int, value: int, target: int, tolerances: Tolerances) -> Proposal:
    """For one value that all replicas share, `target` of it each."""
    wanted = replicas
    if replicas == 0 or not tolerances.cover(value / (target * replicas)):
        wanted = min(LARGEST, math.ceil(value / target))
    return Proposal(wanted, math.ceil(value / replicas) if replicas else 0)

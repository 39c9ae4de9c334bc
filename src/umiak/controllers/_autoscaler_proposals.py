"""What one metric of an autoscaler asks for: measured by `_autoscaler_metrics`, counted by `_autoscaler_counting`."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from umiak.controllers import _autoscaler_counting as counting
from umiak.controllers import _autoscaler_metrics as metrics
from umiak.controllers._autoscaler_counting import NoCount, Proposal, Tolerances
from umiak.controllers._texts import selector_text
from umiak.objects import quantity
from umiak.objects.quantity import BINARY, DECIMAL, Quantity
from umiak.objects.selectors import Selector
from umiak.objects.types import Object
from umiak.reconcile.contract import Context

NO_TARGET = "neither a value target nor an average value target was set"


class Target(msgspec.Struct, frozen=True):
    """The workload whose size is to be found. `replicas` is wanted now, `running` what its status says there is."""

    namespace: str
    replicas: int
    running: int
    selector: Selector
    pods: Sequence[Object]
    tolerances: Tolerances


class Found(msgspec.Struct, frozen=True):
    """`name` is the metric in events, `status` its entry in `currentMetrics`."""

    replicas: int
    name: str
    status: Object


def milli(target: Object, field: str) -> int:
    return quantity.parse(target[field]).milli()


def amount(value: int, resource: str = "") -> str:
    """Thousandths as text."""
    return str(Quantity(value, -3, BINARY if resource == "memory" else DECIMAL))


async def _resource(ctx: Context, metric: Object, target: Target) -> Found:
    return await _of_pods(ctx, metric["resource"], target, "resource", "Resource", "")


async def _container(ctx: Context, metric: Object, target: Target) -> Found:
    source = metric["containerResource"]
    return await _of_pods(ctx, source, target, "container resource", "ContainerResource", source["container"])


async def _of_pods(ctx: Context, source: Object, target: Target, what: str, type_: str, container: str) -> Found:
    resource, wanted = source["name"], source["target"]
    by_value = wanted.get("averageValue") is not None
    try:
        samples = await metrics.of_resource(ctx, target.namespace, target.selector, resource, container)
    except NoCount as error:
        kind = "usage" if by_value else "utilization"
        raise NoCount(
            f"failed to get {resource} {kind}: unable to get metrics for resource {resource}: {error}"
        ) from None
    groups = counting.grouped(target.pods, samples, resource, ctx.clock.now())
    name = f"{resource} {what} utilization (percentage of request)"
    current: Object = {}
    if by_value:
        found = counting.by_usage(target.replicas, samples, groups, milli(wanted, "averageValue"), target.tolerances)
        name = f"{resource} resource"
    else:
        found = _by_utilization(samples, groups, source, container, target)
        current["averageUtilization"] = found.utilization
    current["averageValue"] = amount(found.current, resource)
    about = {"name": resource, **({"container": container} if container else {}), "current": current}
    return Found(found.replicas, name, {"type": type_, type_[0].lower() + type_[1:]: about})


def _by_utilization(
    samples: counting.Samples, groups: counting.Groups, source: Object, container: str, target: Target
) -> Proposal:
    wanted = source["target"].get("averageUtilization")
    if wanted is None:
        raise NoCount(
            "invalid resource metric source: neither an average utilization target "
            "nor an average value (usage) target was set"
        )
    try:
        requests = counting.requests_of(target.pods, container, source["name"])
        return counting.by_utilization(
            target.replicas, samples, target.pods, groups, requests, wanted, target.tolerances
        )
    except NoCount as error:
        raise NoCount(f"failed to get {source['name']} utilization: {error}") from None


async def _pods(ctx: Context, metric: Object, target: Target) -> Found:
    about = metric["pods"]["metric"]
    try:
        samples = await metrics.of_pods(ctx, target.namespace, target.selector, about)
    except NoCount as error:
        raise NoCount(f"unable to get metric {about['name']}: {error}") from None
    groups = counting.grouped(target.pods, samples, "", ctx.clock.now())
    wanted = milli(metric["pods"]["target"], "averageValue")
    found = counting.by_usage(target.replicas, samples, groups, wanted, target.tolerances)
    status = {"type": "Pods", "pods": {"metric": about, "current": {"averageValue": amount(found.current)}}}
    return Found(found.replicas, f"pods metric {about['name']}", status)


async def _object(ctx: Context, metric: Object, target: Target) -> Found:
    source = metric["object"]
    about, described = source["metric"], source["describedObject"]
    _check_target(source["target"], "object")
    try:
        value = await metrics.of_object(ctx, target.namespace, described, about)
    except NoCount as error:
        where = f"{described['kind']} {target.namespace}/{described['name']}"
        raise NoCount(f"unable to get metric {about['name']} on {where}: {error}") from None
    found, current = _shared_value(source["target"], value, target)
    status = {"type": "Object", "object": {"describedObject": described, "metric": about, "current": current}}
    if "averageValue" in current:
        return Found(found.replicas, _external_name(about), status)  # so the reference calls it, too
    return Found(found.replicas, f"{described['kind']} metric {about['name']}", status)


async def _external(ctx: Context, metric: Object, target: Target) -> Found:
    source = metric["external"]
    about = source["metric"]
    _check_target(source["target"], "external")
    try:
        value = min(sum(await metrics.external(ctx, target.namespace, about)), quantity.MAX)
    except NoCount as error:
        which = f"{target.namespace}/{about['name']}/{selector_text(about.get('selector'))}"
        raise NoCount(f"unable to get external metric {which}: {error}") from None
    found, current = _shared_value(source["target"], value, target)
    return Found(
        found.replicas, _external_name(about), {"type": "External", "external": {"metric": about, "current": current}}
    )


def _external_name(about: Object) -> str:
    return f"external metric {about['name']}({selector_text(about.get('selector'))})"


def _check_target(wanted: Object, what: str) -> None:
    if wanted.get("averageValue") is None and wanted.get("value") is None:
        raise NoCount(f"invalid {what} metric source: {NO_TARGET}")


def _shared_value(wanted: Object, value: int, target: Target) -> tuple[Proposal, Object]:
    """(the proposal, what `current` says) for a value that belongs to the workload as a whole."""
    if wanted.get("averageValue") is not None:
        share = counting.by_share(target.running, value, milli(wanted, "averageValue"), target.tolerances)
        return share, {"averageValue": amount(share.current)}
    total = counting.by_total(target.replicas, target.pods, value, milli(wanted, "value"), target.tolerances)
    return total, {"value": amount(total.current)}


Source = Callable[[Context, Object, Target], Awaitable[Found]]
SOURCES: dict[str, tuple[Source, str]] = {
    "Resource": (_resource, "resource"),
    "ContainerResource": (_container, "containerResource"),
    "Pods": (_pods, "pods"),
    "Object": (_object, "object"),
    "External": (_external, "external"),
}


def prefix_of(metric: Object) -> str:
    """How the reference begins an error about the metric."""
    if metric["type"] == "Resource":
        return f"failed to get {metric['resource']['name']} resource metric value"
    if metric["type"] == "ContainerResource":
        return f"failed to get {metric['containerResource']['container']} container metric value"
    if metric["type"] == "External":
        return f"failed to get {metric['external']['metric']['name']} external metric value"
    return f"failed to get {metric['type'].lower()} metric value"


async def propose(ctx: Context, metric: Object, target: Target) -> Found:
    """Raises NoCount."""
    source, _ = SOURCES[metric["type"]]
    return await source(ctx, metric, target)

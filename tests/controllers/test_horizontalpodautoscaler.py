"""HorizontalPodAutoscaler: what metrics ask for, how far it is followed, and what the status says."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from umiak.api.apps import deployment
from umiak.api.autoscaling import horizontalpodautoscaler as autoscalers
from umiak.api.core import pod
from umiak.client.client import ApiClient
from umiak.client.contract import Response
from umiak.controllers import _autoscaler_counting as counting
from umiak.controllers import _autoscaler_limits as limits
from umiak.controllers._autoscaler_counting import Groups, NoCount, Sample, Tolerances
from umiak.controllers._autoscaler_limits import Bounds, History, Moment
from umiak.controllers.horizontalpodautoscaler import CONTROLLER
from umiak.objects.errors import StatusError
from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.testing.clock import NOON
from umiak.testing.workbench import Workbench

MINUTE = timedelta(minutes=1)
LONG_AGO = NOON - timedelta(hours=1)
TOLERANCES = Tolerances()


def a_pod(name: str, cpu: str = "1", phase: str = "Running", ready: str = "True") -> Object:
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": format_time(LONG_AGO)}
    return {
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "web", "resources": {"requests": {"cpu": cpu}}}]},
        "status": {"phase": phase, "startTime": format_time(LONG_AGO), "conditions": [condition]},
    }


def samples(*values: int) -> dict[str, Sample]:
    return {f"web-{i}": Sample(value, NOON, MINUTE) for i, value in enumerate(values)}


def pods(count: int, **about: Any) -> list[Object]:
    return [a_pod(f"web-{i}", **about) for i in range(count)]


# counting (the cases are those of upstream's replica_calculator_test.go)


@pytest.mark.parametrize(
    ("replicas", "values", "extra", "target", "wanted", "percent"),
    [
        pytest.param(3, (300, 500, 700), 0, 30, 5, 50, id="up"),
        pytest.param(4, (500, 500, 500), 1, 30, 5, 50, id="a missing pod counts as idle when scaling up"),
        pytest.param(4, (400, 500, 700), 1, 100, 3, 53, id="and as fully used when scaling down"),
        pytest.param(3, (500, 500, 500), 0, 50, 3, 50, id="on target"),
        pytest.param(3, (540, 540, 540), 0, 50, 3, 54, id="within tolerance"),
        pytest.param(5, (100, 300, 500, 250, 250), 0, 50, 3, 28, id="down"),
        pytest.param(2, (1000,), 1, 60, 2, 100, id="what is missing never turns the direction"),
    ],
)
def test_by_utilization(
    replicas: int, values: tuple[int, ...], extra: int, target: int, wanted: int, percent: int
) -> None:
    found = pods(len(values) + extra)
    measured = samples(*values)
    groups = counting.grouped(found, measured, "cpu", NOON)
    requests = counting.requests_of(found, "", "cpu")
    proposal = counting.by_utilization(replicas, measured, found, groups, requests, target, TOLERANCES)
    assert (proposal.replicas, proposal.utilization) == (wanted, percent)


def test_pods_that_are_not_ready_count_as_idle() -> None:
    """Upstream: `TestReplicaCalcScaleUpUnreadyLessScale`."""
    found = [*pods(2), a_pod("web-2", phase="Pending")]
    measured = samples(300, 500, 700)
    groups = counting.grouped(found, measured, "cpu", NOON)
    assert groups == Groups(2, frozenset({"web-2"}), frozenset(), frozenset())
    requests = counting.requests_of(found, "", "cpu")
    assert counting.by_utilization(3, measured, found, groups, requests, 10, TOLERANCES).replicas == 8


def test_a_pod_warms_up() -> None:
    young = a_pod("web-0")
    young["status"]["startTime"] = format_time(NOON - MINUTE)
    assert not counting.is_warming_up(young, Sample(1, NOON, MINUTE), NOON)
    young["status"]["conditions"][0]["lastTransitionTime"] = format_time(NOON)
    assert counting.is_warming_up(young, Sample(1, NOON, MINUTE), NOON)  # measured before it became ready


def test_missing_requests_are_told() -> None:
    bare = a_pod("web-0")
    bare["spec"]["containers"][0]["resources"] = {}
    with pytest.raises(NoCount, match="missing request for cpu in container web of Pod web-0"):
        counting.requests_of([bare], "", "cpu")
    with pytest.raises(NoCount, match="container no not found in Pod web-0"):
        counting.requests_of([bare], "no", "cpu")


@pytest.mark.parametrize(
    ("replicas", "value", "target", "total", "share"),
    [(3, 20_000, 10_000, 6, 2), (3, 10_500, 10_000, 3, 2), (0, 25_000, 10_000, 3, 3)],
)
def test_shared_values(replicas: int, value: int, target: int, total: int, share: int) -> None:
    """As a value of the whole workload, and as one that its replicas divide."""
    assert counting.by_total(replicas, pods(3), value, target, TOLERANCES).replicas == total
    assert counting.by_share(replicas, value, target, TOLERANCES).replicas == share


# limits


def rules(select: str = "Max", window: int = 0, **policies: tuple[int, int]) -> Object:
    made = [{"type": type_, "value": value, "periodSeconds": period} for type_, (value, period) in policies.items()]
    return {"selectPolicy": select, "stabilizationWindowSeconds": window, "policies": made}


@pytest.mark.parametrize(
    ("proposed", "current", "replicas", "reason"),
    [
        pytest.param(3, 3, 3, "DesiredWithinRange", id="as it is"),
        pytest.param(30, 3, 6, "ScaleUpLimit", id="twice as many at once"),
        pytest.param(30, 1, 4, "ScaleUpLimit", id="but always four"),
        pytest.param(30, 9, 10, "TooManyReplicas", id="the most"),
        pytest.param(1, 3, 2, "TooFewReplicas", id="the fewest"),
    ],
)
def test_limits_without_a_behavior(proposed: int, current: int, replicas: int, reason: str) -> None:
    found = limits.bounded(proposed, Bounds(current, 2, 10), None, History(), NOON)
    assert (found.replicas, found.limited[0], found.is_limited) == (replicas, reason, proposed != replicas)


def test_the_highest_recommendation_counts_for_five_minutes() -> None:
    history, bounds = History(), Bounds(5, 1, 10)
    assert limits.bounded(5, bounds, None, history, NOON).replicas == 5
    held = limits.bounded(2, bounds, None, history, NOON + 4 * MINUTE)
    assert (held.replicas, held.able[0]) == (5, "ScaleDownStabilized")
    free = limits.bounded(2, bounds, None, history, NOON + 6 * MINUTE)
    assert (free.replicas, free.able[0]) == (2, "ReadyForNewScale")


@pytest.mark.parametrize(
    ("rules_", "ups", "limit"),
    [
        pytest.param(rules(Pods=(4, 60)), (), 9, id="pods"),
        pytest.param(rules(Percent=(50, 60)), (), 8, id="percent, rounded up"),
        pytest.param(rules(Pods=(4, 60), Percent=(100, 60)), (), 10, id="the larger change"),
        pytest.param(rules("Min", Pods=(4, 60), Percent=(100, 60)), (), 9, id="the smaller change"),
        pytest.param(rules("Disabled", Pods=(4, 60)), (), 5, id="none"),
        pytest.param(rules(Pods=(4, 60)), (Moment(3, NOON - MINUTE / 2),), 6, id="less what was added already"),
    ],
)
def test_upper_limit(rules_: Object, ups: tuple[Moment, ...], limit: int) -> None:
    assert limits.upper_limit(5, rules_, History(ups=list(ups)), NOON) == limit


def test_lower_limit_and_windows() -> None:
    behavior = {"scaleUp": rules(Pods=(4, 60)), "scaleDown": rules(window=60, Pods=(1, 60))}
    history, bounds = History(), Bounds(5, 1, 10)
    assert limits.bounded(5, bounds, behavior, history, NOON).replicas == 5
    assert limits.bounded(1, bounds, behavior, history, NOON + MINUTE / 2).able[0] == "ScaleDownStabilized"
    found = limits.bounded(1, bounds, behavior, history, NOON + 2 * MINUTE)
    assert (found.replicas, found.limited[0]) == (4, "ScaleDownLimit")


# the whole


class Metered(ApiClient):
    """Serves the metrics APIs too, which belong to servers of their own."""

    load = "500m"

    async def raw(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        if not target.startswith("/apis/metrics.k8s.io"):
            return await super().raw(method, target, body, headers)
        if not self.load:
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        found = (await self.list(pod.KIND, "default")).items
        usage = [{"name": "web", "usage": {"cpu": self.load}}]
        about = {"timestamp": format_time(NOON + 2 * MINUTE), "window": "30s", "containers": usage}
        items = [{**about, "metadata": {"name": p["metadata"]["name"]}} for p in found]
        return Response(200, {}, msgspec.json.encode({"items": items}))


def an_autoscaler(**spec: Any) -> Object:
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5, "metrics": [metric], **spec}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


async def prepared(cluster: Workbench, replicas: int = 2) -> Metered:
    cluster.client = client = Metered(cluster.client.transport)  # type: ignore[attr-defined]
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    made = await cluster.create(deployment.KIND, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
    await client.update(deployment.KIND, {**made, "status": {"replicas": replicas}}, subresource="status")
    for made in pods(replicas):
        await cluster.create(pod.KIND, made, status=made["status"])
    return client


async def replicas_of(cluster: Workbench) -> int:
    found: int = (await cluster.client.get(deployment.KIND, "web", "default"))["spec"]["replicas"]
    return found


async def status_of(cluster: Workbench) -> tuple[Object, dict[str, str]]:
    """(the status, reasons of its conditions)."""
    status = (await cluster.client.get(autoscalers.KIND, "web", "default"))["status"]
    return status, {c["type"]: c["reason"] for c in status["conditions"]}


async def test_a_loaded_workload_grows_and_shrinks() -> None:
    async with Workbench.real() as cluster:
        client = await prepared(cluster)
        client.load = "1"
        async with cluster.running(CONTROLLER):
            await cluster.create(autoscalers.KIND, an_autoscaler())
            await cluster.clock.advance(1)
            assert await replicas_of(cluster) == 4
            status, reasons = await status_of(cluster)
            assert (status["currentReplicas"], status["desiredReplicas"], status["observedGeneration"]) == (2, 4, 1)
            assert status["currentMetrics"][0]["resource"]["current"] == {
                "averageUtilization": 100,
                "averageValue": "1",
            }
            assert reasons == {
                "AbleToScale": "SucceededRescale",
                "ScalingActive": "ValidMetricFound",
                "ScalingLimited": "DesiredWithinRange",
                "ScaledToZero": "NotScaledToZero",
            }
            text = "New size: 4; reason: cpu resource utilization (percentage of request) above target"
            await cluster.clock.advance(2)
            assert ("SuccessfulRescale", "web", text) in await cluster.events("default")
            client.load = "100m"
            await cluster.clock.advance(60)
            assert (await status_of(cluster))[1]["AbleToScale"] == "ScaleDownStabilized"
            await cluster.clock.advance(300)
            assert await replicas_of(cluster) == 1


async def test_bounds_need_no_metrics() -> None:
    async with Workbench.real() as cluster:
        client = await prepared(cluster)
        client.load = ""
        async with cluster.running(CONTROLLER):
            await cluster.create(autoscalers.KIND, an_autoscaler(minReplicas=3))
            await cluster.clock.advance(1)
            assert await replicas_of(cluster) == 3
            await cluster.clock.advance(20)
            status, reasons = await status_of(cluster)
            assert reasons["ScalingActive"] == "FailedGetResourceMetric"
            (message,) = (c["message"] for c in status["conditions"] if c["type"] == "ScalingActive")
            assert message == (
                "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics "
                "for resource cpu: unable to fetch metrics from resource metrics API: "
                "the server could not find the requested resource"
            )


async def test_a_target_that_is_not_there() -> None:
    async with Workbench.real() as cluster, cluster.running(CONTROLLER):
        await cluster.create(autoscalers.KIND, an_autoscaler())
        await cluster.clock.advance(1)
        _, reasons = await status_of(cluster)
        assert reasons == {"AbleToScale": "FailedGetScale"}


async def test_a_workload_at_zero_is_left_alone() -> None:
    async with Workbench.real() as cluster:
        await prepared(cluster, replicas=0)
        async with cluster.running(CONTROLLER):
            await cluster.create(autoscalers.KIND, an_autoscaler())
            await cluster.clock.advance(1)
            assert await replicas_of(cluster) == 0
            assert (await status_of(cluster))[1]["ScalingActive"] == "ScalingDisabled"

"""What is counted while pods are scheduled, under kube-scheduler's names."""

import pytest
from msgspec.structs import replace

from umiak.api.core import node, pod
from umiak.scheduler.contract import Plugin
from umiak.scheduler.metrics import attempts_label, exponential
from umiak.scheduler.profile import default_profile


@pytest.mark.parametrize(("attempts", "label"), [(1, "1"), (14, "14"), (15, "15+"), (99, "15+")])
def test_many_attempts_are_one_label(attempts, label):
    assert attempts_label(attempts) == label


def test_bounds_grow():
    assert exponential(0.001, 2, 4) == [0.001, 0.002, 0.004, 0.008]


async def test_what_is_counted(cluster, scheduling, node_of, pod_of):
    """One pod placed, one that fits nowhere, one with gates, and one that others must leave for."""
    async with scheduling(cluster) as scheduler:
        await cluster.create(node.KIND, node_of("n1", cpu="1"))
        await cluster.create(pod.KIND, pod_of("placed", cpu="1"))
        await cluster.clock.advance(1)
        await cluster.create(pod.KIND, pod_of("gated", schedulingGates=[{"name": "g"}]))
        await cluster.create(pod.KIND, pod_of("waiting", cpu="2"))
        await cluster.create(pod.KIND, pod_of("vip", cpu="1", priority=5))
        await cluster.clock.advance(0.1)
        told = dict(line.rsplit(" ", 1) for line in scheduler.metrics.text().decode().splitlines() if line[0] != "#")
    for series, value in {
        'scheduler_schedule_attempts_total{result="scheduled",profile="default-scheduler"}': 1,
        'scheduler_schedule_attempts_total{result="unschedulable",profile="default-scheduler"}': 2,
        'scheduler_scheduling_attempt_duration_seconds_count{result="scheduled",profile="default-scheduler"}': 1,
        "scheduler_scheduling_algorithm_duration_seconds_count": 3,
        'scheduler_pod_scheduling_sli_duration_seconds_count{attempts="1"}': 1,
        "scheduler_pod_scheduling_attempts_sum": 1,
        "scheduler_preemption_attempts_total": 2,
        "scheduler_preemption_victims_sum": 1,
        'scheduler_pending_pods{queue="gated"}': 1,
        'scheduler_cache_size{type="nodes"}': 1,
        'scheduler_queue_incoming_pods_total{queue="active",event="UnscheduledPodAdd"}': 3,
        'scheduler_queue_incoming_pods_total{queue="gated",event="UnscheduledPodAdd"}': 1,
        'scheduler_unschedulable_pods{plugin="SchedulingGates",profile="default-scheduler"}': 1,
        'scheduler_unschedulable_pods{plugin="NodeResourcesFit",profile="default-scheduler"}': 2,
        'scheduler_framework_extension_point_duration_seconds_count{extension_point="Filter",status="Success",'
        'profile="default-scheduler"}': 1,
        'scheduler_framework_extension_point_duration_seconds_count{extension_point="Bind",status="Success",'
        'profile="default-scheduler"}': 1,
    }.items():
        assert float(told[series]) == value, series


async def test_a_pod_that_breaks_a_rule_stops_nobody_else(cluster, scheduling, node_of, pod_of):
    def odd(cycle, node):
        if cycle.pod.name == "odd":
            raise KeyError("a bug")

    usual = default_profile()
    plugins = [*usual.plugins, Plugin(name="Odd", order=999, filter=odd)]
    async with scheduling(cluster, [replace(usual, plugins=plugins)]) as scheduler:
        await cluster.create(node.KIND, node_of("n1"))
        await cluster.create(pod.KIND, pod_of("odd"))
        await cluster.create(pod.KIND, pod_of("even"))
        await cluster.clock.advance(0.5)
        found = await cluster.client.get(pod.KIND, "odd", "default")
        assert found["status"]["conditions"][0]["reason"] == "SchedulerError"
        assert (await cluster.client.get(pod.KIND, "even", "default"))["spec"]["nodeName"] == "n1"
        assert b'{result="error",profile="default-scheduler"} 1' in scheduler.metrics.text()

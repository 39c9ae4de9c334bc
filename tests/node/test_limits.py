"""What the kernel is told of requests and limits; the figures are those of kubelet's own tests and documents."""

import pytest

from umiak.node import limits, qos
from umiak.node.cgroups import parts, slice_name, weight


def a_pod(*resources, **spec):
    return {
        "metadata": {"uid": "u"},
        "spec": {"containers": [{"name": f"c{i}", "resources": r} for i, r in enumerate(resources)], **spec},
    }


def both(cpu, memory):
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}


@pytest.mark.parametrize(
    ("pod", "found"),
    [
        (a_pod({}), "BestEffort"),
        (a_pod({"requests": {"cpu": "0"}}), "BestEffort"),
        (a_pod({"requests": {"cpu": "1"}}), "Burstable"),
        (a_pod(both("1", "1Gi")), "Guaranteed"),
        (a_pod({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
        (a_pod(both("1", "1Gi"), {}), "Burstable"),
        (a_pod({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}), "Burstable"),
    ],
)
def test_class(pod, found):
    assert qos.qos_class(pod) == found


@pytest.mark.parametrize(("millicpu", "shares"), [(0, 2), (1, 2), (100, 102), (1000, 1024), (10**9, 262144)])
def test_shares(millicpu, shares):
    assert limits.shares(millicpu) == shares


@pytest.mark.parametrize(("millicpu", "quota"), [(0, 0), (5, 1000), (20, 2000), (200, 20000), (1500, 150000)])
def test_quota(millicpu, quota):
    assert limits.quota(millicpu) == quota


@pytest.mark.parametrize(("shares", "found"), [(2, 1), (1024, 39), (262144, 10000), (1, 1)])
def test_weight(shares, found):
    assert weight(shares) == found


@pytest.mark.parametrize(
    ("pod", "score"),
    [
        (a_pod({}), 1000),
        (a_pod(both("1", "1Gi")), -997),
        (a_pod({"requests": {"memory": "4Gi"}}), 500),
        (a_pod({"requests": {"memory": "8Gi"}}), 3),
        (a_pod({"requests": {"cpu": "1"}}), 999),
        (a_pod({}, priority=2_000_000_000), -997),
    ],
)
def test_oom_score(pod, score):
    assert qos.oom_score_adj(pod, pod["spec"]["containers"][0], 8 << 30) == score


def test_pod_resources_count_init_containers_and_sidecars():
    """KEP-753: the larger of what runs at the same time."""
    inits = [
        {"name": "big", "resources": {"requests": {"cpu": "3"}}},
        {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}},
    ]
    pod = a_pod({"requests": {"cpu": "1"}}, initContainers=inits)
    assert limits.requested(pod)["cpu"] == 3000
    inits[0]["resources"]["requests"]["cpu"] = "1"
    assert limits.requested(pod)["cpu"] == 2000


def test_pod_limit_only_when_all_have_one():
    assert limits.pod_resources(a_pod(both("1", "1Gi"), both("1", "1Gi"))).memory_limit == 2 << 30
    assert limits.pod_resources(a_pod(both("1", "1Gi"), {})).memory_limit == 0


def test_names_of_groups():
    assert parts("Guaranteed", "u") == ["kubepods", "podu"]
    assert slice_name(parts("Burstable", "a-b")) == "kubepods-burstable-poda_b.slice"

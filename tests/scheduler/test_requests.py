"""What a pod requests. Sources: component-helpers `resource/helpers_test.go`, `framework/types_test.go`
(TestCalculatePodResourcesWithResize), `plugins/noderesources/resource_allocation_test.go`."""

import pytest

from umiak.scheduler.requests import figures, held, requested

MEGABYTES_200 = 200 * 1024 * 1024


def container(cpu="", memory="", name="c", **more) -> dict:
    asked = {key: text for key, text in (("cpu", cpu), ("memory", memory)) if text}
    return {"name": name, "resources": {"requests": asked}, **more}


def given(name="c", allocated=None, actual=None) -> dict:
    found = {"name": name}
    if allocated is not None:
        found["allocatedResources"] = {"cpu": allocated}
    if actual is not None:
        found["resources"] = {"requests": {"cpu": actual}}
    return found


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        pytest.param({"containers": [container("1"), container("2")]}, 3000, id="sum"),
        pytest.param({"containers": [container("1")], "initContainers": [container("3")]}, 3000, id="init peak"),
        pytest.param(
            {"containers": [container("1")], "initContainers": [container("1", restartPolicy="Always")]},
            2000,
            id="sidecar",
        ),
        pytest.param(
            {
                "containers": [container("1")],
                "initContainers": [container("1", restartPolicy="Always"), container("3"), container("2")],
            },
            4000,
            id="init on top of a sidecar",
        ),
        pytest.param(
            {"containers": [container("1")], "resources": {"requests": {"cpu": "5"}}, "overhead": {"cpu": "500m"}},
            5500,
            id="pod level overrides, overhead adds",
        ),
    ],
)
def test_requested(spec, want):
    assert requested(spec)["cpu"] == want


def test_pods_as_a_whole_ask_only_for_cpu_memory_and_huge_pages():
    asked = {"cpu": "1", "hugepages-2Mi": "4Mi", "example.com/gpu": "1"}
    spec = {"containers": [container()], "resources": {"requests": asked}}
    assert requested(spec) == {"cpu": 1000, "hugepages-2Mi": 4 * 1024 * 1024}


INFEASIBLE = [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]
DEFERRED = [{"type": "PodResizePending", "status": "True", "reason": "Deferred"}]


@pytest.mark.parametrize(
    ("status", "want"),
    [
        pytest.param({}, 1000, id="nothing reported"),
        pytest.param({"containerStatuses": [given(allocated="3", actual="2")]}, 3000, id="allocated is most"),
        pytest.param({"containerStatuses": [given(allocated="500m", actual="2")]}, 2000, id="in force is most"),
        pytest.param({"containerStatuses": [given(allocated="500m")]}, 1000, id="asked is most"),
        pytest.param({"containerStatuses": [given(allocated="500m")], "conditions": DEFERRED}, 1000, id="deferred"),
        pytest.param({"containerStatuses": [given(allocated="500m")], "conditions": INFEASIBLE}, 500, id="refused"),
        pytest.param({"containerStatuses": [given()], "conditions": INFEASIBLE}, 0, id="refused, nothing allocated"),
    ],
)
def test_held_while_resized(status, want):
    assert held({"containers": [container("1")]}, status).get("cpu", 0) == want


def test_held_by_a_pod_that_is_resized_as_a_whole():
    spec = {"containers": [container("1")], "resources": {"requests": {"cpu": "2"}}}
    status = {"allocatedResources": {"cpu": "4"}, "resources": {"requests": {"cpu": "3"}}}
    assert held(spec, status) == {"cpu": 4000}


@pytest.mark.parametrize(
    ("spec", "want"),
    [
        pytest.param({"containers": [container(), container("1")]}, (1100, 2 * MEGABYTES_200), id="each counts"),
        pytest.param(
            {"containers": [container(), container("1")], "resources": {"requests": {"memory": "1Mi"}}},
            (1000, 1024 * 1024),
            id="pod level: only what nothing names",
        ),
        pytest.param(
            {"containers": [container(), container()], "resources": {"requests": {"cpu": "1"}}},
            (1000, 2 * MEGABYTES_200),
            id="pod level without memory",
        ),
    ],
)
def test_counted_on_a_node(spec, want):
    assert figures(spec, {}).counted == want


def test_rated_for_a_node_by_its_containers_alone():
    """NewFit does not tell its scorer of pod-level requests."""
    spec = {"containers": [container("1")], "resources": {"requests": {"cpu": "4", "memory": "1Gi"}}}
    assert figures(spec, {}).rated == (1000, MEGABYTES_200)

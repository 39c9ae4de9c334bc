"""A slim pod answers what controllers that count pods ask just as the whole one does."""

import msgspec
import pytest

from umiak.controllers import _pods as pods
from umiak.controllers._slim import slim_pod
from umiak.objects import meta
from umiak.testing.clock import NOON

ABOUT = {
    "name": "web-x",
    "namespace": "default",
    "uid": "u",
    "labels": {"a": "b"},
    "annotations": {"controller.kubernetes.io/pod-deletion-cost": "7"},
    "creationTimestamp": "2026-03-01T11:00:00Z",
    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "r", "controller": True}],
}
SPEC = {
    "nodeName": "n",
    "containers": [{"name": "c", "image": "i"}],
    "initContainers": [{"name": "s", "image": "i", "restartPolicy": "Always"}],
}
STATUS = {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-01T11:59:00Z"}],
    "containerStatuses": [{"name": "c", "restartCount": 2, "ready": True}],
    "initContainerStatuses": [{"name": "s", "restartCount": 3, "ready": True}],
}
POD = {"metadata": ABOUT, "spec": SPEC, "status": STATUS}


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(POD, id="running"),
        pytest.param({**POD, "status": {**STATUS, "phase": "Failed"}}, id="failed"),
        pytest.param({**POD, "metadata": {**ABOUT, "deletionTimestamp": "2026-03-01T12:00:30Z"}}, id="terminating"),
        pytest.param({"metadata": {"name": "new"}, "spec": {"containers": []}}, id="new"),
    ],
)
def test_the_answers_are_the_same(pod) -> None:
    slim = slim_pod(msgspec.json.encode(pod))
    questions = [
        pods.is_active,
        pods.is_ready,
        pods.is_terminating,
        pods.node_name,
        pods.phase,
        pods.ready_since,
        pods.created,
        pods.deletion_cost,
        pods.restarts,
        meta.controller_of,
        meta.labels,
        meta.key,
        lambda p: pods.is_available(p, 30, NOON),
    ]
    assert [ask(slim) for ask in questions] == [ask(pod) for ask in questions]

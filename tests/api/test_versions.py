"""Kinds with two versions: what one version cannot say survives in it all the same."""

import json

import pytest

from umiak.api import registry
from umiak.api.schema import decode
from umiak.objects.encoding import copy

V1 = registry.find("autoscaling/v1", "HorizontalPodAutoscaler")
V2 = registry.find("autoscaling/v2", "HorizontalPodAutoscaler")

METRICS = [
    {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
    {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}},
    {
        "type": "ContainerResource",
        "containerResource": {
            "name": "cpu",
            "container": "web",
            "target": {"type": "Utilization", "averageUtilization": 70},
        },
    },
    {"type": "Pods", "pods": {"metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "5"}}},
    {
        "type": "Object",
        "object": {
            "describedObject": {"kind": "Ingress", "name": "door", "apiVersion": "networking.k8s.io/v1"},
            "metric": {"name": "knocks", "selector": {"matchLabels": {"a": "b"}}},
            "target": {"type": "Value", "value": "10k"},
        },
    },
    {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "30"}}},
]


def an_autoscaler(**spec):
    obj = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "minReplicas": 1, "maxReplicas": 3, **spec},
    }
    return decode(V2.schema, obj)[0]


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m["type"])
def test_every_metric_survives_v1(metric):
    there = an_autoscaler(metrics=[metric])
    assert V1.to_storage(V1.from_storage(copy(there))) == there


def test_behavior_and_status_survive_v1():
    rules = {"stabilizationWindowSeconds": 3, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 9}]}
    there = an_autoscaler(metrics=METRICS[:1], behavior={"scaleUp": rules, "scaleDown": {"selectPolicy": "Max"}})
    there["status"]["conditions"] = [{"type": "AbleToScale", "status": "True", "lastTransitionTime": None}]
    there["status"]["currentMetrics"] = [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 7, "averageValue": "2m"}}}
    ]
    older = V1.from_storage(copy(there))
    assert older["status"]["currentCPUUtilizationPercentage"] == 7
    notes = older["metadata"]["annotations"]
    assert json.loads(notes["autoscaling.alpha.kubernetes.io/behavior"])["ScaleUp"]["Policies"][0]["PeriodSeconds"] == 9
    assert V1.to_storage(older) == there


def test_cpu_only_needs_no_annotation():
    older = V1.from_storage(an_autoscaler(metrics=METRICS[:1]))
    assert older["spec"]["targetCPUUtilizationPercentage"] == 50
    assert "annotations" not in older["metadata"]


def test_without_metrics_v1_assumes_cpu_at_80_percent():
    older = {"metadata": {"name": "a"}, "spec": {"maxReplicas": 2}}
    assert V1.to_storage(older)["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 80


def test_unreadable_annotations_are_ignored():
    notes = {"autoscaling.alpha.kubernetes.io/metrics": '[{"pods": 7}]', "mine": "kept"}
    newer = V1.to_storage({"metadata": {"name": "a", "annotations": notes}, "spec": {"maxReplicas": 2}})
    assert newer["metadata"]["annotations"] == {"mine": "kept"}
    assert len(newer["spec"]["metrics"]) == 1


def test_events_are_the_same_objects():
    new = registry.find("events.k8s.io/v1", "Event")
    old = registry.find("v1", "Event")
    assert new.store_prefix("a") == old.store_prefix("a")
    event = decode(new.schema, {"metadata": {"name": "e"}, "regarding": {"name": "p"}, "note": "hello"})[0]
    kept = new.to_storage(copy(event))
    assert (kept["message"], kept["involvedObject"]) == ("hello", {"name": "p"})
    assert decode(old.schema, copy(kept))[0] == kept
    assert new.from_storage(kept) == event | {"apiVersion": "events.k8s.io/v1"}

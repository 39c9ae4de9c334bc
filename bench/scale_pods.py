"""Pods of the scale runs: those of the reference's scheduler_perf, where a row is one of its cases.

`%s` stands for the name.
"""

import json
from typing import Any

Object = dict[str, Any]
IMAGE = "registry.example/pause:3"
PRIORITY_CLASSES: tuple[Object, ...] = (
    {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "important"}, "value": 10},
)


def pod(cpu: str = "100m", memory: str = "500Mi", labels: Object | None = None, **spec: Any) -> Object:
    amounts = {"cpu": cpu, "memory": memory}
    container = {"name": "pause", "image": IMAGE, "ports": [{"containerPort": 80}]}
    container["resources"] = {"limits": amounts, "requests": amounts}
    about = {"name": "%s", **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": {"containers": [container], **spec}}


def near(color: str, key: str) -> Object:
    return {"labelSelector": {"matchLabels": {"color": color}}, "topologyKey": key}


def affinity(what: str, color: str, key: str) -> Object:
    labels = {"color": color}
    return pod(labels=labels, affinity={what: {"requiredDuringSchedulingIgnoredDuringExecution": [near(color, key)]}})


def spreading(action: str, color: str = "blue") -> Object:
    constraint = {"maxSkew": 5, "whenUnsatisfiable": action, **near(color, "topology.kubernetes.io/zone")}
    return pod(labels={"color": color}, topologySpreadConstraints=[constraint])


TEMPLATES: dict[str, Object] = {
    "plain": pod(),
    "affinity": affinity("podAffinity", "blue", "topology.kubernetes.io/zone"),
    "anti-affinity": affinity("podAntiAffinity", "green", "kubernetes.io/hostname"),
    "spreading": spreading("DoNotSchedule"),
    "preferred-spreading": spreading("ScheduleAnyway"),
    "unimportant": pod("900m", terminationGracePeriodSeconds=0),
    "important": pod("3000m", priorityClassName="important"),
}


def template(name: str) -> str:
    """As the load generator takes it; empty stands for its own pod."""
    return json.dumps(TEMPLATES[name]) if name in TEMPLATES else ""


def deployment(replicas: int) -> Object:
    labels = {"app": "wide"}
    made = pod("10m", "16Mi", labels)
    del made["metadata"]["name"]
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": made}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "wide"}, "spec": spec}


CHURN: tuple[tuple[str, Object], ...] = (
    (
        "/api/v1/nodes",
        {
            "metadata": {"name": "churn"},
            "status": {
                "capacity": {"cpu": "1", "memory": "1Gi", "pods": "0"},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        },
    ),
    ("/api/v1/namespaces/default/pods", {**pod("20", priorityClassName="important"), "metadata": {"name": "churn"}}),
    (
        "/api/v1/namespaces/default/services",
        {"metadata": {"name": "churn"}, "spec": {"selector": {"app": "foo"}, "ports": [{"port": 8080}]}},
    ),
)
"""Where, and what comes and goes while pods are placed: a node without room, a pod that fits nowhere, a service."""

"""A whole cluster drawn by hypothesis: nodes, what runs on them, and pods that wait for a place."""

import generated_devices as devices
import generated_storage as storage
from generated_pods import (
    APPS,
    HIGH,
    HOSTNAME,
    LOW,
    NAMESPACES,
    PRIORITIES,
    REGION,
    ZONE,
    Draw,
    Object,
    chance,
    one,
    placed,
    some,
    waiting,
)
from hypothesis import strategies as st

MEGABYTE = 1000 * 1000
PLAIN, ROOMY, CROWDED = "plain", "roomy", "crowded"
"""Clusters where all may happen, where room is no matter, and where important pods find less important ones."""
WORKLOADS = (("apps/v1", "ReplicaSet"), ("apps/v1", "StatefulSet"), ("v1", "ReplicationController"))


def node_labels(draw: Draw, name: str) -> dict[str, str]:
    found = {HOSTNAME: name}
    if chance(draw, 8):
        found[ZONE] = one(draw, "a", "b", "c")
    if chance(draw, 3):
        found[REGION] = "r"
    if chance(draw, 6):
        found["disk"] = one(draw, "ssd", "hdd")
    if chance(draw, 5):
        found["rack"] = one(draw, "r1", "r2", "")
    if chance(draw, 5):
        found["size"] = one(draw, "2", "5", "8", "large")
    if chance(draw, 1):
        del found[HOSTNAME]
    return found


def taint(draw: Draw) -> Object:
    found: Object = {"key": one(draw, "dedicated", "gpu", "slow")}
    found["effect"] = one(draw, "NoSchedule", "NoExecute", "PreferNoSchedule", "PreferNoSchedule", "PreferNoSchedule")
    if chance(draw, 6):
        found["value"] = one(draw, "x", "y")
    return found


def offered(draw: Draw, mode: str) -> dict[str, str]:
    if mode == ROOMY:
        return {"cpu": "32", "memory": one(draw, "64Gi", "30Gi"), "pods": "110", "ephemeral-storage": "100Gi"}
    found = {"cpu": one(draw, "2", "4", "8", "3500m", "16"), "memory": one(draw, "2Gi", "8Gi", "8Gi", "16000M")}
    found["pods"] = one(draw, "3", "6", "110", "110")
    found["ephemeral-storage"] = one(draw, "5Gi", "50Gi")
    if chance(draw, 6):
        found["example.com/gpu"] = one(draw, "1", "4")
    if chance(draw, 6):
        found["hugepages-2Mi"] = "8Mi"
    return found


def images(draw: Draw) -> list[Object]:
    known = (
        {"names": ["web:1"], "sizeBytes": 90 * MEGABYTE},
        {"names": ["registry.example/db:2", "registry.example/db@sha256:" + "1" * 64], "sizeBytes": 1500 * MEGABYTE},
        {"names": ["cache:latest"], "sizeBytes": 30 * MEGABYTE},
        {"names": ["tools@sha256:" + "0" * 64], "sizeBytes": 700 * MEGABYTE},
    )
    found = [dict(known[n]) for n in some(draw, (0, 1, 2, 3), 4)]
    if found and one(draw, *range(20)) == 19:
        found[0]["sizeBytes"] = 400 * MEGABYTE  # another build under the same name
    return found


def node(draw: Draw, name: str, mode: str) -> Object:
    spec: Object = {}
    taints = [taint(draw) for _ in range(one(draw, 0, 0, 0, 0, 1, 2))]
    if one(draw, *range(20)) == 19:
        spec["unschedulable"] = True
        taints.append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    if taints:
        spec["taints"] = taints
    amounts = offered(draw, mode)
    status: Object = {"allocatable": amounts, "capacity": amounts, "images": images(draw)}
    if chance(draw, 4):
        status["declaredFeatures"] = ["UserNamespacesHostNetworkSupport"]
    about = {"name": name, "labels": node_labels(draw, name)}
    return {"apiVersion": "v1", "kind": "Node", "metadata": about, "spec": spec, "status": status}


def budget(draw: Draw, number: int, app: str) -> Object:
    """For one app each: a pod under two budgets is judged in the order of a Go map."""
    about = {"name": f"budget{number}", "namespace": one(draw, *NAMESPACES)}
    status: Object = {"disruptionsAllowed": one(draw, 0, 0, 1, 2)}
    if chance(draw, 1):
        status["disruptedPods"] = {"p1": "2026-01-01T00:00:00Z"}
    spec: Object = {"selector": {"matchLabels": {"app": app}}}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": about,
        "spec": spec,
        "status": status,
    }


def service(draw: Draw, number: int) -> Object:
    about = {"name": f"service{number}", "namespace": one(draw, *NAMESPACES)}
    selector = one(draw, {"app": "web"}, {"app": "db"}, {"tier": "front"}, {"app": "web", "tier": "back"}, {})
    return {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": {"selector": selector}}


def workload(app: str, api_version: str, kind: str) -> Object:
    name, selector = f"set-{app}", {"app": app}
    spec = {"selector": selector if kind == "ReplicationController" else {"matchLabels": selector}}
    about = {"name": name, "namespace": "default", "uid": f"{kind}-{name}"}
    return {"apiVersion": api_version, "kind": kind, "metadata": about, "spec": spec}


def own(draw: Draw, pod: Object) -> None:
    """Makes a workload of its app the controller of a pod."""
    app = (pod["metadata"].get("labels") or {}).get("app")
    if app and pod["metadata"]["namespace"] == "default":
        api_version, kind = one(draw, *WORKLOADS)
        owner = {"apiVersion": api_version, "kind": kind, "name": f"set-{app}", "uid": f"{kind}-set-{app}"}
        pod["metadata"]["ownerReferences"] = [{**owner, "controller": True}]


def namespaces() -> list[Object]:
    teams = {"default": {}, "red": {"team": "red"}, "blue": {"team": "blue"}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": found}}
        for name, found in teams.items()
    ]


@st.composite
def clusters(draw: Draw) -> list[Object]:
    """All objects of one cluster."""
    mode = one(draw, PLAIN, PLAIN, ROOMY, CROWDED)
    count = one(draw, 3, 4, 5, 6, 8, 10)
    nodes = [node(draw, f"n{number}", mode) for number in range(count)]
    running = []
    for number in range(one(draw, 4, 8, 12, 16, 24)):
        where = f"n{one(draw, *range(count + (1 if chance(draw, 1) else 0)))}"
        running.append(placed(draw, number, where, LOW if mode == CROWDED else PRIORITIES))
    important = HIGH if mode == CROWDED else PRIORITIES
    pods = [waiting(draw, number, count, important) for number in range(one(draw, 3, 4, 5))]
    stored = stored_for(draw, count, running, pods) if chance(draw, 5) else []
    stored += devices.everything(draw, count, running, pods) if chance(draw, 2) else []
    for pod in [*running, *pods]:
        if chance(draw, 3):
            own(draw, pod)
    budgets = [budget(draw, number, app) for number, app in enumerate(APPS) if chance(draw, 4)]
    services = [service(draw, number) for number in range(one(draw, 0, 0, 1, 2))]
    sets = [workload(app, *kind) for app in APPS for kind in WORKLOADS if chance(draw, 6)]
    return [*namespaces(), *nodes, *stored, *running, *pods, *budgets, *services, *sets]


def stored_for(draw: Draw, nodes: int, running: list[Object], pods: list[Object]) -> list[Object]:
    claims, stored = storage.everything(draw, nodes)
    made = []
    for pod in running:
        made += storage.use(draw, pod, claims) if chance(draw, 3) else []
    for pod in pods:
        made += storage.use(draw, pod, claims) if chance(draw, 6) else []
    return [*stored, *claims, *made]

"""Deployments, ReplicaSets, StatefulSets and DaemonSets."""

import time

from .common import CLAIM, LABELS, MERGE, MERGE_ALL, image, template, workload


def deployment(stage):
    """Rollout, scaling, rollback, pause."""
    stage.create("deployments", workload(replicas=3))
    stage.settle()
    stage.run()
    stage.change("deployments", "a", image("second"), content=MERGE_ALL)
    stage.settle()
    for _ in range(4):
        stage.run()
    stage.change("deployments", "a", {"spec": {"replicas": 5}})
    stage.settle()
    stage.run()
    stage.change("deployments", "a", image("i"), content=MERGE_ALL)
    stage.settle()
    for _ in range(4):
        stage.run()
    stage.change("deployments", "a", {"spec": {"paused": True}})
    stage.change("deployments", "a", image("third"), content=MERGE_ALL)
    stage.settle()


def deployment_stuck(stage):
    """A deadline that passes, then Recreate."""
    stage.create("deployments", workload(replicas=2, progressDeadlineSeconds=3, minReadySeconds=0))
    stage.settle()
    time.sleep(4)
    stage.settle()
    stage.change("deployments", "a", {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}})
    stage.change("deployments", "a", image("second"), content=MERGE_ALL)
    for _ in range(3):
        stage.run()


def proportional(stage):
    """Scaling while a rollout is on its way."""
    wanted = workload(replicas=10)
    wanted["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
    stage.create("deployments", wanted)
    stage.settle()
    stage.run()
    stage.change("deployments", "a", image("second"), content=MERGE_ALL)
    stage.settle()
    stage.change("deployments", "a", {"spec": {"replicas": 20}})
    stage.settle()
    stage.change("deployments", "a", image("third"), content=MERGE_ALL)
    stage.settle()
    stage.change("deployments", "a", {"spec": {"replicas": 7}})
    stage.settle()


def history(stage):
    """As many old ReplicaSets as wanted."""
    stage.create("deployments", workload(replicas=1, revisionHistoryLimit=1))
    stage.settle()
    stage.run()
    for name in ("second", "third", "fourth"):
        stage.change("deployments", "a", image(name), content=MERGE_ALL)
        stage.settle()
        stage.run()
        stage.run()


def replicaset(stage):
    """Adoption, release, deletion costs."""
    stage.create("pods", {"metadata": {"name": "orphan", "labels": LABELS}, "spec": template()["spec"]})
    stage.create("replicasets", workload(replicas=3))
    stage.settle()
    stage.run()
    stage.change("pods", "orphan", {"metadata": {"labels": {"app": "b"}}})
    stage.settle()
    stage.run()
    stage.change("replicasets", "a", {"spec": {"replicas": 1}})
    stage.settle()
    stage.run()
    stage.delete("replicasets", "a", propagation="Orphan")
    stage.settle()


def least_useful(stage):
    """Which pods go first: not scheduled, not ready, cheap, young."""
    stage.create("replicasets", workload(replicas=6))
    stage.settle()
    pods = sorted(pod["metadata"]["name"] for pod in stage.list("pods"))
    roles = dict(zip(pods, ("unscheduled", "pending", "unready", "cheap", "dear", "ready"), strict=True))
    stage.bind("n1", lambda p: roles[p["metadata"]["name"]] != "unscheduled")
    costs = {"cheap": "-10", "dear": "10"}
    for pod in stage.list("pods"):
        role = roles[pod["metadata"]["name"]]
        if role in costs:
            notes = {"controller.kubernetes.io/pod-deletion-cost": costs[role]}
            stage.change("pods", pod["metadata"]["name"], {"metadata": {"annotations": notes}})
        if role not in ("unscheduled", "pending"):
            stage.report(pod, "Running", ready=role != "unready")
    left = []
    for count in (5, 4, 3, 2, 1):
        stage.change("replicasets", "a", {"spec": {"replicas": count}})
        stage.settle()
        gone = [p for p in stage.list("pods") if p["metadata"].get("deletionTimestamp")]
        left.append([roles[p["metadata"]["name"]] for p in gone])
        for pod in gone:
            stage.delete("pods", pod["metadata"]["name"], grace=0)
    stage.keep("order", left)


def statefulset(stage):
    """One after the other, an update with a partition, claims that go."""
    claim = {"metadata": {"name": "data"}, "spec": {**CLAIM, "storageClassName": ""}}
    policy = {"whenScaled": "Delete", "whenDeleted": "Delete"}
    wanted = workload(replicas=3, serviceName="a", volumeClaimTemplates=[claim])
    wanted["spec"]["persistentVolumeClaimRetentionPolicy"] = policy
    stage.create("statefulsets", wanted)
    stage.settle()
    for _ in range(3):
        stage.run()
    change = image("second")
    change["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    stage.change("statefulsets", "a", change, content=MERGE_ALL)
    stage.settle()
    for _ in range(6):
        stage.run()
    stage.change("statefulsets", "a", {"spec": {"replicas": 1}})
    stage.settle()
    for _ in range(3):
        stage.run()


def statefulset_parallel(stage):
    """Parallel, maxUnavailable, ordinals from five, a failed pod."""
    rolling = {"maxUnavailable": 2, "partition": 0}
    wanted = workload(replicas=4, serviceName="a", podManagementPolicy="Parallel", ordinals={"start": 5})
    wanted["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}
    stage.create("statefulsets", wanted)
    stage.settle()
    stage.run()
    stage.end("Failed", 1, lambda p: p["metadata"]["name"] == "a-6")
    stage.run()
    stage.run()
    stage.change("statefulsets", "a", image("second"), content=MERGE_ALL)
    stage.settle()
    for _ in range(5):
        stage.run()


def statefulset_by_hand(stage):
    """OnDelete, short histories, a claim whose size nobody changes, an update that never gets ready."""
    stage.create("statefulsets", workload(replicas=2, serviceName="a", updateStrategy={"type": "OnDelete"}))
    stage.settle()
    for _ in range(2):
        stage.run()
    stage.change("statefulsets", "a", {"spec": {"revisionHistoryLimit": 1}})
    for name in ("second", "third", "fourth"):
        stage.change("statefulsets", "a", image(name), content=MERGE_ALL)
        stage.settle()
    stage.delete("pods", "a-1", grace=0)
    stage.settle()
    stage.change("statefulsets", "a", {"spec": {"updateStrategy": {"type": "RollingUpdate"}}})
    stage.settle()
    stage.run()


def daemonset(stage):
    """One pod on each node that suits; an update in place, one by surging."""
    here = {"kubernetes.io/os": "linux"}
    wanted = workload()
    wanted["spec"]["template"]["spec"]["nodeSelector"] = here
    stage.create("daemonsets", wanted)
    stage.settle()
    run_daemons(stage)
    stage.change("daemonsets", "a", image("second"), content=MERGE_ALL)
    stage.settle()
    for _ in range(3):
        run_daemons(stage)
    surge = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    stage.change("daemonsets", "a", {"spec": {"updateStrategy": surge}})
    stage.change("daemonsets", "a", image("third"), content=MERGE_ALL)
    stage.settle()
    for _ in range(5):
        run_daemons(stage)
    stage.end("Failed", 1, lambda p: node_of(p) == "n1")
    run_daemons(stage)


def node_of(pod):
    terms = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return terms["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]


def run_daemons(stage):
    for node in ("n1", "n2"):
        stage.bind(node, lambda pod, node=node: node_of(pod) == node)
    stage.run()


def daemonset_nodes(stage):
    """Nodes that come, change and refuse; a pod that fails; one by hand on a node that has one."""
    label, node = {stage.namespace: "yes"}, f"{stage.namespace}-node"
    wanted = workload()
    wanted["spec"]["template"]["spec"]["nodeSelector"] = label
    wanted["spec"]["updateStrategy"] = {"type": "OnDelete"}
    stage.create("daemonsets", wanted)
    stage.settle()
    stage.do("POST", "/api/v1/nodes", {"metadata": {"name": node, "labels": label}})
    stage.settle()
    stage.bind(node)
    stage.run()
    stage.change("daemonsets", "a", image("second"), content=MERGE_ALL)
    stage.settle()
    stage.end("Failed", 1)
    stage.settle()
    stage.bind(node)
    stage.run()
    stage.do("PATCH", f"/api/v1/nodes/{node}", {"spec": {"taints": [{"key": "no", "effect": "NoSchedule"}]}}, MERGE_ALL)
    stage.settle()
    stage.do("PATCH", f"/api/v1/nodes/{node}", {"metadata": {"labels": {stage.namespace: None}}}, MERGE)
    stage.settle()
    stage.run()
    stage.do("DELETE", f"/api/v1/nodes/{node}")


SCENES = [
    deployment,
    deployment_stuck,
    proportional,
    history,
    replicaset,
    least_useful,
    statefulset,
    statefulset_parallel,
    statefulset_by_hand,
    daemonset,
    daemonset_nodes,
]

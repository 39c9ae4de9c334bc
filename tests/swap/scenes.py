"""What controllers are put through, scene by scene; each plays in a namespace of its own."""

import time

LABELS = {"app": "a"}


def template(image="i", labels=LABELS, **spec):
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def workload(name="a", image="i", **spec):
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": LABELS}, "template": template(image), **spec},
    }


def job(name="a", restart="Never", **spec):
    return {"metadata": {"name": name}, "spec": {"template": template(restartPolicy=restart), **spec}}


def image(name):
    return {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": name}]}}}}


CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
MERGE_ALL = "application/strategic-merge-patch+json"


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


def quota(stage):
    """Creations that a quota refuses, of several kinds."""
    stage.create("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2", "services": "1"}}})
    stage.settle()
    stage.create("replicasets", workload("rs", replicas=3))
    stage.settle()
    labels = {"app": "rc"}
    rc = {"metadata": {"name": "rc"}, "spec": {"replicas": 1, "selector": labels, "template": template(labels=labels)}}
    stage.create("replicationcontrollers", rc)
    stage.settle()
    stage.create("services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    stage.settle()


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


def jobs(stage):
    """Completion, failure, deadlines, suspension, policies."""
    stage.create("jobs", job("done", completions=2, parallelism=2))
    stage.create("jobs", job("failed", backoffLimit=0))
    stage.create("jobs", job("slow", activeDeadlineSeconds=2))
    stage.create("jobs", job("still", suspend=True))
    stage.create("jobs", job("others", managedBy="example.com/other"))
    rules = [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]
    stage.create("jobs", job("policy", podFailurePolicy={"rules": rules}, backoffLimit=3))
    ignore = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
    stage.create("jobs", job("ignored", podFailurePolicy={"rules": ignore}, backoffLimit=0))
    stage.settle()
    stage.run()
    stage.end("Succeeded", only=of("done"))
    stage.end("Failed", 1, only=of("failed"))
    stage.end("Failed", 42, only=of("policy"))
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "x"}
    stage.end("Failed", 1, only=of("ignored"), conditions=[disrupted])
    time.sleep(2)
    stage.run()
    stage.change("jobs", "still", {"spec": {"suspend": False}})
    stage.settle()
    stage.run()
    stage.change("jobs", "still", {"spec": {"suspend": True}})
    stage.settle()
    stage.run()


def of(name):
    return lambda pod: (pod["metadata"].get("labels") or {}).get("job-name") == name


def at(name, index):
    key = "batch.kubernetes.io/job-completion-index"
    return lambda pod: of(name)(pod) and pod["metadata"]["annotations"].get(key) == str(index)


def jobs_indexed(stage):
    """Indexes that succeed, fail and are given up."""
    stage.create("jobs", job("all", completionMode="Indexed", completions=3, parallelism=3))
    each = {"completionMode": "Indexed", "completions": 3, "parallelism": 3, "backoffLimitPerIndex": 0}
    stage.create("jobs", job("each", **each, maxFailedIndexes=2))
    stage.create("jobs", job("many", **each, maxFailedIndexes=0))
    rules = [{"succeededIndexes": "0", "succeededCount": 1}]
    policy = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "successPolicy": {"rules": rules}}
    stage.create("jobs", job("enough", **policy))
    stage.create("jobs", job("waits", podReplacementPolicy="Failed"))
    stage.settle()
    stage.run()
    stage.end("Succeeded", only=of("all"))
    stage.end("Failed", 1, only=at("each", 1))
    stage.end("Failed", 1, only=at("many", 0))
    stage.end("Succeeded", only=at("enough", 0))
    for pod in filter(of("waits"), stage.list("pods")):
        stage.delete("pods", pod["metadata"]["name"])
    stage.settle()
    stage.end("Succeeded", only=of("each"))
    stage.run()
    stage.run()


def jobs_end(stage):
    """Jobs that go when their time is up, and pods that outlive theirs."""
    stage.create("jobs", job("short", ttlSecondsAfterFinished=1))
    stage.create("jobs", job("orphaning"))
    stage.settle()
    stage.run()
    stage.end("Succeeded", only=of("short"))
    stage.delete("jobs", "orphaning", propagation="Orphan")
    stage.until(lambda: not [j for j in stage.list("jobs") if j["metadata"]["name"] == "short"])
    stage.settle()


def cron(stage):
    """A run each minute, of which there may be one, and schedules that do not come."""
    body = {"jobTemplate": {"spec": {"template": template(restartPolicy="Never")}}}
    for name, spec in {
        "each": {"schedule": "* * * * *", "concurrencyPolicy": "Forbid"},
        "never": {"schedule": "59 23 31 2 *"},
        "suspended": {"schedule": "* * * * *", "suspend": True},
        "berlin": {"schedule": "* * * * *", "timeZone": "Europe/Berlin"},
    }.items():
        stage.create("cronjobs", {"metadata": {"name": name}, "spec": {**body, **spec}})
    stage.until(lambda: len(stage.list("jobs")) == 2, seconds=70)
    stage.settle()


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


def service(stage):
    """Endpoints of ready and other pods, by name and number, near, headless, mirrored."""
    stage.create("replicasets", workload(replicas=2))
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "named", "port": 81, "targetPort": "web"}]
    base = {"selector": LABELS, "ports": ports}
    for name, spec in {
        "plain": {},
        "headless": {"clusterIP": "None"},
        "near": {"trafficDistribution": "PreferSameZone"},
        "node": {"trafficDistribution": "PreferSameNode"},
        "all": {"publishNotReadyAddresses": True},
        "manual": {"selector": None},
    }.items():
        stage.create("services", {"metadata": {"name": name, "labels": {"x": "y"}}, "spec": {**base, **spec}})
    auto = {"name": "auto", "annotations": {"service.kubernetes.io/topology-mode": "Auto"}}
    stage.create("services", {"metadata": auto, "spec": base})
    subsets = [{"addresses": [{"ip": "203.0.113.7"}], "ports": [{"name": "http", "port": 80}]}]
    stage.create("endpoints", {"metadata": {"name": "manual"}, "subsets": subsets})
    stage.settle()
    pods = sorted(stage.list("pods"), key=lambda p: p["metadata"]["name"])
    stage.bind("n1", lambda p: p["metadata"]["name"] == pods[0]["metadata"]["name"])
    stage.bind("n2")
    stage.report(pods[0], "Running", ip="10.244.0.5")
    stage.report(pods[1], "Running", ready=False, ip="10.244.0.6")
    stage.settle()
    stage.report(pods[1], "Running", ip="10.244.0.6")
    stage.settle()
    stage.change("services", "auto", {"metadata": {"annotations": {"service.kubernetes.io/topology-mode": None}}})
    stage.delete("endpoints", "manual")
    stage.settle()


def budget(stage):
    """What may be disrupted, and what nobody can count."""
    for name in ("min", "max", "all"):
        labels = {"app": name}
        wanted = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template(labels=labels)}
        stage.create("replicasets", {"metadata": {"name": name}, "spec": wanted})
    stage.create("pods", {"metadata": {"name": "bare", "labels": {"app": "b"}}, "spec": template()["spec"]})
    stage.settle()
    for name, spec in {
        "min": {"minAvailable": 2},
        "max": {"maxUnavailable": "50%"},
        "all": {"minAvailable": "100%"},
        "b": {"minAvailable": "50%"},
        "nobody": {"minAvailable": 1},
    }.items():
        match = {"selector": {"matchLabels": {"app": name}}}
        stage.create("poddisruptionbudgets", {"metadata": {"name": name}, "spec": {**match, **spec}})
    stage.settle()
    stage.run()


def autoscaler(stage):
    """Without metrics."""
    stage.create("deployments", workload(replicas=1))
    for name, target in {"a": "a", "gone": "nothing"}.items():
        ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
        spec = {"scaleTargetRef": ref, "minReplicas": 2, "maxReplicas": 4}
        stage.create("horizontalpodautoscalers", {"metadata": {"name": name}, "spec": spec})
    stage.settle()
    time.sleep(16)
    stage.settle()


def claims(stage):
    """Claims that wait, bind, are used and kept."""
    for name, spec in {
        "none": {"storageClassName": ""},
        "unknown": {"storageClassName": "nowhere"},
        "bound": {"storageClassName": stage.namespace},
        "wanted": {"storageClassName": "", "volumeName": "nothing"},
    }.items():
        stage.create("persistentvolumeclaims", {"metadata": {"name": name}, "spec": CLAIM | spec})
    volume = {"capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    body = {"metadata": {"name": stage.namespace}, "spec": {**volume, "storageClassName": stage.namespace}}
    stage.do("POST", "/api/v1/persistentvolumes", body)
    stage.until(lambda: (stage.get("persistentvolumeclaims", "bound").get("status") or {}).get("phase") == "Bound")
    stage.settle()
    uses = [{"name": "v", "persistentVolumeClaim": {"claimName": "bound"}}]
    made = {"volumeClaimTemplate": {"spec": {**CLAIM, "storageClassName": "nowhere"}}}
    uses.append({"name": "own", "ephemeral": made})
    stage.create("pods", {"metadata": {"name": "user"}, "spec": template(volumes=uses)["spec"]})
    stage.settle()
    stage.run()
    stage.delete("persistentvolumeclaims", "bound")
    stage.settle()
    stage.end("Succeeded")


def collected(stage):
    """Owners and what is theirs: orphaned, in the foreground, of an owner that never was."""
    owner = stage.create("configmaps", {"metadata": {"name": "owner"}})
    first = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    blocking = {**first, "blockOwnerDeletion": True, "controller": True}
    never = {**first, "uid": "00000000-0000-0000-0000-000000000001", "name": "never"}
    for name, owners in {"kept": [first, never], "gone": [never], "blocking": [blocking]}.items():
        stage.create("secrets", {"metadata": {"name": name, "ownerReferences": owners}})
    held = {"name": "held", "ownerReferences": [blocking], "finalizers": ["example.com/hold"]}
    stage.create("secrets", {"metadata": held})
    wrong = {**first, "kind": "Secret"}
    stage.create("configmaps", {"metadata": {"name": "misnamed", "ownerReferences": [wrong]}})
    stage.settle()
    time.sleep(2)
    stage.delete("configmaps", "owner", propagation="Foreground")
    stage.settle()


SCENES = [
    deployment,
    deployment_stuck,
    quota,
    replicaset,
    statefulset,
    statefulset_parallel,
    jobs,
    jobs_indexed,
    jobs_end,
    cron,
    daemonset,
    service,
    budget,
    autoscaler,
    claims,
    collected,
]

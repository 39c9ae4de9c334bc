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
MERGE_ALL, MERGE = "application/strategic-merge-patch+json", "application/merge-patch+json"


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


def jobs_again(stage):
    """Another try after ten seconds, in place, and none when the limit is met."""
    stage.create("jobs", job("again", backoffLimit=1))
    stage.create("jobs", job("place", restart="OnFailure", backoffLimit=0))
    each = {"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1}
    rules = [{"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [3]}}]
    stage.create("jobs", job("index", **each, podFailurePolicy={"rules": rules}))
    stage.settle()
    stage.run()
    stage.end("Failed", 1, only=of("again"))
    stage.end("Failed", 3, only=at("index", 0))
    stage.end("Failed", 1, only=at("index", 1))
    restarted = {"restartCount": 1, "state": {"running": {}}, "ready": False, "name": "c", "image": "i", "imageID": "i"}
    for pod in filter(of("place"), stage.list("pods")):
        change = {"status": {"containerStatuses": [restarted]}}
        stage.change("pods", pod["metadata"]["name"], change, "status", MERGE_ALL)
    stage.until(lambda: len(list(filter(of("again"), stage.list("pods")))) == 2, seconds=20)
    stage.settle()
    stage.run()
    stage.end("Succeeded", only=at("index", 1))
    stage.end("Failed", 1, only=of("again"))
    stage.run()


def quotas(stage):
    """What counts by scope and class, by number and by request."""
    for name, spec in {
        "best": {"hard": {"pods": "5"}, "scopes": ["BestEffort"]},
        "rest": {"hard": {"pods": "5", "requests.cpu": "2", "limits.memory": "1Gi"}, "scopes": ["NotBestEffort"]},
        "ending": {"hard": {"pods": "3"}, "scopes": ["Terminating"]},
        "count": {"hard": {"count/configmaps": "9", "count/jobs.batch": "1", "secrets": "3"}},
        "storage": {"hard": {"requests.storage": "5Gi", "persistentvolumeclaims": "2"}},
        "ports": {"hard": {"services": "4", "services.nodeports": "1", "services.loadbalancers": "1"}},
    }.items():
        stage.create("resourcequotas", {"metadata": {"name": name}, "spec": spec})
    stage.settle()
    stage.create("pods", {"metadata": {"name": "best"}, "spec": template()["spec"]})
    sized = {"requests": {"cpu": "500m"}, "limits": {"memory": "64Mi"}}
    containers = [{"name": "c", "image": "i", "resources": sized}]
    stage.create("pods", {"metadata": {"name": "sized"}, "spec": {"containers": containers}})
    short = {"containers": containers, "activeDeadlineSeconds": 9}
    stage.create("pods", {"metadata": {"name": "ending"}, "spec": short})
    open_to_all = {"type": "NodePort", "ports": [{"port": 1, "nodePort": 30999}]}
    stage.create("services", {"metadata": {"name": "s"}, "spec": open_to_all})
    stage.create("persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": {**CLAIM, "storageClassName": ""}})
    stage.settle()
    stage.run()
    stage.end("Succeeded", only=lambda p: p["metadata"]["name"] == "sized")
    stage.delete("persistentvolumeclaims", "c")
    stage.settle()


def accounts(stage):
    """Lasting tokens, and what comes back to every namespace."""
    stage.create("serviceaccounts", {"metadata": {"name": "robot"}})
    for name, account in {"token": "robot", "nobody": "absent"}.items():
        notes = {"kubernetes.io/service-account.name": account}
        body = {"metadata": {"name": name, "annotations": notes}, "type": "kubernetes.io/service-account-token"}
        stage.create("secrets", body)
    stage.settle()
    stage.keep("entries", *(sorted(s.get("data") or {}) for s in stage.list("secrets")))
    stage.delete("serviceaccounts", "robot")
    stage.delete("serviceaccounts", "default")
    stage.delete("configmaps", "kube-root-ca.crt")
    stage.settle()
    stage.change("configmaps", "kube-root-ca.crt", {"data": {"ca.crt": "x"}})
    stage.settle()


def ending_namespace(stage):
    """What a namespace says while it cannot go, and that it goes."""
    name = f"{stage.namespace}-old"
    where = f"/api/v1/namespaces/{name}"
    stage.do("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    stage.do("POST", f"{where}/configmaps", {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    pod = {"metadata": {"name": "p"}, "spec": {**template(terminationGracePeriodSeconds=3)["spec"], "nodeName": "n1"}}
    stage.do("POST", f"{where}/pods", pod)
    stage.do("DELETE", where)
    time.sleep(9)
    stage.keep("with pods", stage.do("GET", where)["status"])
    stage.do("DELETE", f"{where}/pods/p", {"gracePeriodSeconds": 0})
    time.sleep(14)
    stage.keep("held", stage.do("GET", where)["status"])
    stage.do("PATCH", f"{where}/configmaps/held", {"metadata": {"finalizers": None}}, MERGE)
    stage.until(lambda: stage.do("GET", where, check=False).get("code") == 404, seconds=60)
    stage.keep("gone", stage.do("GET", where, check=False).get("reason"))


def roles(stage):
    """Rules that a role has from others."""
    root, label = "/apis/rbac.authorization.k8s.io/v1/clusterroles", {stage.namespace: "yes"}
    whole = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": label}]}}
    stage.do("POST", root, {"metadata": {"name": stage.namespace}, **whole})
    read = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    write = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}
    for name, rules in {"z": [read], "b": [write, read]}.items():
        stage.do("POST", root, {"metadata": {"name": f"{stage.namespace}-{name}", "labels": label}, "rules": rules})
    time.sleep(2)
    stage.keep("both", stage.do("GET", f"{root}/{stage.namespace}"))
    stage.do("DELETE", f"{root}/{stage.namespace}-b")
    time.sleep(2)
    stage.keep("one", stage.do("GET", f"{root}/{stage.namespace}"))


def evicted(stage):
    """Pods that a NoExecute taint drives away, at once, later or not."""
    node = f"{stage.namespace}-node"
    stage.do("POST", "/api/v1/nodes", {"metadata": {"name": node}})
    taint = {"key": "out", "effect": "NoExecute"}
    all_of_it = {"key": "out", "operator": "Exists", "effect": "NoExecute"}
    for name, tolerations in {
        "none": [],
        "some": [{**all_of_it, "tolerationSeconds": 2}],
        "long": [{**all_of_it, "tolerationSeconds": 900}],
        "ever": [{"operator": "Exists"}],
    }.items():
        spec = {**template(tolerations=tolerations)["spec"], "nodeName": node}
        made = stage.create("pods", {"metadata": {"name": name}, "spec": spec})
        stage.report(made, "Running")
    stage.settle()
    stage.do("PATCH", f"/api/v1/nodes/{node}", {"spec": {"taints": [taint]}}, MERGE_ALL)
    time.sleep(3)
    stage.settle()
    stage.do("PATCH", f"/api/v1/nodes/{node}", {"spec": {"taints": None}}, MERGE)
    stage.settle()
    stage.do("DELETE", f"/api/v1/nodes/{node}")


def unready_node(stage):
    """A node that says it is not ready, and that the network is missing, then is well."""
    node = f"{stage.namespace}-node"
    where = f"/api/v1/nodes/{node}"
    labels = {"node-role.kubernetes.io/control-plane": ""}  # its processors are not to count for services' hints
    stage.do("POST", "/api/v1/nodes", {"metadata": {"name": node, "labels": labels}})
    made = stage.create("pods", {"metadata": {"name": "p"}, "spec": {**template()["spec"], "nodeName": node}})
    stage.report(made, "Running")

    def say(**values):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
        conditions = [{"type": t, "status": v, "reason": "x", **times} for t, v in values.items()]
        stage.do("PATCH", f"{where}/status", {"status": {"conditions": conditions}}, MERGE_ALL)
        time.sleep(7)
        found = stage.do("GET", where)
        return sorted(f"{t['key']} {t['effect']}" for t in found["spec"].get("taints") or ())

    stage.keep("well", say(Ready="True"))
    stage.keep("bad", say(Ready="False", NetworkUnavailable="True", DiskPressure="True"))
    stage.settle()
    stage.keep("well again", say(Ready="True", NetworkUnavailable="False", DiskPressure="False"))
    found = stage.do("GET", where)
    stage.keep("notes", found["metadata"].get("annotations"), found["spec"].get("podCIDRs") is not None)
    stage.do("DELETE", where)
    time.sleep(7)
    stage.keep("node events", *stage.told_of("Node"))


def policies(stage):
    """Expressions that do not fit the types they are for."""
    root = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    for name, expression in {"right": "object.spec.replicas > 1", "wrong": "object.spec.replica > 1"}.items():
        spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": expression}]}
        stage.do("POST", root, {"metadata": {"name": f"{stage.namespace}-{name}"}, "spec": spec})
    time.sleep(4)
    for name in ("right", "wrong"):
        stage.keep(name, stage.do("GET", f"{root}/{stage.namespace}-{name}").get("status"))


def volumes(stage):
    """Volumes that are bound, let go, held and wanted by name."""
    root = "/api/v1/persistentvolumes"
    for name, policy in {"keep": "Retain", "drop": "Delete", "spare": "Retain"}.items():
        spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": stage.namespace}
        spec |= {"hostPath": {"path": "/x"}, "persistentVolumeReclaimPolicy": policy}
        stage.do("POST", root, {"metadata": {"name": f"{stage.namespace}-{name}"}, "spec": spec})
    for name in ("keep", "drop"):
        wanted = {**CLAIM, "storageClassName": stage.namespace, "volumeName": f"{stage.namespace}-{name}"}
        stage.create("persistentvolumeclaims", {"metadata": {"name": name}, "spec": wanted})
    stage.until(lambda: all(c["status"].get("phase") == "Bound" for c in stage.list("persistentvolumeclaims")))
    stage.settle()
    bound = [stage.do("GET", f"{root}/{stage.namespace}-{name}") for name in ("keep", "drop", "spare")]
    stage.keep("bound", *bound)
    for name in ("keep", "drop"):
        stage.delete("persistentvolumeclaims", name)
    stage.settle()
    time.sleep(2)
    stage.do("DELETE", f"{root}/{stage.namespace}-spare")
    time.sleep(1)
    left = [stage.do("GET", f"{root}/{stage.namespace}-{name}", check=False) for name in ("keep", "drop", "spare")]
    stage.keep("released", *left)
    stage.keep("volume events", *stage.told_of("PersistentVolume"))


def ranges(stage):
    """Another range of service addresses."""
    root = "/apis/networking.k8s.io/v1/servicecidrs"
    stage.do("POST", root, {"metadata": {"name": stage.namespace}, "spec": {"cidrs": ["10.97.0.0/24"]}})
    time.sleep(3)
    stage.keep("ready", stage.do("GET", f"{root}/{stage.namespace}"))
    stage.create("services", {"metadata": {"name": "s"}, "spec": {"clusterIP": "10.97.0.9", "ports": [{"port": 1}]}})
    stage.do("DELETE", f"{root}/{stage.namespace}")
    time.sleep(3)
    stage.keep("in use", stage.do("GET", f"{root}/{stage.namespace}"))
    stage.delete("services", "s")
    stage.until(lambda: stage.do("GET", f"{root}/{stage.namespace}", check=False).get("code") == 404, seconds=30)
    stage.keep("gone", stage.do("GET", f"{root}/{stage.namespace}", check=False).get("reason"))


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
    proportional,
    history,
    least_useful,
    statefulset_by_hand,
    jobs_again,
    quotas,
    accounts,
    ending_namespace,
    roles,
    evicted,
    unready_node,
    policies,
    volumes,
    ranges,
    daemonset_nodes,
]

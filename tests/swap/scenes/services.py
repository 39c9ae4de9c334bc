"""Services, budgets, quotas, claims: what stands around pods."""

import time

from .common import CLAIM, LABELS, template, workload


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


def many_endpoints(stage):
    """More than a slice holds, of pods and by hand."""
    stage.create("services", {"metadata": {"name": "s"}, "spec": {"selector": LABELS, "ports": [{"port": 80}]}})
    for number in range(103):
        about = {"name": f"p{number}", "labels": LABELS}
        made = stage.create("pods", {"metadata": about, "spec": {**template()["spec"], "nodeName": "n1"}})
        stage.report(made, "Running", ip=f"10.245.0.{number}")
    stage.settle()
    for number in range(5):
        stage.delete("pods", f"p{number}", grace=0)
    stage.settle()
    sizes = sorted(len(s["endpoints"]) for s in stage.list("endpointslices"))
    stage.keep("sizes", sizes)
    stage.delete("services", "s")
    stage.settle()
    for number in range(5, 103):
        stage.delete("pods", f"p{number}", grace=0)
    stage.create("services", {"metadata": {"name": "m"}, "spec": {"ports": [{"port": 80}]}})
    addresses = [{"ip": f"203.0.{n // 250}.{n % 250}"} for n in range(1003)]
    many = {"addresses": addresses, "ports": [{"port": 80}]}
    waiting = [{"ip": "2001:db8::1", "nodeName": "n1"}, {"ip": "203.0.113.1"}]
    few = {"notReadyAddresses": waiting, "ports": [{"port": 81}]}
    notes = {"labels": {"x": "y"}, "annotations": {"a": "b", "endpoints.kubernetes.io/last-change-trigger-time": "x"}}
    stage.create("endpoints", {"metadata": {"name": "m", **notes}, "subsets": [many, few]})
    stage.settle()


SCENES = [service, budget, autoscaler, quota, quotas, claims, volumes, ranges, many_endpoints]

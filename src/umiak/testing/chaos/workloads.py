"""What users want to run."""

import random
from collections.abc import Callable

from umiak.api.apps import daemonset, deployment, statefulset
from umiak.api.batch import job
from umiak.api.kind import Kind
from umiak.objects.types import Object
from umiak.testing.chaos.plan import GRACE

TOLERATED = 4
"""Seconds that pods stay on a node that is not well."""
KINDS: dict[str, Kind] = {
    "deployment": deployment.KIND,
    "statefulset": statefulset.KIND,
    "daemonset": daemonset.KIND,
    "job": job.KIND,
    "indexed-job": job.KIND,
}


def template(name: str, **more: object) -> Object:
    briefly = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATED}
    tolerations = [{"key": f"node.kubernetes.io/{what}", **briefly} for what in ("not-ready", "unreachable")]
    container = {"name": "c", "image": "image:1", "resources": {"requests": {"cpu": "200m"}}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": GRACE, "tolerations": tolerations, **more}
    return {"metadata": {"labels": {"app": name}}, "spec": spec}


def _workload(kind: Kind, name: str, spec: Object) -> Object:
    about = {"name": name, "namespace": "default", "labels": {"app": name}}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": about, "spec": spec}


def _deployment(dice: random.Random) -> Object:
    surge, gone = dice.choice(((1, 0), (1, 1), (0, 1), ("50%", "25%"), (2, 0)))
    strategy: Object = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": gone}}
    if dice.random() < 0.15:
        strategy = {"type": "Recreate"}
    return {"replicas": dice.randint(2, 4), "strategy": strategy, "revisionHistoryLimit": 2}


def _statefulset(dice: random.Random) -> Object:
    policy = dice.choice(("OrderedReady", "OrderedReady", "Parallel"))
    return {"replicas": dice.randint(2, 3), "serviceName": "none", "podManagementPolicy": policy}


def _daemonset(dice: random.Random) -> Object:
    surge = dice.random() < 0.3
    how = {"maxSurge": 1, "maxUnavailable": 0} if surge else {"maxUnavailable": 1}
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": how}}


def _job(dice: random.Random) -> Object:
    return {"completions": dice.randint(2, 5), "parallelism": dice.randint(1, 3), "backoffLimit": 6}


def _indexed_job(dice: random.Random) -> Object:
    return {**_job(dice), "completionMode": "Indexed"}


SPECS: dict[str, Callable[[random.Random], Object]] = {
    "deployment": _deployment,
    "statefulset": _statefulset,
    "daemonset": _daemonset,
    "job": _job,
    "indexed-job": _indexed_job,
}


def new(workload: str, name: str, dice: random.Random) -> Object:
    """One of the kind `workload`, as somebody may want it."""
    spec = SPECS[workload](dice)
    if workload.endswith("job"):
        spec["template"] = template(name, restartPolicy="Never")
    else:
        spec["selector"] = {"matchLabels": {"app": name}}
        spec["template"] = template(name)
    return _workload(KINDS[workload], name, spec)


def budget(name: str, dice: random.Random) -> Object:
    """A PodDisruptionBudget for the workload of that name."""
    limit = dice.choice(({"minAvailable": 1}, {"minAvailable": 2}, {"maxUnavailable": 1}, {"minAvailable": "50%"}))
    spec = {**limit, "selector": {"matchLabels": {"app": name}}}
    about = {"name": name, "namespace": "default"}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": about, "spec": spec}


def stray(number: int, app: str) -> Object:
    """A pod that looks like one of `app` but is another owner's, who must keep it; the owner is a ConfigMap."""
    made = template(app)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**made["metadata"], "name": f"stray-{number}", "namespace": "default"},
        "spec": made["spec"],
    }

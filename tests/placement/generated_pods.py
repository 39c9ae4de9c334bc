"""Pods as an API server stores them, drawn by hypothesis from a small vocabulary so that they meet often.

Every function takes `draw` of a composite strategy. Quantities stay small enough that some pods do not fit.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Draw = Callable[[Any], Any]
Object = dict[str, Any]

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
NAMESPACES = ("default", "red", "blue")
APPS = ("web", "db", "cache")
TIERS = ("front", "back")
KEYS = (HOSTNAME, ZONE, ZONE, REGION, "rack")
IMAGES = ("web:1", "registry.example/db:2", "cache", "tools@sha256:" + "0" * 64)
CPU = ("0", "50m", "100m", "100m", "250m", "500m", "500m", "1", "1500m", "3")
MEMORY = ("0", "64Mi", "64Mi", "200Mi", "500M", "500M", "1Gi", "2Gi", "1500000k")
PRIORITIES = (-10, 0, 0, 100, 100, 1000, 5000)
LOW, HIGH = (-10, 0, 0, 10, 100), (1000, 5000)


def one(draw: Draw, *values: Any) -> Any:
    return draw(st.sampled_from(values))


def chance(draw: Draw, of_ten: int) -> bool:
    """No is the simpler answer, to which hypothesis shrinks."""
    return bool(draw(st.sampled_from([False] * (10 - of_ten) + [True] * of_ten)))


def some(draw: Draw, values: tuple[Any, ...], most: int = 3) -> list[Any]:
    return list(draw(st.lists(st.sampled_from(values), max_size=most, unique=True)))


def labels(draw: Draw) -> dict[str, str]:
    found = {}
    if chance(draw, 9):
        found["app"] = one(draw, *APPS)
    if chance(draw, 5):
        found["tier"] = one(draw, *TIERS)
    if chance(draw, 4):
        found["version"] = one(draw, "1", "2")
    return found


def label_expression(draw: Draw) -> Object:
    operator = one(draw, "In", "In", "NotIn", "Exists", "DoesNotExist")
    key, values = one(draw, ("app", APPS), ("tier", TIERS), ("version", ("1", "2")))
    expression: Object = {"key": key, "operator": operator}
    if operator in ("In", "NotIn"):
        expression["values"] = some(draw, values, 2) or [values[0]]
    return expression


def label_selector(draw: Draw) -> Object | None:
    kind = one(draw, *range(10))
    if kind == 0:
        return None
    if kind == 1:
        return {}
    if kind < 4:
        return {"matchExpressions": [label_expression(draw)]}
    return {"matchLabels": {"app": one(draw, *APPS)}}


def namespace_selector(draw: Draw) -> Object:
    if chance(draw, 2):
        return {}
    return {"matchLabels": {"team": one(draw, "red", "blue")}}


def merged(selector: Object | None, term: Object, own: dict[str, str]) -> Object | None:
    """The API server adds the pod's own values of matchLabelKeys and mismatchLabelKeys to the selector (KEP-3633)."""
    if selector is None:
        return None
    named = [(key, "In") for key in term.get("matchLabelKeys") or ()]
    named += [(key, "NotIn") for key in term.get("mismatchLabelKeys") or ()]
    more = [{"key": key, "operator": operator, "values": [own[key]]} for key, operator in named if key in own]
    if not more:
        return selector
    return {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), *more]}


def pod_affinity_term(draw: Draw, own: dict[str, str]) -> Object:
    term: Object = {"topologyKey": one(draw, *KEYS)}
    selector = label_selector(draw)
    scope = one(draw, *range(10))
    if scope < 2:
        term["namespaces"] = some(draw, NAMESPACES, 2) or ["red"]
    elif scope < 4:
        term["namespaceSelector"] = namespace_selector(draw)
    elif scope == 4:
        term |= {"namespaces": ["default"], "namespaceSelector": namespace_selector(draw)}
    if selector is not None and chance(draw, 2):
        term[one(draw, "matchLabelKeys", "mismatchLabelKeys")] = ["version"]
    if selector is not None:
        term["labelSelector"] = merged(selector, term, own)
    return term


def pod_affinity(draw: Draw, own: dict[str, str]) -> Object:
    found: Object = {}
    required = [pod_affinity_term(draw, own) for _ in range(one(draw, 0, 1, 1, 2))]
    if required:
        found["requiredDuringSchedulingIgnoredDuringExecution"] = required
    preferred = [
        {"weight": one(draw, 1, 10, 50, 100), "podAffinityTerm": pod_affinity_term(draw, own)}
        for _ in range(one(draw, 0, 0, 1, 2))
    ]
    if preferred:
        found["preferredDuringSchedulingIgnoredDuringExecution"] = preferred
    return found


def node_expression(draw: Draw) -> Object:
    operator = one(draw, "In", "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
    if operator in ("Gt", "Lt"):
        return {"key": one(draw, "size", "disk"), "operator": operator, "values": [one(draw, "1", "3", "6")]}
    key, values = one(draw, (ZONE, ("a", "b", "c")), ("disk", ("ssd", "hdd")), ("rack", ("r1", "r2")))
    expression: Object = {"key": key, "operator": operator}
    if operator in ("In", "NotIn"):
        expression["values"] = some(draw, values, 2) or [values[0]]
    return expression


def node_term(draw: Draw, nodes: int) -> Object:
    kind = one(draw, *range(10))
    if kind == 0:
        return {}
    named = {
        "key": "metadata.name",
        "operator": one(draw, "In", "In", "NotIn"),
        "values": [f"n{one(draw, *range(nodes))}"],
    }
    if kind < 3:
        return {"matchFields": [named]}
    term: Object = {"matchExpressions": [node_expression(draw) for _ in range(one(draw, 1, 1, 2))]}
    if kind == 3:
        term["matchFields"] = [named]
    return term


def node_affinity(draw: Draw, nodes: int) -> Object:
    found: Object = {}
    if chance(draw, 3):
        terms = [node_term(draw, nodes) for _ in range(one(draw, 1, 1, 2))]
        found["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
    preferred = [
        {"weight": one(draw, 1, 20, 100), "preference": node_term(draw, nodes)} for _ in range(one(draw, 0, 1, 2, 3))
    ]
    if preferred:
        found["preferredDuringSchedulingIgnoredDuringExecution"] = preferred
    return found


def toleration(draw: Draw) -> Object:
    found: Object = {"operator": one(draw, "Exists", "Equal", "Equal")}
    if found["operator"] == "Equal" or chance(draw, 7):
        found["key"] = one(draw, "dedicated", "gpu", "node.kubernetes.io/unschedulable", "slow")
    if found["operator"] == "Equal":
        found["value"] = one(draw, "", "x", "y")
    if chance(draw, 6):
        found["effect"] = one(draw, "NoSchedule", "NoExecute", "PreferNoSchedule")
    if chance(draw, 1):
        del found["operator"]
    return found


def spread_constraint(draw: Draw, own: dict[str, str]) -> Object:
    hard = chance(draw, 5)
    found: Object = {
        "maxSkew": one(draw, 1, 1, 2, 5),
        "topologyKey": one(draw, *KEYS),
        "whenUnsatisfiable": "DoNotSchedule" if hard else "ScheduleAnyway",
    }
    if hard and chance(draw, 4):
        found["minDomains"] = one(draw, 1, 2, 3, 5)
    if chance(draw, 4):
        found["nodeAffinityPolicy"] = one(draw, "Honor", "Ignore")
    if chance(draw, 4):
        found["nodeTaintsPolicy"] = one(draw, "Honor", "Ignore")
    selector = label_selector(draw)
    if selector is not None:
        if chance(draw, 3):
            found["matchLabelKeys"] = ["version"]
        found["labelSelector"] = merged(selector, found, own)
    return found


def resource_list(draw: Draw, *, scarce: bool = True) -> dict[str, str]:
    found = {}
    if chance(draw, 8):
        found["cpu"] = one(draw, *CPU)
    if chance(draw, 7):
        found["memory"] = one(draw, *MEMORY)
    if scarce and chance(draw, 1):
        found["ephemeral-storage"] = one(draw, "1Gi", "10Gi")
    if scarce and one(draw, *range(20)) == 19:
        found["example.com/gpu"] = one(draw, "0", "1", "2")
    if scarce and one(draw, *range(20)) == 19:
        found["hugepages-2Mi"] = one(draw, "2Mi", "8Mi")
    return found


def ports(draw: Draw) -> list[Object]:
    found = []
    for _ in range(one(draw, 0, 0, 0, 0, 0, 0, 1, 2)):
        port: Object = {"containerPort": 80, "protocol": one(draw, "TCP", "TCP", "UDP")}
        if chance(draw, 6):
            port["hostPort"] = one(draw, 80, 8080, 9090)
        if chance(draw, 4):
            port["hostIP"] = one(draw, "0.0.0.0", "127.0.0.1", "10.0.0.1")
        found.append(port)
    return found


def container(draw: Draw, name: str) -> Object:
    found: Object = {"name": name, "image": one(draw, *IMAGES), "resources": {}}
    requests = resource_list(draw)
    if requests:
        found["resources"] = {"requests": requests}
    wanted = ports(draw)
    if wanted:
        found["ports"] = wanted
    return found


def init_containers(draw: Draw) -> list[Object]:
    found = []
    for number in range(one(draw, 0, 0, 0, 1, 2, 3)):
        each = container(draw, f"i{number}")
        if chance(draw, 5):
            each["restartPolicy"] = "Always"
        found.append(each)
    return found


def base(draw: Draw, name: str, namespace: str, priorities: tuple[int, ...]) -> Object:
    """A pod with containers, labels and a priority; nothing that says where it should go."""
    spec: Object = {
        "schedulerName": "default-scheduler",
        "priority": one(draw, *priorities),
        "containers": [container(draw, f"c{n}") for n in range(one(draw, 1, 1, 1, 2))],
    }
    starters = init_containers(draw)
    if starters:
        spec["initContainers"] = starters
    if chance(draw, 1):
        spec["overhead"] = {"cpu": "50m", "memory": "100Mi"}
    if chance(draw, 2):
        spec["resources"] = {"requests": resource_list(draw, scarce=False)}
    about: Object = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}"}
    found = labels(draw)
    if found:
        about["labels"] = found
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec, "status": {}}


def add_affinity(draw: Draw, pod: Object, nodes: int, of_ten: int) -> None:
    own, affinity = pod["metadata"].get("labels") or {}, {}
    if chance(draw, of_ten):
        affinity["podAffinity"] = pod_affinity(draw, own)
    if chance(draw, of_ten):
        affinity["podAntiAffinity"] = pod_affinity(draw, own)
    if nodes and chance(draw, of_ten):
        affinity["nodeAffinity"] = node_affinity(draw, nodes)
    if affinity:
        pod["spec"]["affinity"] = affinity


def resized(draw: Draw, pod: Object) -> None:
    """What the kubelet reports of a container that is being resized in place (KEP-1287)."""
    for each in pod["spec"]["containers"]:
        status: Object = {"name": each["name"]}
        if chance(draw, 7):
            status["allocatedResources"] = resource_list(draw, scarce=False)
        if chance(draw, 7):
            status["resources"] = {"requests": resource_list(draw, scarce=False)}
        pod["status"].setdefault("containerStatuses", []).append(status)
    if chance(draw, 2):
        pod["status"]["resources"] = {"requests": resource_list(draw, scarce=False)}
    if chance(draw, 2):
        pod["status"]["allocatedResources"] = resource_list(draw, scarce=False)
    if chance(draw, 3):
        pending = {"type": "PodResizePending", "status": "True", "reason": one(draw, "Infeasible", "Deferred")}
        pod["status"].setdefault("conditions", []).append(pending)


def placed(draw: Draw, number: int, node: str, priorities: tuple[int, ...]) -> Object:
    """A pod on a node. No two start at the same second, for equals are ordered by chance."""
    pod = base(draw, f"p{number}", one(draw, *NAMESPACES), priorities)
    pod["spec"]["nodeName"] = node
    pod["status"] |= {"phase": "Running", "startTime": f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z"}
    add_affinity(draw, pod, 0, 2)
    if chance(draw, 1):
        pod["metadata"] |= {"deletionTimestamp": "2026-01-02T00:00:00Z", "deletionGracePeriodSeconds": 30}
        if chance(draw, 6):
            reason = one(draw, "PreemptionByScheduler", "EvictionByEvictionAPI")
            pod["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True", "reason": reason}]
    if chance(draw, 1):
        resized(draw, pod)
    return pod


def waiting(draw: Draw, number: int, nodes: int, priorities: tuple[int, ...]) -> Object:
    """A pod to place."""
    pod = base(draw, f"w{number}", one(draw, "default", "default", "red"), priorities)
    spec, own = pod["spec"], pod["metadata"].get("labels") or {}
    add_affinity(draw, pod, nodes, 3)
    if chance(draw, 2):
        key, value = one(draw, (ZONE, "a"), (ZONE, "b"), ("disk", "ssd"))
        spec["nodeSelector"] = {key: value}
    tolerations = [toleration(draw) for _ in range(one(draw, 0, 0, 1, 1, 2))]
    if tolerations:
        spec["tolerations"] = tolerations
    constraints = [spread_constraint(draw, own) for _ in range(one(draw, 0, 0, 1, 1, 2))]
    if constraints:
        spec["topologySpreadConstraints"] = constraints
    if chance(draw, 1):
        spec["preemptionPolicy"] = one(draw, "Never", "PreemptLowerPriority")
    if one(draw, *range(30)) == 29:
        spec["schedulingGates"] = [{"name": "example.com/later"}]
    if chance(draw, 1):
        spec["volumes"] = [{"name": "image", "image": {"reference": one(draw, *IMAGES)}}]
    if one(draw, *range(20)) == 19:
        spec |= {"hostNetwork": True, "hostUsers": False}
    if chance(draw, 1):
        pod["status"]["nominatedNodeName"] = f"n{one(draw, *range(nodes))}"
    return pod

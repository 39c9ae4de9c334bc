"""The default priority levels and flow schemas, as `flowcontrol.apiserver.k8s.io/v1` objects."""

from collections.abc import Iterator, Sequence

from umiak.objects.types import Object

VERSION = "flowcontrol.apiserver.k8s.io/v1"
ANNOTATIONS = {"apf.kubernetes.io/autoupdate-spec": "true"}

LEVELS: dict[str, tuple[int, int, int, int, int]] = {
    # name: shares, lendable percent, queues, hand size, queue length; no queues means reject
    "catch-all": (5, 0, 0, 0, 0),
    "global-default": (20, 50, 128, 6, 50),
    "leader-election": (10, 0, 16, 4, 50),
    "node-high": (40, 25, 64, 6, 50),
    "system": (30, 33, 64, 6, 50),
    "workload-high": (40, 50, 128, 6, 50),
    "workload-low": (100, 90, 128, 6, 50),
}

EVERYBODY = ("Group:system:unauthenticated", "Group:system:authenticated")
KUBE_SYSTEM = "ServiceAccount:kube-system/*"
LEASES = {"apiGroups": ["coordination.k8s.io"], "namespaces": ["*"], "resources": ["leases"]}
ALL_RULES: Object = {
    "nonResourceRules": [{"nonResourceURLs": ["*"], "verbs": ["*"]}],
    "resourceRules": [
        {"apiGroups": ["*"], "clusterScope": True, "namespaces": ["*"], "resources": ["*"], "verbs": ["*"]}
    ],
}
PROBE_RULES: Object = {
    "nonResourceRules": [{"nonResourceURLs": ["/healthz", "/readyz", "/livez"], "verbs": ["get"]}],
}
LEASE_RULES: Object = {"resourceRules": [{**LEASES, "verbs": ["get", "create", "update"]}]}
NODE_RULES: Object = {
    "resourceRules": [
        {
            "apiGroups": [""],
            "clusterScope": True,
            "namespaces": ["*"],
            "resources": ["nodes", "nodes/status"],
            "verbs": ["*"],
        },
        {**LEASES, "verbs": ["*"]},
    ],
}

SCHEMAS: tuple[tuple[str, str, int, str, Object, Sequence[str]], ...] = (
    # name, priority level, precedence, what tells flows apart, rules, subjects
    ("exempt", "exempt", 1, "", ALL_RULES, ("Group:system:masters",)),
    ("probes", "exempt", 2, "", PROBE_RULES, EVERYBODY),
    (
        "system-leader-election",
        "leader-election",
        100,
        "ByUser",
        LEASE_RULES,
        ("User:system:kube-controller-manager", "User:system:kube-scheduler", KUBE_SYSTEM),
    ),
    ("system-node-high", "node-high", 400, "ByUser", NODE_RULES, ("Group:system:nodes",)),
    ("system-nodes", "system", 500, "ByUser", ALL_RULES, ("Group:system:nodes",)),
    (
        "kube-controller-manager",
        "workload-high",
        800,
        "ByNamespace",
        ALL_RULES,
        ("User:system:kube-controller-manager",),
    ),
    ("kube-scheduler", "workload-high", 800, "ByNamespace", ALL_RULES, ("User:system:kube-scheduler",)),
    ("kube-system-service-accounts", "workload-high", 900, "ByNamespace", ALL_RULES, (KUBE_SYSTEM,)),
    ("service-accounts", "workload-low", 9000, "ByUser", ALL_RULES, ("Group:system:serviceaccounts",)),
    ("global-default", "global-default", 9900, "ByUser", ALL_RULES, EVERYBODY),
    ("catch-all", "catch-all", 10000, "ByUser", ALL_RULES, EVERYBODY),
)


def subject(word: str) -> Object:
    kind, _, name = word.partition(":")
    if kind == "ServiceAccount":
        namespace, _, name = name.partition("/")
        return {"kind": kind, "serviceAccount": {"name": name, "namespace": namespace}}
    return {kind.lower(): {"name": name}, "kind": kind}


def level(name: str) -> Object:
    shares, lendable, queues, hand, length = LEVELS[name]
    response: Object = {"type": "Reject"}
    if queues:
        queuing = {"handSize": hand, "queueLengthLimit": length, "queues": queues}
        response = {"queuing": queuing, "type": "Queue"}
    limited = {"lendablePercent": lendable, "limitResponse": response, "nominalConcurrencyShares": shares}
    return _object("PriorityLevelConfiguration", name, {"limited": limited, "type": "Limited"}, {})


def _object(kind: str, name: str, spec: Object, status: Object) -> Object:
    about: Object = {"annotations": dict(ANNOTATIONS), "generation": 1, "name": name}
    return {"apiVersion": VERSION, "kind": kind, "metadata": about, "spec": spec, "status": status}


def objects(now: str) -> Iterator[Object]:
    """All default levels and schemas; `now` is when they were found in order."""
    exempt = {"exempt": {"lendablePercent": 0, "nominalConcurrencyShares": 0}, "type": "Exempt"}
    yield _object("PriorityLevelConfiguration", "exempt", exempt, {})
    for name in LEVELS:
        yield level(name)
    for name, goes_to, precedence, method, rules, subjects in SCHEMAS:
        spec: Object = {
            "matchingPrecedence": precedence,
            "priorityLevelConfiguration": {"name": goes_to},
            "rules": [{**rules, "subjects": [subject(word) for word in subjects]}],
        }
        if method:
            spec["distinguisherMethod"] = {"type": method}
        yield _object("FlowSchema", name, spec, {"conditions": [_found(goes_to, now)]})


def _found(level: str, now: str) -> Object:
    return {
        "type": "Dangling",
        "status": "False",
        "lastTransitionTime": now,
        "reason": "Found",
        "message": f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" and it exists',
    }

"""The default priority levels and flow schemas, as `flowcontrol.apiserver.k8s.io/v1` objects."""

from collections.abc import Iterator, Sequence

from umiak.objects.types import Object

VERSION = "flowcontrol.apiserver.k8s.io/v1"
FOLLOWS = "apf.kubernetes.io/autoupdate-spec"
ANNOTATIONS = {FOLLOWS: "true"}

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


MANDATORY = frozenset({"exempt", "catch-all"})
"""Without these levels and schemas some requests would have nowhere to go: their specs are put right at once."""


def mandatory(kind: str, name: str) -> Object:
    """What holds even while there is no such object."""
    return next(obj for obj in objects("") if obj["kind"] == kind and obj["metadata"]["name"] == name)


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
        yield _object("FlowSchema", name, spec, {"conditions": [dangling(goes_to, False, now)]})


def dangling(level: str, missing: bool, now: str) -> Object:
    """The condition that says whether a schema's level exists."""
    about = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}"'
    return {
        "type": "Dangling",
        "status": "True" if missing else "False",
        "lastTransitionTime": now,
        "reason": "NotFound" if missing else "Found",
        "message": f"{about} but there is no such object" if missing else f"{about} and it exists",
    }


def should_follow(obj: Object) -> bool:
    """Whether the server keeps the spec of this default object up to date: as the annotation says, else as long as
    nobody has changed it."""
    said = boolean((obj["metadata"].get("annotations") or {}).get(FOLLOWS, ""))
    return obj["metadata"].get("generation") == 1 if said is None else said


def boolean(text: str) -> bool | None:
    """As Go's strconv.ParseBool; None where that fails."""
    if text in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    return False if text in ("0", "f", "F", "FALSE", "false", "False") else None


def revised(wanted: Object, stored: Object) -> Object | None:
    """The stored object as it should be; None when it is in order."""
    follows = wanted["metadata"]["name"] in MANDATORY or should_follow(stored)
    spec = _as_set(wanted, stored) if follows else stored["spec"]
    annotations = stored["metadata"].get("annotations") or {}
    if boolean(annotations.get(FOLLOWS, "")) is not follows:
        annotations = {**annotations, FOLLOWS: "true" if follows else "false"}
    elif spec == stored["spec"]:
        return None
    return {**stored, "metadata": {**stored["metadata"], "annotations": annotations}, "spec": spec}


def _as_set(wanted: Object, stored: Object) -> Object:
    """The wanted spec, with what operators may set of the level `exempt`."""
    spec, set_ = wanted["spec"], stored["spec"].get("exempt")
    if "exempt" not in spec or set_ is None:
        return spec
    kept = {name: set_[name] for name in ("lendablePercent", "nominalConcurrencyShares") if name in set_}
    return {**spec, "exempt": {**spec["exempt"], **kept}}


def is_unwanted(obj: Object) -> bool:
    """Whether this was a default object of another release, which nobody has taken over."""
    if boolean((obj["metadata"].get("annotations") or {}).get(FOLLOWS, "")) is not True:
        return False
    return (obj["kind"], obj["metadata"]["name"]) not in _NAMES


_NAMES = frozenset((obj["kind"], obj["metadata"]["name"]) for obj in objects(""))

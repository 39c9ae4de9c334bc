"""Reads the notation of `policy.py` into RBAC objects, and brings stored ones up to it without taking anything away."""

from collections.abc import Iterator
from typing import Any

from umiak.objects.types import Object
from umiak.server.access.rules import Rule, atoms, covers, parsed
from umiak.server.bootstrap.controller_policy import CONTROLLER_ROLES
from umiak.server.bootstrap.policy import BINDINGS, CLUSTER_ROLES, ROLES

GROUP = "rbac.authorization.k8s.io"
VERSION = f"{GROUP}/v1"
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
CONTROLLER = "system:controller:"


def rule(line: str) -> Object:
    """One line of the notation as a PolicyRule."""
    verbs, *words = line.split()
    paths = [word.removeprefix("path:") for word in words if word.startswith(("/", "path:"))]
    if paths:
        return {"nonResourceURLs": paths, "verbs": verbs.split(",")}
    groups = [word[1:] for word in words if word[0] == "@"] or [""]
    names = [word[1:] for word in words if word[0] == "="]
    found: Object = {"apiGroups": groups, "resources": [word for word in words if word[0] not in "@="]}
    if names:
        found["resourceNames"] = names
    return {**found, "verbs": verbs.split(",")}


def sections(text: str) -> Iterator[tuple[list[str], list[Object]]]:
    """(words of the heading, rules) of each role."""
    heading: list[str] = []
    rules: list[Object] = []
    for line in text.strip().splitlines():
        if line.startswith(" "):
            rules.append(rule(line))
            continue
        if heading:
            yield heading, rules
        heading, rules = line.split(), []
    yield heading, rules


def _meta(name: str, labels: dict[str, str] | None = None) -> Object:
    namespace, slash, rest = name.partition("/")
    about: Object = {"name": rest if slash else name, "labels": {**LABELS, **(labels or {})}}
    return {**about, **({"namespace": namespace} if slash else {}), "annotations": {AUTOUPDATE: "true"}}


def _aggregate(role: str) -> dict[str, str]:
    return {f"{GROUP}/aggregate-to-{role}": "true"}


def cluster_role(heading: list[str], rules: list[Object], prefix: str = "") -> Object:
    labels: dict[str, str] = {}
    found: Object = {"apiVersion": VERSION, "kind": "ClusterRole"}
    for word in heading[1:]:
        direction, _, role = word.partition(":")
        if direction == "into":
            labels.update(_aggregate(role))
        else:
            found["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": _aggregate(role)}]}
    return {**found, "metadata": _meta(prefix + heading[0], labels), "rules": rules or None}


def subject(word: str) -> Object:
    kind, _, name = word.partition(":")
    if kind == "ServiceAccount":
        namespace, _, name = name.partition("/")
        return {"kind": kind, "name": name, "namespace": namespace}
    return {"kind": kind, "apiGroup": GROUP, "name": name}


def binding(line: str) -> Object:
    name, *words = line.split()
    namespaced = "/" in name
    role = next((word[len("role:") :] for word in words if word.startswith("role:")), name.rpartition("/")[2])
    found: Object = {
        "apiVersion": VERSION,
        "kind": "RoleBinding" if namespaced else "ClusterRoleBinding",
        "metadata": _meta(name),
        "roleRef": {"apiGroup": GROUP, "kind": "Role" if namespaced else "ClusterRole", "name": role},
    }
    subjects = [subject(word) for word in words if not word.startswith("role:")]
    return {**found, "subjects": subjects} if subjects else found


def objects() -> Iterator[Object]:
    """All default roles and bindings."""
    for heading, rules in sections(CLUSTER_ROLES):
        yield cluster_role(heading, rules)
    for heading, rules in sections(CONTROLLER_ROLES):
        yield cluster_role(heading, rules, CONTROLLER)
        yield binding(
            f"{CONTROLLER}{heading[0]} ServiceAccount:kube-system/{heading[0]}",
        )
    for heading, rules in sections(ROLES):
        yield {"apiVersion": VERSION, "kind": "Role", "metadata": _meta(heading[0]), "rules": rules}
    for line in BINDINGS.strip().splitlines():
        yield binding(line)


def node_rules() -> list[Rule]:
    """Those of the role `system:node`, which the node authorizer applies."""
    found = next(rules for heading, rules in sections(CLUSTER_ROLES) if heading[0] == "system:node")
    return [parsed(r) for r in found]


def reconciled(wanted: Object, stored: Object) -> Object | None:
    """The stored object with what it lacks of the wanted one; None when it lacks nothing or is its owner's alone."""
    about = stored["metadata"]
    if (about.get("annotations") or {}).get(AUTOUPDATE) != "true":
        return None
    changed = _add_missing(about, "labels", wanted["metadata"]["labels"])
    if "roleRef" in wanted:
        changed |= _add_subjects(stored, wanted.get("subjects") or [])
    else:
        changed |= _add_rules(stored, wanted.get("rules") or [])
    return stored if changed else None


def _add_missing(about: Object, field: str, wanted: dict[str, str]) -> bool:
    have = about.setdefault(field, {}) or {}
    missing = {key: value for key, value in wanted.items() if key not in have}
    about[field] = {**have, **missing}
    return bool(missing)


def _add_rules(stored: Object, wanted: list[Object]) -> bool:
    have = stored.get("rules") or []
    unlike = [rule for rule in wanted if rule not in have]  # at nearly every start, none
    owned = [parsed(rule) for rule in have] if unlike else []
    missing = [r for r in unlike if not all(any(covers(o, a) for o in owned) for a in atoms(parsed(r)))]
    if missing:
        stored["rules"] = [*have, *missing]
    return bool(missing)


def _add_subjects(stored: Object, wanted: list[Object]) -> bool:
    def identity(one: Object) -> tuple[Any, ...]:
        return one["kind"], one["name"], one.get("namespace", "")

    have = {identity(one) for one in stored.get("subjects") or ()}
    missing = [one for one in wanted if identity(one) not in have]
    if missing:
        stored["subjects"] = [*(stored.get("subjects") or ()), *missing]
    return bool(missing)

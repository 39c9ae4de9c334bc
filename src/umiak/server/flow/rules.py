"""Which requests a FlowSchema speaks of, as apiserver's `flowcontrol/rule.go` reads it."""

from collections.abc import Iterable

import msgspec

from umiak.objects.types import Object
from umiak.server.contract import User
from umiak.server.route import Route

EVERY = "*"
SERVICE_ACCOUNT = "system:serviceaccount:"
BY_USER, BY_NAMESPACE = "ByUser", "ByNamespace"
FLOW_SCHEMA_UID, PRIORITY_LEVEL_UID = "X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid"


class Subjects(msgspec.Struct, frozen=True):
    """`users` and `groups` by name; service accounts as (namespace, name)."""

    users: frozenset[str]
    groups: frozenset[str]
    accounts: tuple[tuple[str, str], ...]

    def include(self, user: User) -> bool:
        if EVERY in self.users or user.name in self.users or EVERY in self.groups:
            return True
        return not self.groups.isdisjoint(user.groups) or any(_is(user.name, *who) for who in self.accounts)


def _is(user: str, namespace: str, name: str) -> bool:
    prefix = f"{SERVICE_ACCOUNT}{namespace}:"
    return user.startswith(prefix) if name == EVERY else user == prefix + name


class ResourceRule(msgspec.Struct, frozen=True):
    verbs: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    namespaces: tuple[str, ...]
    cluster_scope: bool

    def matches(self, route: Route) -> bool:
        what = f"{route.resource}/{route.subresource}" if route.subresource else route.resource
        if not (_has(self.verbs, route.verb) and _has(self.resources, what) and _has(self.groups, route.group)):
            return False
        return _has(self.namespaces, route.namespace) if route.namespace else self.cluster_scope


class PathRule(msgspec.Struct, frozen=True):
    verbs: tuple[str, ...]
    paths: tuple[str, ...]

    def matches(self, route: Route) -> bool:
        return _has(self.verbs, route.verb) and any(_below(route.path, path) for path in self.paths)


def _has(listed: tuple[str, ...], wanted: str) -> bool:
    return listed == (EVERY,) or wanted in listed


def _below(path: str, rule: str) -> bool:
    return rule in (EVERY, path) or path.startswith(rule.removesuffix(EVERY).removesuffix("/") + "/")


class Rule(msgspec.Struct, frozen=True):
    subjects: Subjects
    resources: tuple[ResourceRule, ...]
    paths: tuple[PathRule, ...]

    def matches(self, user: User, route: Route) -> bool:
        if not self.subjects.include(user):
            return False
        return any(rule.matches(route) for rule in (self.resources if route.is_resource else self.paths))


class Schema(msgspec.Struct, frozen=True):
    """A FlowSchema. `method` is what tells its flows apart: ByUser, ByNamespace or nothing."""

    name: str
    uid: str
    level: str
    precedence: int
    method: str
    rules: tuple[Rule, ...]
    condition: Object = {}
    """What its status says of the reference to its level."""

    def matches(self, user: User, route: Route) -> bool:
        return any(rule.matches(user, route) for rule in self.rules)

    def distinguisher(self, user: User, route: Route) -> str:
        if self.method == BY_USER:
            return user.name
        return route.namespace if self.method == BY_NAMESPACE else ""


def schema_of(obj: Object) -> Schema:
    """From the stored object, which is valid and has its defaults."""
    spec = obj["spec"]
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return Schema(
        obj["metadata"]["name"],
        obj["metadata"].get("uid") or "",
        spec["priorityLevelConfiguration"]["name"],
        spec["matchingPrecedence"],
        (spec.get("distinguisherMethod") or {}).get("type") or "",
        tuple(_rule(rule) for rule in spec.get("rules") or ()),
        next((c for c in conditions if c.get("type") == "Dangling"), {}),
    )


def _rule(rule: Object) -> Rule:
    return Rule(
        _subjects(rule.get("subjects") or ()),
        tuple(
            ResourceRule(
                _words(r, "verbs"),
                _words(r, "apiGroups"),
                _words(r, "resources"),
                _words(r, "namespaces"),
                bool(r.get("clusterScope")),
            )
            for r in rule.get("resourceRules") or ()
        ),
        tuple(PathRule(_words(r, "verbs"), _words(r, "nonResourceURLs")) for r in rule.get("nonResourceRules") or ()),
    )


def _words(rule: Object, name: str) -> tuple[str, ...]:
    return tuple(rule.get(name) or ())


def _subjects(subjects: Iterable[Object]) -> Subjects:
    users, groups, accounts = set(), set(), []
    for subject in subjects:
        match subject.get("kind"):
            case "User" if who := subject.get("user"):
                users.add(who["name"])
            case "Group" if who := subject.get("group"):
                groups.add(who["name"])
            case "ServiceAccount" if who := subject.get("serviceAccount"):
                accounts.append((who["namespace"], who["name"]))
    return Subjects(frozenset(users), frozenset(groups), tuple(accounts))


def in_order(schemas: Iterable[Schema]) -> list[Schema]:
    """By precedence, and by name where that is equal."""
    return sorted(schemas, key=lambda schema: (schema.precedence, schema.name))


def first_match(schemas: Iterable[Schema], user: User, route: Route) -> Schema | None:
    return next((schema for schema in schemas if schema.matches(user, route)), None)

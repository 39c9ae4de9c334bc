"""The audit policy file: which requests are told of, at which level, and which stages are left out.

Reading, validation and matching follow apiserver's `pkg/audit/policy` and `pkg/apis/audit/validation`.
"""

from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

import msgspec

from umiak.api.configuration import SWITCH, TEXT, Unacceptable, document, list_of, read, struct
from umiak.objects import names
from umiak.objects.errors import FieldError, invalid_value, not_supported, required, together
from umiak.objects.types import Object
from umiak.server.contract import User
from umiak.server.route import Route

RECEIVED, STARTED, COMPLETE, PANIC = "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"
STAGES = (RECEIVED, STARTED, COMPLETE, PANIC)


class Level(IntEnum):
    """How much is told: nothing, who and what, the request's object, the answer's object, too."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3


LEVELS = {
    "None": Level.NONE,
    "Metadata": Level.METADATA,
    "Request": Level.REQUEST,
    "RequestResponse": Level.REQUEST_RESPONSE,
}
LEVEL_NAMES = {level: name for name, level in LEVELS.items()}

_TEXTS = list_of(TEXT)
_RULE = struct(
    "PolicyRule",
    level=TEXT,
    users=_TEXTS,
    userGroups=_TEXTS,
    verbs=_TEXTS,
    resources=list_of(struct("GroupResources", group=TEXT, resources=_TEXTS, resourceNames=_TEXTS)),
    namespaces=_TEXTS,
    nonResourceURLs=_TEXTS,
    omitStages=_TEXTS,
    omitManagedFields=SWITCH,
)
_POLICY = document(
    "Policy",
    metadata=struct("ObjectMeta", name=TEXT),
    rules=list_of(_RULE),
    omitStages=_TEXTS,
    omitManagedFields=SWITCH,
)
_KNOWN = {("audit.k8s.io/v1", "Policy"): _POLICY}


class Verdict(msgspec.Struct, frozen=True):
    """What is told of a request."""

    level: Level
    omitted: frozenset[str] = frozenset()
    """Stages."""
    without_managers: bool = False


NOTHING = Verdict(Level.NONE)


class GroupResources(msgspec.Struct, frozen=True):
    group: str
    resources: Sequence[str]
    names: Sequence[str]

    def match(self, route: Route) -> bool:
        if self.group not in (route.group, "*"):
            return False
        if not self.resources:
            return True
        return (not self.names or route.name in self.names) and any(_is(route, text) for text in self.resources)


def _is(route: Route, text: str) -> bool:
    whole = f"{route.resource}/{route.subresource}" if route.subresource else route.resource
    if text in (whole, "*"):
        return True
    if route.subresource and text == f"*/{route.subresource}":
        return True
    return text == f"{route.resource}/*"


class Rule(msgspec.Struct, frozen=True):
    """Empty sequences match anything."""

    verdict: Verdict
    users: Sequence[str]
    groups: Sequence[str]
    verbs: Sequence[str]
    resources: Sequence[GroupResources]
    namespaces: Sequence[str]
    urls: Sequence[str]

    def matches(self, user: User, route: Route) -> bool:
        if self.users and user.name not in self.users:
            return False
        if self.groups and not any(group in self.groups for group in user.groups):
            return False
        if self.verbs and route.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return route.is_resource and self._matches_resource(route)
        if self.urls:
            return not route.is_resource and any(_leads_to(route.path, url) for url in self.urls)
        return True

    def _matches_resource(self, route: Route) -> bool:
        if self.namespaces and route.namespace not in self.namespaces:
            return False
        return not self.resources or any(resources.match(route) for resources in self.resources)


def _leads_to(path: str, url: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url.rstrip("*")))


class Policy(msgspec.Struct, frozen=True):
    rules: Sequence[Rule]

    def judge(self, user: User, route: Route) -> Verdict:
        """By the first rule that matches; without one nothing is told."""
        for rule in self.rules:
            if rule.matches(user, route):
                return rule.verdict
        return NOTHING


def load(path: Path) -> Policy:
    """Raises Unacceptable."""
    try:
        data = path.read_bytes()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        fault = f'failed to read file path "{path}": open {path}: {why}'
        raise Unacceptable(f"loading audit policy file: {fault}") from None
    try:
        return policy_of(data)
    except Unacceptable as error:
        raise Unacceptable(f"loading audit policy file: {error}: from file {path}") from None


def policy_of(data: bytes) -> Policy:
    """From a file's bytes, of which unknown fields are passed over. Raises Unacceptable."""
    try:
        obj = read(data, _KNOWN, strict=False)
    except Unacceptable as error:
        raise Unacceptable(f"failed decoding: {error}") from None
    if faults := _faults(obj):
        raise Unacceptable(together(faults))
    if not obj.get("rules"):
        raise Unacceptable("loaded illegal policy with 0 rules")
    return Policy(tuple(_rule(rule, obj) for rule in obj["rules"]))


def _rule(rule: Object, policy: Object) -> Rule:
    omitted = frozenset((*(policy.get("omitStages") or ()), *(rule.get("omitStages") or ())))
    own = rule.get("omitManagedFields")
    without = bool(policy.get("omitManagedFields") if own is None else own)
    return Rule(
        Verdict(LEVELS[rule["level"]], omitted, without),
        tuple(rule.get("users") or ()),
        tuple(rule.get("userGroups") or ()),
        tuple(rule.get("verbs") or ()),
        tuple(
            GroupResources(r.get("group") or "", tuple(r.get("resources") or ()), tuple(r.get("resourceNames") or ()))
            for r in rule.get("resources") or ()
        ),
        tuple(rule.get("namespaces") or ()),
        tuple(rule.get("nonResourceURLs") or ()),
    )


def _faults(policy: Object) -> list[FieldError]:
    found = _stage_faults(policy, "omitStages")
    for index, rule in enumerate(policy.get("rules") or ()):
        path = f"rules[{index}]"
        found += [
            *_level_faults(rule.get("level") or "", f"{path}.level"),
            *_url_faults(rule.get("nonResourceURLs") or (), f"{path}.nonResourceURLs"),
            *_resource_faults(rule.get("resources") or (), f"{path}.resources"),
            *_stage_faults(rule, f"{path}.omitStages"),
        ]
        if rule.get("nonResourceURLs") and (rule.get("resources") or rule.get("namespaces")):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            found.append(invalid_value(f"{path}.nonResourceURLs", rule["nonResourceURLs"], why))
    return found


def _level_faults(level: str, path: str) -> list[FieldError]:
    if not level:
        return [required(path)]
    return [] if level in LEVELS else [not_supported(path, level, LEVELS)]


def _url_faults(urls: Sequence[str], path: str) -> list[FieldError]:
    found = []
    for index, url in enumerate(urls):
        if url == "*":
            continue
        if not url.startswith("/"):
            why = "non-resource URL rules must begin with a '/' character"
            found.append(invalid_value(f"{path}[{index}]", url, why))
        if "*" in url[:-1]:
            why = "non-resource URL wildcards '*' must be the final character of the rule"
            found.append(invalid_value(f"{path}[{index}]", url, why))
    return found


def _resource_faults(resources: Sequence[Object], path: str) -> list[FieldError]:
    found = []
    for one in resources:
        group = one.get("group") or ""
        if group not in ("", "*") and (wrong := names.dns_subdomain(group)):
            found.append(invalid_value(f"{path}.group", group, ",".join(wrong)))
        if one.get("resourceNames") and not one.get("resources"):
            why = "using resourceNames requires at least one resource"
            found.append(invalid_value(f"{path}.resourceNames", one["resourceNames"], why))
    return found


def _stage_faults(obj: Object, path: str) -> list[FieldError]:
    return [
        invalid_value(f"{path}[{index}]", stage, f"allowed stages are {','.join(STAGES)}")
        for index, stage in enumerate(obj.get("omitStages") or ())
        if stage not in STAGES
    ]

"""RBAC rules: what one allows, and whether some rules cover others. Pure.

The semantics are those of `rbac.authorization.k8s.io/v1`; texts follow the reference's escalation check.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from umiak.objects.types import Object
from umiak.server.contract import Attributes


class Rule(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={"groups": "apiGroups", "names": "resourceNames", "urls": "nonResourceURLs"},
):
    """One `PolicyRule`."""

    verbs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()


EVERYTHING = (Rule(verbs=("*",), groups=("*",), resources=("*",)), Rule(verbs=("*",), urls=("*",)))


def parsed(plain: Object) -> Rule:
    """A `Rule` of a plain PolicyRule object."""
    return Rule(
        verbs=tuple(plain.get("verbs") or ()),
        groups=tuple(plain.get("apiGroups") or ()),
        resources=tuple(plain.get("resources") or ()),
        names=tuple(plain.get("resourceNames") or ()),
        urls=tuple(plain.get("nonResourceURLs") or ()),
    )


def _has(listed: Sequence[str], wanted: str) -> bool:
    return "*" in listed or wanted in listed


def matches_resource(rule: Rule, group: str, resource: str, subresource: str) -> bool:
    """Whether the rule speaks of the resource, verbs and names apart; `*/scale` means that part of any resource."""
    if not _has(rule.groups, group):
        return False
    if not subresource:
        return _has(rule.resources, resource)
    return _has(rule.resources, f"{resource}/{subresource}") or f"*/{subresource}" in rule.resources


def matches_path(rule: Rule, path: str) -> bool:
    return any(covers_path(url, path) for url in rule.urls)


def covers_path(url: str, path: str) -> bool:
    """`/logs/*` covers what begins with `/logs/`; `*` covers all."""
    return url == path or (url.endswith("*") and path.startswith(url.rstrip("*")))


def allows(rule: Rule, asked: Attributes) -> bool:
    if not _has(rule.verbs, asked.verb):
        return False
    if not asked.is_resource:
        return matches_path(rule, asked.path)
    if rule.names and asked.name not in rule.names:
        return False
    return matches_resource(rule, asked.group, asked.resource, asked.subresource)


def atoms(rule: Rule) -> Iterator[Rule]:
    """The rule taken apart into ones with a single verb, group, resource and name, or a single verb and path."""
    for group in rule.groups:
        for resource in rule.resources:
            for verb in rule.verbs:
                whole = Rule(verbs=(verb,), groups=(group,), resources=(resource,))
                if not rule.names:
                    yield whole
                for name in rule.names:
                    yield msgspec.structs.replace(whole, names=(name,))
    for url in rule.urls:
        for verb in rule.verbs:
            yield Rule(verbs=(verb,), urls=(url,))


def _covers_resource(owned: Sequence[str], wanted: str) -> bool:
    if _has(owned, wanted):
        return True
    _, slash, part = wanted.partition("/")
    return bool(slash) and f"*/{part}" in owned


def covers(owner: Rule, atom: Rule) -> bool:
    """Whether `owner` allows all that `atom` (as `atoms` makes them) does."""
    return (
        all(_has(owner.verbs, verb) for verb in atom.verbs)
        and all(_has(owner.groups, group) for group in atom.groups)
        and all(_covers_resource(owner.resources, resource) for resource in atom.resources)
        and all(any(covers_path(mine, url) for mine in owner.urls) for url in atom.urls)
        and (not owner.names or (bool(atom.names) and all(name in owner.names for name in atom.names)))
    )


def missing(owned: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The atoms of `wanted` that no rule of `owned` covers."""
    return [atom for rule in wanted for atom in atoms(rule) if not any(covers(owner, atom) for owner in owned)]


def compacted(rules: Iterable[Rule]) -> list[Rule]:
    """Joins atoms that differ by their verb only."""
    verbs: dict[Rule, list[str]] = {}
    paths: list[Rule] = []
    for rule in rules:
        if rule.urls:
            paths.append(rule)
        else:
            verbs.setdefault(msgspec.structs.replace(rule, verbs=()), []).extend(rule.verbs)
    return paths + [msgspec.structs.replace(rule, verbs=tuple(found)) for rule, found in verbs.items()]


def plain(rule: Rule) -> Object:
    """A rule as the API shows it."""
    found = {
        "verbs": rule.verbs,
        "apiGroups": rule.groups,
        "resources": rule.resources,
        "resourceNames": rule.names,
        "nonResourceURLs": rule.urls,
    }
    return {field: list(words) for field, words in found.items() if words}


def quoted(words: Iterable[str]) -> str:
    """`["a" "b"]`, as Go prints a list of strings with %q."""
    return "[" + " ".join(msgspec.json.encode(word).decode() for word in words) + "]"


def described(rule: Rule) -> str:
    """One line such as `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`."""
    parts = {
        "APIGroups": rule.groups,
        "Resources": rule.resources,
        "NonResourceURLs": rule.urls,
        "ResourceNames": rule.names,
        "Verbs": rule.verbs,
    }
    return "{" + ", ".join(f"{name}:{quoted(words)}" for name, words in parts.items() if words) + "}"

"""Makes and finds the built-in kinds. Looking one up imports its module and no other.

Custom resources are not here; the server keeps theirs.
"""

import importlib
import importlib.util
from functools import cache
from pkgutil import iter_modules
from typing import Any

import umiak.api
from umiak.api import compiled
from umiak.api.kind import Kind, Subresource
from umiak.api.schema import Schema
from umiak.kit.modules import exported


class UnknownKind(LookupError):
    """There is no such built-in kind."""


def package_of(group: str) -> str:
    """The folder of a group below `umiak/api`: its first label, `core` for the group without a name."""
    return group.partition(".")[0] or "core"


def module_of(api_version: str, kind: str) -> str:
    """The full name of the module of a kind; versions other than the preferred one carry theirs at the end."""
    group, _, version = api_version.rpartition("/")
    preferred = next((versions[0] for name, versions in compiled.groups() if name == group), version)
    suffix = "" if version == preferred else f"_{version}"
    return f"umiak.api.{package_of(group)}.{kind.lower()}{suffix}"


def facts_of(api_version: str, kind: str) -> compiled.ResourceFacts:
    """What discovery says of the kind. Raises UnknownKind."""
    for facts in compiled.resources(api_version):
        if facts.kind[2] == kind:
            return facts
    raise UnknownKind(f'no kind "{kind}" in version "{api_version}"')


def builtin(api_version: str, kind: str, **hooks: Any) -> Kind:
    """The kind as discovery describes it, with `hooks`: further fields of `Kind`."""
    facts = facts_of(api_version, kind)
    group, _, version = api_version.rpartition("/")

    def load_schema() -> Schema:
        return compiled.schema(api_version, kind)

    about: dict[str, Any] = {
        "group": group,
        "version": version,
        "kind": kind,
        "plural": facts.plural,
        "singular": facts.singular,
        "namespaced": facts.namespaced,
        "verbs": facts.verbs,
        "short_names": facts.short,
        "categories": facts.categories,
        "subresources": tuple(Subresource(s.name, s.kind, s.verbs, s.group, s.version) for s in facts.sub),
        "load_schema": load_schema,
    }
    return Kind(**(about | hooks))


@cache
def find(api_version: str, kind: str) -> Kind:
    """The built-in kind, e.g. `find("apps/v1", "Deployment")`. Raises UnknownKind."""
    name = module_of(api_version, kind)
    if kind.isidentifier() and _exists(name):
        found: Kind = importlib.import_module(name).KIND
        if (found.api_version, found.kind) == (api_version, kind):
            return found
    raise UnknownKind(f'no kind "{kind}" in version "{api_version}"')


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package
        return False


@cache
def resource(group: str, version: str, plural: str) -> Kind:
    """The built-in kind behind a path, e.g. `resource("apps", "v1", "deployments")`. Raises UnknownKind."""
    api_version = f"{group}/{version}" if group else version
    for facts in compiled.resources(api_version):
        if facts.plural == plural:
            return find(api_version, facts.kind[2])
    for kind in kinds():
        if (kind.group, kind.version, kind.plural) == (group, version, plural):
            return kind
    raise UnknownKind(f'no resource "{plural}" in version "{api_version}"')


@cache
def kinds() -> tuple[Kind, ...]:
    """Every built-in kind, in the order of discovery. Imports all their modules."""
    found = [
        kind
        for package in iter_modules(umiak.api.__path__)
        if package.ispkg and not package.name.startswith("_")
        for kind in exported(f"umiak.api.{package.name}", "KIND").values()
    ]
    served = [(v, f.plural) for v in group_versions() for f in compiled.resources(v)]
    order = {place: index for index, place in enumerate(served)}
    return tuple(sorted(found, key=lambda k: (order.get((k.api_version, k.plural), len(order)), k.api_version, k.kind)))


@cache
def group_versions() -> tuple[str, ...]:
    """Every built-in group-version, e.g. `v1` and `apps/v1`, in the order of discovery, preferred versions first."""
    return tuple(
        f"{group}/{version}" if group else version for group, versions in compiled.groups() for version in versions
    )


def storage_hash(kind: Kind) -> str:
    """What discovery shows as `storageVersionHash`; empty for kinds that are not stored or not built in."""
    facts = compiled.resources(kind.api_version)
    return next((f.hash for f in facts if f.plural == kind.plural), "")

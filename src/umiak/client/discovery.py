"""What kinds a server has, for those who must treat all alike: garbage collection, namespace deletion, quotas."""

from collections.abc import Iterator
from typing import Any

import msgspec

from umiak.api.kind import Kind, Subresource
from umiak.api.schema import Schema
from umiak.client.contract import Client
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

AGGREGATED = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"}


def open_schema() -> Schema:
    """A schema that takes everything as it is."""
    return Schema("raw")


async def discover(client: Client, failures: dict[str, str] | None = None) -> list[Kind]:
    """Every kind the server has, once, in its group's preferred version where that serves it.

    Groups whose own server is away are left out, and noted in `failures` (group and version to the reason) for those
    who must not take an absent kind for one that is no more. Raises StatusError or Unreachable.
    """
    kinds: dict[tuple[str, str], Kind] = {}
    for kind in await all_versions(client, failures):
        kinds.setdefault((kind.group, kind.plural), kind)
    return list(kinds.values())


async def all_versions(client: Client, failures: dict[str, str] | None = None) -> list[Kind]:
    """Every kind in every version the server has, preferred versions first within a group; `failures` as above."""
    failed = {} if failures is None else failures
    kinds: list[Kind] = []
    for root in ("/api", "/apis"):
        found = msgspec.json.decode((await client.raw("GET", root, headers=AGGREGATED)).body)
        if found.get("kind") == "APIGroupDiscoveryList":
            kinds += _aggregated(found, failed)
        else:
            kinds += await _one_by_one(client, root, found, failed)
    return kinds


def _aggregated(found: Object, failures: dict[str, str]) -> Iterator[Kind]:
    for group in found.get("items") or ():
        name = (group.get("metadata") or {}).get("name") or ""
        for version in group.get("versions") or ():
            if version.get("freshness") == "Stale":  # the group's own server does not answer
                where = f"{name}/{version['version']}"
                failures[where] = f"stale GroupVersion discovery: {where}"
                continue
            for resource in version.get("resources") or ():
                if resource.get("responseKind"):
                    yield _kind_of(name, version["version"], resource)


def _kind_of(group: str, version: str, resource: Object) -> Kind:
    return Kind(
        group=group,
        version=version,
        kind=resource["responseKind"]["kind"],
        plural=resource["resource"],
        singular=resource.get("singularResource") or "",
        namespaced=resource.get("scope") == "Namespaced",
        verbs=tuple(resource.get("verbs") or ()),
        short_names=tuple(resource.get("shortNames") or ()),
        categories=tuple(resource.get("categories") or ()),
        subresources=tuple(_subresource_of(s) for s in resource.get("subresources") or ()),
        load_schema=open_schema,
    )


def _subresource_of(entry: Object) -> Subresource:
    kind: dict[str, Any] = entry.get("responseKind") or {}
    return Subresource(
        entry["subresource"],
        kind.get("kind") or "",
        tuple(entry.get("verbs") or ()),
        kind.get("group") or "",
        kind.get("version") or "",
    )


async def _one_by_one(client: Client, root: str, found: Object, failures: dict[str, str]) -> list[Kind]:
    """For servers without aggregated discovery: one request per group and version."""
    if "versions" in found and "groups" not in found:
        return [k for version in found["versions"] for k in await _resources(client, root, "", version, failures)]
    kinds: list[Kind] = []
    for group in found.get("groups") or ():
        versions = [v["version"] for v in group.get("versions") or ()]
        preferred = (group.get("preferredVersion") or {}).get("version")
        versions.sort(key=lambda v: v != preferred)
        for version in versions:
            kinds += await _resources(client, f"{root}/{group['name']}", group["name"], version, failures)
    return kinds


async def _resources(client: Client, root: str, group: str, version: str, failures: dict[str, str]) -> list[Kind]:
    try:
        found = msgspec.json.decode((await client.raw("GET", f"{root}/{version}")).body)
    except StatusError as error:
        failures[f"{group}/{version}"] = str(error)
        return []  # an aggregated group whose server is away must not blind us to the others
    entries = found.get("resources") or []
    plain = [r for r in entries if "/" not in r["name"]]
    return [
        _old_kind_of(group, version, r, [e for e in entries if e["name"].startswith(r["name"] + "/")]) for r in plain
    ]


def _old_kind_of(group: str, version: str, resource: Object, subresources: list[Object]) -> Kind:
    return Kind(
        group=group,
        version=version,
        kind=resource["kind"],
        plural=resource["name"],
        singular=resource.get("singularName") or "",
        namespaced=bool(resource.get("namespaced")),
        verbs=tuple(resource.get("verbs") or ()),
        short_names=tuple(resource.get("shortNames") or ()),
        categories=tuple(resource.get("categories") or ()),
        subresources=tuple(
            Subresource(
                s["name"].partition("/")[2],
                s["kind"],
                tuple(s.get("verbs") or ()),
                s.get("group") or "",
                s.get("version") or "",
            )
            for s in subresources
        ),
        load_schema=open_schema,
    )

"""Asks a server which kinds it serves: one request each for /api and /apis where it can, many where it cannot.

Of a resource served in several versions the one that its group prefers counts, as in client-go's
ServerPreferredResources. Custom and aggregated resources come like all others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from umiak.api.kind import Kind
from umiak.client.contract import Client, Unreachable
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

if TYPE_CHECKING:
    from umiak.api.schema import Schema

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
ACCEPT = {"accept": f"{AGGREGATED},application/json"}


@dataclass(slots=True)
class Served:
    """The kinds of a server, and what could not be asked: group and version to the error."""

    kinds: list[Kind] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def with_verbs(self, *verbs: str) -> list[Kind]:
        return [kind for kind in self.kinds if set(verbs) <= set(kind.verbs)]


async def discover(client: Client) -> Served:
    """Raises StatusError or Unreachable when not even the groups can be read."""
    served = Served()
    for root in ("/api", "/apis"):
        answer = await _fetch(client, root)
        if answer.get("kind") == "APIGroupDiscoveryList":
            for group in answer.get("items") or ():
                served.kinds += group_kinds(group, served.failures)
        else:
            await _ask_each(client, root, answer, served)
    return served


async def _fetch(client: Client, target: str) -> Object:
    answer: Object = msgspec.json.decode((await client.raw("GET", target, headers=ACCEPT)).body)
    return answer


def group_kinds(group: Object, failures: dict[str, str]) -> Iterator[Kind]:
    """The kinds of one APIGroupDiscovery; its versions come in order of preference."""
    name = (group.get("metadata") or {}).get("name") or ""
    seen: set[str] = set()
    for version in group.get("versions") or ():
        if version.get("freshness") == "Stale":
            failures[f"{name}/{version['version']}"] = f"stale GroupVersion discovery: {name}/{version['version']}"
        for resource in version.get("resources") or ():
            if resource["resource"] not in seen:
                seen.add(resource["resource"])
                kind = (resource.get("responseKind") or {}).get("kind") or ""
                yield make_kind(
                    name,
                    version["version"],
                    kind,
                    resource["resource"],
                    resource.get("scope") == "Namespaced",
                    resource.get("verbs") or (),
                )


async def _ask_each(client: Client, root: str, answer: Object, served: Served) -> None:
    """The way of servers without aggregated discovery."""
    for name, versions in _versions(root, answer):
        seen: set[str] = set()
        for version in versions:
            try:
                listed = await _fetch(client, f"{root}/{name}/{version}" if name else f"{root}/{version}")
            except (StatusError, Unreachable) as error:
                served.failures[f"{name}/{version}" if name else version] = str(error)
                continue
            for resource in listed.get("resources") or ():
                if "/" not in resource["name"] and resource["name"] not in seen:
                    seen.add(resource["name"])
                    served.kinds.append(
                        make_kind(
                            name,
                            version,
                            resource["kind"],
                            resource["name"],
                            bool(resource.get("namespaced")),
                            resource.get("verbs") or (),
                        )
                    )


def _versions(root: str, answer: Object) -> Iterator[tuple[str, list[str]]]:
    """Groups and their versions, the preferred one first."""
    if root == "/api":
        yield "", list(answer.get("versions") or ())
        return
    for group in answer.get("groups") or ():
        first = (group.get("preferredVersion") or {}).get("version")
        versions = [v["version"] for v in group.get("versions") or ()]
        yield group["name"], sorted(versions, key=lambda v: v != first)


def make_kind(group: str, version: str, kind: str, plural: str, namespaced: bool, verbs: Iterable[str]) -> Kind:
    """A kind of which only discovery's facts are known: it can be read, patched and deleted, not validated."""

    def no_schema() -> "Schema":
        raise LookupError(f"the schema of {plural}.{group} is known to the server only")

    return Kind(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        namespaced=namespaced,
        verbs=tuple(verbs),
        load_schema=no_schema,
    )

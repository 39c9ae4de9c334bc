"""How many pods the controllers of some pods want in all, for budgets given in percent."""

from collections.abc import Iterable

import msgspec

from umiak.api.apps import deployment, replicaset, statefulset
from umiak.api.core import replicationcontroller
from umiak.api.kind import Kind
from umiak.controllers._discovered import find_kind
from umiak.objects import meta
from umiak.objects.errors import StatusError, qualified
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import Cache, Context

SCALED = {k.kind: k for k in (replicationcontroller.KIND, replicaset.KIND, statefulset.KIND)}


class NoScale(Exception):
    """The number cannot be found out."""


def _resolve(cache: Cache, kind: Kind, namespace: str, reference: Object) -> Object | None:
    """The very object that is referred to."""
    if reference["kind"] != kind.kind or reference["apiVersion"].partition("/")[0] != (kind.group or "v1"):
        return None
    found = cache.get(kind, Key(namespace, reference["name"]))
    return found if found is not None and meta.uid(found) == reference["uid"] else None


def known_scale(cache: Cache, namespace: str, reference: Object) -> tuple[str, int] | None:
    """(uid, replicas) of the built-in controller behind a pod; for a Deployment's ReplicaSet that of the Deployment."""
    kind = SCALED.get(reference["kind"])
    found = None if kind is None else _resolve(cache, kind, namespace, reference)
    if found is None:
        return None
    above = meta.controller_of(found)
    if reference["kind"] == "ReplicaSet" and above is not None and above["kind"] == "Deployment":
        found = _resolve(cache, deployment.KIND, namespace, above)
    return None if found is None else (meta.uid(found), found["spec"].get("replicas", 1))


async def _kind_of(ctx: Context, reference: Object) -> Kind:
    """Raises NoScale."""
    group, _, _ = reference["apiVersion"].rpartition("/")
    found = await find_kind(ctx, group, reference["kind"])
    if found is None:
        raise NoScale(f'no matches for kind "{reference["kind"]}" in version "{reference["apiVersion"]}"')
    return found


async def _ask_scale(ctx: Context, namespace: str, reference: Object) -> tuple[str, int] | None:
    """(uid, replicas) as the scale subresource tells; None when the controller is gone."""
    kind = await _kind_of(ctx, reference)
    if not any(s.name == "scale" for s in kind.subresources):
        raise NoScale(f"{qualified(kind.plural, kind.group)} does not implement the scale subresource")
    try:
        answer = await ctx.client.raw("GET", kind.path(namespace, reference["name"], "scale"))
    except StatusError as error:
        if error.code == 404:
            return None
        raise
    scale: Object = msgspec.json.decode(answer.body)
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    return (meta.uid(scale), replicas) if meta.uid(scale) == reference["uid"] else None


async def expected_scale(ctx: Context, pods: Iterable[Object]) -> tuple[int, list[str]]:
    """(pods wanted by all controllers of these pods, names of pods without one). Raises NoScale."""
    scales: dict[str, int] = {}
    asked: set[str] = set()
    unmanaged = []
    for pod in pods:
        owner = meta.controller_of(pod)
        if owner is None:
            unmanaged.append(meta.name(pod))
            continue
        if owner["uid"] in asked:
            continue
        asked.add(owner["uid"])
        namespace = meta.namespace(pod)
        found = known_scale(ctx.cache, namespace, owner)
        if found is None:
            found = await _ask_scale(ctx, namespace, owner)
        if found is None:
            raise NoScale(f'found no controllers for pod "{meta.name(pod)}"')
        scales[found[0]] = found[1]
    return sum(scales.values()), unmanaged

"""Publishes the authority of the API server's certificate as a ClusterTrustBundle, for pods to project (KEP-3257).

The bundle's name carries the hash of its contents, so a new authority gets a new object, and the old one goes.
"""

import hashlib
from collections.abc import Iterable

from umiak.api.certificates.clustertrustbundle import KIND as BUNDLE
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.controllers._act import delete_if_there
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome

SIGNER = "kubernetes.io/kube-apiserver-serving"
HASHED = 24
"""Hexadecimal digits of the hash that are in the name."""
START = "kube-system"
"""A namespace that every cluster has: hearing of it, we publish a first time."""


def name_of(root_ca: str) -> str:
    digest = hashlib.sha256(root_ca.encode()).hexdigest()
    return f"{SIGNER.replace('/', ':')}:{digest[:HASHED]}"


def is_ours(bundle: Object | None) -> bool:
    return bundle is not None and bundle["spec"].get("signerName") == SIGNER


async def reconcile(ctx: Context, key: Key) -> Outcome:
    """`key` is a bundle that may be one too many; the right one is seen to first."""
    root_ca = ctx.options.root_ca
    if not root_ca:
        return DONE
    wanted = name_of(root_ca)
    await _publish(ctx, wanted, root_ca)
    other = ctx.cache.get(BUNDLE, key)
    if key.name != wanted and other is not None and is_ours(other):
        await delete_if_there(ctx, BUNDLE, other)
    return DONE


async def _publish(ctx: Context, name: str, root_ca: str) -> None:
    found = ctx.cache.get(BUNDLE, Key("", name))
    if found is None:
        fresh: Object = {"apiVersion": BUNDLE.api_version, "kind": BUNDLE.kind, "metadata": {"name": name}}
        await ctx.client.create(BUNDLE, {**fresh, "spec": {"signerName": SIGNER, "trustBundle": root_ca}})
    elif found["spec"].get("trustBundle") != root_ca:
        await ctx.client.update(BUNDLE, {**found, "spec": {**found["spec"], "trustBundle": root_ca}})


def at_first(namespace: Object, cache: Cache) -> Iterable[Key]:
    return [Key("", SIGNER)] if meta.name(namespace) == START else []


def appeared(old: Object | None, new: Object | None) -> bool:
    return old is None


def concerns(old: Object | None, new: Object | None) -> bool:
    return is_ours(old) or is_ours(new)


CONTROLLER = Controller(
    name="kube-apiserver-serving-clustertrustbundle-publisher",
    watches=BUNDLE,
    reconcile=reconcile,
    also=[Also(NAMESPACE, at_first, should_wake=appeared)],
    should_wake=concerns,
    workers=1,
)

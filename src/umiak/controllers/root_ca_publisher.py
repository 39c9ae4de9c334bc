"""Puts the certificate authority of the API server into every namespace, as ConfigMap `kube-root-ca.crt`."""

from collections.abc import Iterable

from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.controllers._act import has_cause, is_code
from umiak.controllers.serviceaccount import is_active
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome

NAME = "kube-root-ca.crt"
ANNOTATION = "kubernetes.io/description"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


def namespace_of_bundle(config_map: Object, cache: Cache) -> Iterable[Key]:
    return [Key("", meta.namespace(config_map))] if meta.name(config_map) == NAME else []


def repaired(config_map: Object, root_ca: str) -> Object | None:
    """The ConfigMap as it should be, None when it is so already."""
    data = {"ca.crt": root_ca}
    if config_map.get("data") == data and meta.annotations(config_map).get(ANNOTATION):
        return None
    annotations = {**meta.annotations(config_map), ANNOTATION: DESCRIPTION}
    return {**config_map, "data": data, "metadata": {**config_map["metadata"], "annotations": annotations}}


async def reconcile(ctx: Context, key: Key) -> Outcome:
    root_ca = ctx.options.root_ca
    if not root_ca or not is_active(ctx.cache.get(NAMESPACE, key)):
        return DONE
    found = ctx.cache.get(CONFIG_MAP, Key(key.name, NAME))
    if found is not None:
        better = repaired(found, root_ca)
        if better is not None:
            await ctx.client.update(CONFIG_MAP, better)
        return DONE
    fresh = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": key.name, "annotations": {ANNOTATION: DESCRIPTION}},
        "data": {"ca.crt": root_ca},
    }
    try:
        await ctx.client.create(CONFIG_MAP, fresh)
    except StatusError as error:
        if not (is_code(error, 404) or has_cause(error, "NamespaceTerminating")):
            raise
    return DONE


CONTROLLER = Controller(
    name="root-ca-certificate-publisher",
    watches=NAMESPACE,
    reconcile=reconcile,
    also=[Also(CONFIG_MAP, namespace_of_bundle)],
)

"""Sees that every active namespace has the service account `default`."""

from collections.abc import Iterable

from umiak.api.core.namespace import KIND as NAMESPACE
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.controllers._act import has_cause, is_code
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Also, Cache, Context, Controller, Outcome

DEFAULT = "default"


def is_active(namespace: Object | None) -> bool:
    return namespace is not None and (namespace.get("status") or {}).get("phase") == "Active"


def namespace_of_default(account: Object, cache: Cache) -> Iterable[Key]:
    return [Key("", meta.namespace(account))] if meta.name(account) == DEFAULT else []


async def reconcile(ctx: Context, key: Key) -> Outcome:
    wanted = Key(key.name, DEFAULT)
    if not is_active(ctx.cache.get(NAMESPACE, key)) or ctx.cache.get(SERVICE_ACCOUNT, wanted):
        return DONE
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": DEFAULT, "namespace": key.name},
    }
    try:
        await ctx.client.create(SERVICE_ACCOUNT, account)
    except StatusError as error:
        if not (error.reason == "AlreadyExists" or has_cause(error, "NamespaceTerminating") or is_code(error, 404)):
            raise
    return DONE


CONTROLLER = Controller(
    name="serviceaccount",
    watches=NAMESPACE,
    reconcile=reconcile,
    also=[Also(SERVICE_ACCOUNT, namespace_of_default)],
    component="service-account-controller",
)

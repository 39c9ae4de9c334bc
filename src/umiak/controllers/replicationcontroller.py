"""Keeps as many pods as a ReplicationController wants; its selector is a plain map of labels."""

from umiak.api.core import pod, replicationcontroller
from umiak.controllers import _replicas
from umiak.controllers._claims import map_selector, waking_keys
from umiak.objects.meta import Key
from umiak.objects.selectors import Selector
from umiak.objects.types import Object
from umiak.reconcile.contract import Also, Context, Controller, Outcome


def selector(owner: Object) -> Selector:
    return map_selector(owner["spec"].get("selector") or {})


FAMILY = _replicas.Family(replicationcontroller.KIND, selector, counts_terminating=False)


async def reconcile(ctx: Context, key: Key) -> Outcome:
    return await _replicas.reconcile(ctx, key, FAMILY)


CONTROLLER = Controller(
    name="replicationcontroller-controller",
    component="replication-controller",
    watches=replicationcontroller.KIND,
    reconcile=reconcile,
    also=(Also(pod.KIND, waking_keys(FAMILY.kind, FAMILY.selector), of=FAMILY.kind),),
)

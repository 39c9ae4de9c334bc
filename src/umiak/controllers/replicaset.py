"""Keeps as many pods as a ReplicaSet wants."""

from umiak.api.apps import replicaset
from umiak.api.core import pod
from umiak.controllers import _replicas
from umiak.controllers._claims import selector_of, waking_keys
from umiak.objects.meta import Key
from umiak.reconcile.contract import Also, Context, Controller, Outcome

FAMILY = _replicas.Family(replicaset.KIND, selector_of, counts_terminating=True)


async def reconcile(ctx: Context, key: Key) -> Outcome:
    return await _replicas.reconcile(ctx, key, FAMILY)


CONTROLLER = Controller(
    name="replicaset-controller",
    watches=replicaset.KIND,
    reconcile=reconcile,
    also=(Also(pod.KIND, waking_keys(FAMILY.kind, FAMILY.selector), of=FAMILY.kind),),
)

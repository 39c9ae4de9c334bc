"""What lives around an API server in one process: all controllers, the scheduler and nodes that are simulated."""

import asyncio
from collections.abc import Sequence

from umiak.api.core import node, serviceaccount
from umiak.kit.modules import exported
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.context import Runtime
from umiak.reconcile.contract import Cache, Context, Controller, Loop, Options
from umiak.reconcile.loop import run
from umiak.scheduler.loop import Scheduler
from umiak.testing.simulation import Nodes, Settings

LOCAL_PATH_ROOT = "/var/lib/umiak/simulated"
"""Where volumes of class local-path seem to be; nothing is ever written there."""


def options(service_cidr: str, authority: str, authority_key: str, signing_key: str) -> Options:
    """What controllers are told; PEM texts. The authority is the root of trust and signs certificate requests."""
    return Options(
        service_cidrs=(service_cidr,),
        root_ca=authority,
        service_account_key=signing_key,
        signing_ca=authority,
        signing_key=authority_key,
        local_path_root=LOCAL_PATH_ROOT,
    )


def members(shared: Runtime, nodes: Settings, scheduler: Scheduler | None = None) -> list[Controller | Loop]:
    async def schedule(_: Context) -> None:
        await (scheduler or Scheduler(shared)).run()

    controllers = exported("umiak.controllers", "CONTROLLER").values()
    return [*controllers, Loop(name="scheduler", run=schedule), *Nodes(nodes).controllers()]


async def populate(
    shared: Runtime, nodes: Settings, tasks: asyncio.TaskGroup, scheduler: Scheduler | None = None
) -> None:
    """Starts them all, with a scheduler of its own kind if one is given. Returns when pods can be created and run."""
    filled, changed = asyncio.Event(), asyncio.Event()
    tasks.create_task(run(members(shared, nodes, scheduler), shared, ready=filled), name="controllers")
    await filled.wait()
    for kind in (node.KIND, serviceaccount.KIND):
        shared.tables.table(kind).listen(lambda _: changed.set())
    while not is_settled(shared.tables, nodes.names()):
        await changed.wait()
        changed.clear()


def is_settled(cache: Cache, nodes: Sequence[str]) -> bool:
    """Whether all nodes take pods, and the default namespace has the account that pods run as."""
    usable = [name for name in nodes if takes_pods(cache.get(node.KIND, Key("", name)))]
    return len(usable) == len(nodes) and cache.get(serviceaccount.KIND, Key("default", "default")) is not None


def takes_pods(node: Object | None) -> bool:
    """Ready, and no longer tainted as if it were not."""
    if node is None or (node.get("spec") or {}).get("taints"):
        return False
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

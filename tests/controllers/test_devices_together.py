"""Template, claim, scheduler, device, and back: what the loops around devices do together (KEP-4381)."""

from umiak.api.core.node import KIND as NODE
from umiak.api.core.pod import KIND as POD
from umiak.api.resource.deviceclass import KIND as CLASS
from umiak.api.resource.devicetaintrule import KIND as RULE
from umiak.api.resource.resourceclaim import KIND as CLAIM
from umiak.api.resource.resourceclaimtemplate import KIND as TEMPLATE
from umiak.api.resource.resourceslice import KIND as SLICE
from umiak.controllers import device_taint_eviction, resourceclaim, resourceclaim_template
from umiak.objects import meta
from umiak.objects.types import Object
from umiak.reconcile.contract import Context, Loop
from umiak.scheduler.loop import Scheduler
from umiak.testing.workbench import Workbench

CONTROLLERS = (resourceclaim.CONTROLLER, resourceclaim_template.CONTROLLER, device_taint_eviction.CONTROLLER)
DRIVER = "d.example.com"


def scheduler(cluster: Workbench) -> Loop:
    async def schedule(_: Context) -> None:
        assert cluster.runtime is not None
        await Scheduler(cluster.runtime).run()

    return Loop(name="scheduler", run=schedule)


async def prepare(cluster: Workbench) -> None:
    """A node with one device, its class, and a template that asks for one."""
    capacity = {"cpu": "4", "memory": "4Gi", "pods": "10"}
    status = {"capacity": capacity, "allocatable": capacity, "conditions": [{"type": "Ready", "status": "True"}]}
    await cluster.create(NODE, {"metadata": {"name": "n"}}, status=status)
    await cluster.patch(NODE, "n", "", {"spec": {"taints": None}})  # which admission puts on every new node
    pool = {"name": "n", "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": DRIVER, "pool": pool, "nodeName": "n", "devices": [{"name": "only"}]}
    await cluster.create(SLICE, {"metadata": {"name": "s"}, "spec": spec})
    await cluster.create(CLASS, {"metadata": {"name": "any"}, "spec": {}})
    request = {"name": "r", "exactly": {"deviceClassName": "any"}}
    about = {"name": "one", "namespace": "default"}
    await cluster.create(TEMPLATE, {"metadata": about, "spec": {"spec": {"devices": {"requests": [request]}}}})


async def start(cluster: Workbench, name: str) -> None:
    uses = [{"name": "dev", "resourceClaimTemplateName": "one"}]
    spec = {"containers": [{"name": "c", "image": "i"}], "resourceClaims": uses}
    await cluster.create(POD, {"metadata": {"name": name, "namespace": "default"}, "spec": spec})
    await cluster.clock.advance(5)


async def node_of(cluster: Workbench, name: str) -> str:
    return str((await cluster.client.get(POD, name, "default"))["spec"].get("nodeName") or "")


async def devices(cluster: Workbench) -> dict[str, list[str]]:
    """Who has which devices."""

    def found(claim: Object) -> list[str]:
        status = claim.get("status") or {}
        results = ((status.get("allocation") or {}).get("devices") or {}).get("results") or ()
        return [r["device"] for r in results]

    return {(meta.controller_of(c) or {})["name"]: found(c) for c in await cluster.list(CLAIM)}


async def test_a_device_goes_from_pod_to_pod() -> None:
    async with Workbench.real() as cluster, cluster.running(*CONTROLLERS, scheduler(cluster)):
        await prepare(cluster)
        await start(cluster, "first")
        await start(cluster, "second")
        assert await devices(cluster) == {"first": ["only"], "second": []}
        assert (await node_of(cluster, "first"), await node_of(cluster, "second")) == ("n", "")
        await cluster.patch(POD, "first", "default", {"status": {"phase": "Succeeded"}}, subresource="status")
        await cluster.clock.advance(30)
        assert await devices(cluster) == {"second": ["only"]}
        assert await node_of(cluster, "second") == "n"


async def test_a_broken_device_is_left_and_not_given_again() -> None:
    async with Workbench.real() as cluster, cluster.running(*CONTROLLERS, scheduler(cluster)):
        await prepare(cluster)
        await start(cluster, "first")
        taint = {"key": "broken", "effect": "NoExecute"}
        await cluster.create(RULE, {"metadata": {"name": "r"}, "spec": {"deviceSelector": {}, "taint": taint}})
        await cluster.clock.advance(2)
        assert meta.is_being_deleted(await cluster.client.get(POD, "first", "default"))
        await cluster.client.delete(POD, "first", "default", grace_seconds=0)
        await start(cluster, "second")
        assert await node_of(cluster, "second") == ""
        await cluster.delete(RULE, "r")
        await cluster.clock.advance(30)
        assert await node_of(cluster, "second") == "n"

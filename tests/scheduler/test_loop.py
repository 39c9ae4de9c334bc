"""The whole scheduler over an in-memory API: pods get nodes, or an event and a condition that say why not."""

from umiak.api.core import node, pod
from umiak.api.core.event import KIND as EVENTS
from umiak.client.contract import Unreachable
from umiak.scheduler.extender import Extender
from umiak.scheduler.profile import Profile, default_plugins, default_profile
from umiak.testing.fakeapi import FakeApi
from umiak.testing.workbench import Workbench


async def where(cluster: Workbench, name: str) -> str:
    return (await cluster.client.get(pod.KIND, name, "default"))["spec"].get("nodeName", "")


async def test_a_pod_gets_a_node_and_an_event(cluster, scheduling, node_of, pod_of):
    await cluster.create(node.KIND, node_of("n1"))
    async with scheduling(cluster):
        await cluster.create(pod.KIND, pod_of("p"))
        await cluster.clock.advance(1)
        assert await where(cluster, "p") == "n1"
        events = await cluster.events("default")
        assert ("Scheduled", "p", "Successfully assigned default/p to n1") in events


async def test_it_says_why_and_tries_again_when_there_is_room(cluster, scheduling, node_of, pod_of):
    await cluster.create(node.KIND, node_of("n1", cpu="1"))
    async with scheduling(cluster):
        await cluster.create(pod.KIND, pod_of("first", cpu="1"))
        await cluster.create(pod.KIND, pod_of("second", cpu="1"))
        await cluster.clock.advance(1)
        waiting = await cluster.client.get(pod.KIND, "second", "default")
        condition = waiting["status"]["conditions"][0]
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "PodScheduled",
            "False",
            "Unschedulable",
        )
        assert condition["message"] == (
            "0/1 nodes are available: 1 Insufficient cpu. "
            "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
        )
        await cluster.create(node.KIND, node_of("n2", cpu="1"))
        await cluster.clock.advance(2)
        assert await where(cluster, "second") == "n2"


async def test_many_pods_never_overfill_a_node(cluster, scheduling, node_of, pod_of):
    await cluster.create(node.KIND, node_of("n1", cpu="2"))
    await cluster.create(node.KIND, node_of("n2", cpu="2"))
    async with scheduling(cluster):
        for i in range(6):
            await cluster.create(pod.KIND, pod_of(f"p{i}", cpu="1"))
        await cluster.clock.advance(5)
        placed = [await where(cluster, f"p{i}") for i in range(6)]
    assert (placed.count("n1"), placed.count("n2"), placed.count("")) == (2, 2, 2)


async def test_an_important_pod_makes_room(cluster, scheduling, node_of, pod_of):
    await cluster.create(node.KIND, node_of("n1", cpu="1"))
    async with scheduling(cluster):
        await cluster.create(pod.KIND, pod_of("low", cpu="1"))
        await cluster.clock.advance(1)
        await cluster.create(pod.KIND, pod_of("high", cpu="1", priority=100))
        await cluster.clock.advance(1)
        low = await cluster.find(pod.KIND, "low", "default")
        assert low is None or low["metadata"].get("deletionTimestamp")
        if low:
            await cluster.client.delete(pod.KIND, "low", "default", grace_seconds=0)
        await cluster.clock.advance(15)
        assert await where(cluster, "high") == "n1"


async def test_a_pod_whose_company_was_just_placed_is_tried_again(cluster, scheduling, node_of, pod_of):
    """A pod assumed onto a node and then bound is news, too (AssignedPod/Add)."""
    await cluster.create(node.KIND, node_of("n1"))
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "x"}}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    async with scheduling(cluster):
        await cluster.create(pod.KIND, pod_of("follower", affinity=affinity))
        await cluster.clock.advance(2)
        assert await where(cluster, "follower") == ""
        await cluster.create(pod.KIND, pod_of("leader", labels={"app": "x"}))
        await cluster.clock.advance(2)
        assert await where(cluster, "follower") == "n1"


async def test_a_pod_is_not_woken_by_what_its_own_status_says(cluster, scheduling, node_of, pod_of):
    await cluster.create(node.KIND, node_of("n1", cpu="1"))
    async with scheduling(cluster):
        await cluster.create(pod.KIND, pod_of("big", cpu="2"))
        await cluster.clock.advance(60)
        failed = [e for e in await cluster.list(EVENTS, "default") if e["reason"] == "FailedScheduling"]
        assert [(event.get("series") or {}).get("count", 1) for event in failed] == [1]


async def test_a_gated_pod_waits_until_its_gates_are_gone(cluster, scheduling, node_of, pod_of):
    await cluster.create(node.KIND, node_of("n1"))
    async with scheduling(cluster):
        await cluster.create(pod.KIND, pod_of("p", schedulingGates=[{"name": "wait"}]))
        await cluster.clock.advance(400)
        assert (await where(cluster, "p"), await cluster.events("default")) == ("", [])
        found = await cluster.client.get(pod.KIND, "p", "default")
        del found["spec"]["schedulingGates"]
        await cluster.client.update(pod.KIND, found)
        await cluster.clock.advance(1)
        assert await where(cluster, "p") == "n1"


async def test_every_profile_schedules_its_own(cluster, scheduling, node_of, pod_of):
    await cluster.create(node.KIND, node_of("n1"))
    only_named = [p for p in default_plugins() if p.name not in ("NodeUnschedulable", "TaintToleration")]
    profiles = [default_profile(), Profile("careless", only_named)]
    await cluster.create(node.KIND, node_of("n2", labels={"pool": "off"}, unschedulable=True))
    chosen = {"nodeSelector": {"pool": "off"}}
    async with scheduling(cluster, profiles):
        await cluster.create(pod.KIND, pod_of("a", **chosen))
        await cluster.create(pod.KIND, pod_of("b", schedulerName="careless", **chosen))
        await cluster.create(pod.KIND, pod_of("c", schedulerName="nobody"))
        await cluster.clock.advance(1)
        assert [await where(cluster, name) for name in "abc"] == ["", "n2", ""]


class Binder(Extender):
    """Leaves only n2, and binds by itself, as one that keeps devices would."""

    def __init__(self, cluster: Workbench) -> None:
        told = {"urlPrefix": "http://b", "filterVerb": "f", "bindVerb": "b", "nodeCacheCapable": True}
        super().__init__({**told, "managedResources": [{"name": "example.com/gpu"}]})
        self.cluster = cluster

    async def _ask(self, verb, question):
        if verb == "filterVerb":
            return {"NodeNames": [n for n in question["NodeNames"] if n == "n2"]}
        target = {"metadata": {"name": question["PodName"]}, "target": {"kind": "Node", "name": question["Node"]}}
        await self.cluster.client.create(
            pod.KIND, target, namespace=question["PodNamespace"], name=question["PodName"], subresource="binding"
        )
        return {}


async def test_extenders_are_asked_about_pods_that_want_what_they_manage(cluster, scheduling, node_of, pod_of):
    for name in ("n1", "n2", "n3"):
        found = node_of(name)
        found["status"]["allocatable"]["example.com/gpu"] = "8"
        await cluster.create(node.KIND, found)
    async with scheduling(cluster, extenders=[Binder(cluster)]):
        for i in range(5):
            wants = {"resources": {"limits": {"example.com/gpu": "1"}, "requests": {"example.com/gpu": "1"}}}
            await cluster.create(pod.KIND, pod_of(f"p{i}", container=wants))
        await cluster.clock.advance(1)
        assert [await where(cluster, f"p{i}") for i in range(5)] == ["n2"] * 5


class SilentBindings(FakeApi):
    """Binds, and loses the answer to the first binding."""

    told = False

    async def create(self, kind, obj, *, subresource="", **named):
        answer = await super().create(kind, obj, subresource=subresource, **named)
        if subresource == "binding" and not self.told:
            self.told = True
            raise Unreachable("the answer took too long")
        return answer


async def test_a_binding_without_an_answer_keeps_its_place(clock, scheduling, node_of, pod_of):
    """Whoever takes such a pod for unbound gives its place to another, if its watch is late (found by chaos)."""
    cluster = Workbench(SilentBindings(clock), clock)
    await cluster.create(node.KIND, node_of("n1", cpu="1"))
    async with scheduling(cluster):
        await cluster.create(pod.KIND, pod_of("first", cpu="1"))
        await cluster.create(pod.KIND, pod_of("second", cpu="1"))
        await cluster.clock.advance(60)
        assert (await where(cluster, "first"), await where(cluster, "second")) == ("n1", "")

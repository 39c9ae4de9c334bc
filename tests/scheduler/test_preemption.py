"""Who must leave for a more important pod (DefaultPreemption)."""

import random

from msgspec.structs import replace

from umiak.scheduler import preemption
from umiak.scheduler.decide import Placement, Refusal
from umiak.scheduler.pods import view


def outcome(world, pod, budgets=()):
    cycle = world.cycle(pod)
    refusal = world.decider.decide(cycle)
    assert isinstance(refusal, Refusal)
    return preemption.decide(cycle, world.plugins, refusal, budgets, random.Random(1))


def names(found) -> list[str]:
    return [p.name for p in found.victims.pods]


def test_the_least_important_leave(world, node_of, pod_of):
    world.add_nodes(node_of("a", cpu="2"))
    world.add_pods(pod_of("low", node="a", cpu="1", priority=1), pod_of("mid", node="a", cpu="1", priority=5))
    found = outcome(world, pod_of("p", cpu="1", priority=10))
    assert (found.victims.node, names(found)) == ("a", ["low"])
    assert sorted(p.name for p in world.nodes["a"].pods.values()) == ["low", "mid"]


def test_the_node_whose_victims_matter_least_is_taken(world, node_of, pod_of):
    world.add_nodes(node_of("a", cpu="1"), node_of("b", cpu="1"))
    world.add_pods(pod_of("x", node="a", cpu="1", priority=5), pod_of("y", node="b", cpu="1", priority=2))
    found = outcome(world, pod_of("p", cpu="1", priority=10))
    assert names(found) == ["y"]


def test_a_disruption_budget_is_spared_when_possible(world, node_of, pod_of):
    world.add_nodes(node_of("a", cpu="1"), node_of("b", cpu="1"))
    world.add_pods(
        pod_of("x", node="a", cpu="1", priority=1, labels={"app": "db"}), pod_of("y", node="b", cpu="1", priority=2)
    )
    budget = {
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "db"}}},
        "status": {"disruptionsAllowed": 0},
    }
    assert names(outcome(world, pod_of("p", cpu="1", priority=10), [budget])) == ["y"]


def test_nobody_of_lower_priority(world, node_of, pod_of):
    world.add_nodes(node_of("a", cpu="1"), node_of("off", unschedulable=True))
    world.add_pods(pod_of("x", node="a", cpu="1", priority=10))
    found = outcome(world, pod_of("p", cpu="1", priority=10))
    assert found.victims is None
    assert found.message == (
        "preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, "
        "1 Preemption is not helpful for scheduling."
    )


def test_a_promised_place_is_not_for_the_less_important(world, node_of, pod_of):
    """Upstream: SchedulerPreemption PreemptionExecutionPath runs ReplicaSets to verify preemption running path."""
    world.add_nodes(node_of("a", cpu="1"))
    promised = view(pod_of("important", cpu="1", priority=10))

    def fits(priority):
        cycle = replace(world.cycle(pod_of("p", cpu="1", priority=priority)), nominated={"a": {promised.uid: promised}})
        return isinstance(world.decider.decide(cycle), Placement)

    assert [fits(priority) for priority in (1, 10, 11)] == [False, False, True]
    assert not world.nodes["a"].pods


def test_a_promise_stays_while_victims_leave(world, node_of, pod_of):
    world.add_nodes(node_of("a", cpu="1"))
    leaving = pod_of("x", node="a", cpu="1", priority=1)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    reason = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    leaving["status"] = {"conditions": [reason]}
    world.add_pods(leaving)
    newcomer = pod_of("p", cpu="1", priority=10)
    newcomer["status"] = {"nominatedNodeName": "a"}
    assert outcome(world, newcomer).keeps_nomination


def test_policy_never(world, node_of, pod_of):
    world.add_nodes(node_of("a", cpu="1"))
    world.add_pods(pod_of("x", node="a", cpu="1"))
    found = outcome(world, pod_of("p", cpu="1", priority=10, preemptionPolicy="Never"))
    assert found.message == "preemption: not eligible due to preemptionPolicy=Never."


def test_anti_affinity_is_solved_by_removing_the_other(world, node_of, pod_of):
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"}
    spec = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}
    world.add_nodes(node_of("a"))
    world.add_pods(pod_of("x", node="a", labels={"app": "web"}), pod_of("y", node="a"))
    assert names(outcome(world, pod_of("p", priority=10, **spec))) == ["x"]

"""Who must leave for a more important pod (DefaultPreemption)."""

import random

import pytest
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


def test_what_stands_in_the_way_of_each_node_is_told(world, node_of, pod_of):
    """Upstream: DryRunPreemption keeps what SelectVictimsOnNode said of a node (framework/preemption/preemption.go)."""
    world.add_nodes(node_of("a", cpu="2"), node_of("b", cpu="2"), node_of("c", cpu="1"))
    for name in "ab":
        world.add_pods(pod_of(f"high-{name}", node=name, cpu="1500m", priority=20))
    world.add_pods(pod_of("low", node="a", cpu="500m", priority=1))
    assert outcome(world, pod_of("p", cpu="2", priority=10)).message == (
        "preemption: 0/3 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod, "
        "1 Preemption is not helpful for scheduling."
    )


def a_budget(name: str, allowed: int, **labels: str) -> dict:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": {"matchLabels": labels}},
        "status": {"disruptionsAllowed": allowed},
    }


def test_budgets_after_the_first_that_is_broken_are_not_used_up():
    """Upstream: FilterVictimsWithPDBViolation (framework/preemption/util.go)."""
    budgets = [a_budget("none", 0, app="db"), a_budget("one", 1, tier="back")]
    pods = [view({"metadata": {"name": n, "namespace": "default", "labels": labels}}) for n, labels in LABELS.items()]
    allowed: dict[str, int] = {}
    assert [preemption.is_protected(pod, budgets, allowed) for pod in pods] == [True, False, True, False]


LABELS = {"both": {"app": "db", "tier": "back"}, "x": {"tier": "back"}, "y": {"tier": "back"}, "bare": {}}


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        pytest.param({}, True, id="its victim is leaving"),
        pytest.param({"reason": "EvictionByEvictionAPI"}, False, id="somebody else's"),
        pytest.param({"taints": [{"key": "k", "effect": "NoSchedule"}]}, False, id="it could not stay there"),
    ],
)
def test_how_long_a_promise_holds(world, node_of, pod_of, changes, waits):
    """Upstream: PodEligibleToPreemptOthers (plugins/defaultpreemption/default_preemption.go)."""
    world.add_nodes(node_of("a", cpu="1", taints=changes.get("taints", [])))
    leaving = pod_of("x", node="a", cpu="1", priority=1)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    reason = changes.get("reason", "PreemptionByScheduler")
    leaving["status"] = {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": reason}]}
    world.add_pods(leaving)
    newcomer = pod_of("p", cpu="1", priority=10)
    newcomer["status"] = {"nominatedNodeName": "a"}
    assert outcome(world, newcomer).keeps_nomination is waits


def test_two_pods_with_one_host_port_free_it_together(world, node_of, pod_of):
    """Upstream: HostPortInfo (kube-scheduler framework/types.go) is a set; the node is as it was afterwards."""
    ports = {"container": {"ports": [{"hostPort": 80, "containerPort": 80}]}}
    world.add_nodes(node_of("a"))
    world.add_pods(pod_of("low", node="a", **ports), pod_of("high", node="a", priority=20, **ports))
    assert names(outcome(world, pod_of("p", priority=10, **ports))) == ["low"]
    assert len(world.nodes["a"].host_ports) == 1


def test_nobody_leaves_where_a_plugin_refused_at_once():
    """`dynamicresources.go`, PostFilter: its notes are missing then; recorded from kube-scheduler 1.37.1."""
    refusal = Refusal(1, 'persistentvolumeclaim "c" not found', True, early=True)
    outcome = preemption.look(None, [], refusal, [], random.Random(1))
    assert outcome == preemption.Outcome(None, "not found", keeps_nomination=True)

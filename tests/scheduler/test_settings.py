"""What a profile's arguments change in the plugins."""

import pytest
from msgspec.structs import replace

from umiak.scheduler.configuration import arguments
from umiak.scheduler.configuration.profiles import build, default_sets
from umiak.scheduler.decide import Decider, Placement
from umiak.scheduler.profile import default_plugins


@pytest.fixture
def told(world):
    """The world's decider with arguments for one plugin; answers the scores of the nodes, or the refusal."""

    def decide(pod: dict, plugin: str, args: dict):
        arguments.complete(plugin, args)
        assert not arguments.faults(plugin, args, "args")
        described = {
            "schedulerName": "s",
            "plugins": default_sets(default_plugins()),
            "pluginConfig": [{"name": plugin, "args": args}],
        }
        profile = build(described, 0, default_plugins())
        only = [p if p.name == plugin else replace(p, weight=0) for p in profile.plugins]
        cycle = replace(world.cycle(pod), settings=profile.settings)
        found = Decider(only, world.decider.chance).decide(cycle)
        return dict(found.scores) if isinstance(found, Placement) else found.reasons()

    return decide


def test_fuller_nodes_are_preferred(world, told, node_of, pod_of):
    world.add_nodes(node_of("full", cpu="4"), node_of("empty", cpu="4"))
    world.add_pods(pod_of("p", cpu="2", node="full"))
    strategy = {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 3}]}
    assert told(pod_of("q", cpu="1"), "NodeResourcesFit", {"scoringStrategy": strategy}) == {"full": 75, "empty": 25}


@pytest.mark.parametrize(
    ("args", "fits"),
    [
        ({}, False),
        ({"ignoredResources": ["example.com/gpu"]}, True),
        ({"ignoredResourceGroups": ["example.com"]}, True),
        ({"ignoredResources": ["cpu"], "ignoredResourceGroups": ["example.org"]}, False),
    ],
)
def test_resources_that_somebody_else_cares_for(world, told, node_of, pod_of, args, fits):
    """`TestEnoughRequests`: only extended resources can be ignored."""
    world.add_nodes(node_of("a"), node_of("b"))
    pod = pod_of("p", container={"resources": {"requests": {"example.com/gpu": "1"}}})
    found = told(pod, "NodeResourcesFit", args)
    assert isinstance(found, dict) is fits


def test_affinity_that_the_profile_adds(world, told, node_of, pod_of):
    world.add_nodes(node_of("a", labels={"pool": "x"}), node_of("b", labels={"pool": "y"}), node_of("c"))
    term = {"matchExpressions": [{"key": "pool", "operator": "Exists"}]}
    liked = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["y"]}]}
    added = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "preference": liked}],
    }
    assert told(pod_of("p"), "NodeAffinity", {"addedAffinity": added}) == {"a": 0, "b": 200}


def test_nodes_that_the_profile_does_not_allow(world, told, node_of, pod_of):
    world.add_nodes(node_of("a"))
    term = {"matchExpressions": [{"key": "pool", "operator": "Exists"}]}
    added = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    found = told(pod_of("p"), "NodeAffinity", {"addedAffinity": added})
    assert found == "0/1 nodes are available: 1 node(s) didn't match scheduler-enforced node affinity."


def test_constraints_for_pods_without_their_own(world, told, node_of, pod_of):
    from umiak.api.core import service

    world.add_nodes(node_of("a"), node_of("b"))
    world.add_pods(pod_of("p", labels={"app": "x"}, node="a"))
    about = {"name": "s", "namespace": "default", "resourceVersion": "1"}
    world.tables.wrote(service.KIND, {"metadata": about, "spec": {"selector": {"app": "x"}}})
    constraint = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    args = {"defaultingType": "List", "defaultConstraints": [constraint]}
    world.nodes["b"].unschedulable = True
    told_so = told(pod_of("q", labels={"app": "x"}), "PodTopologySpread", args)
    assert told_so == (
        "0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) were unschedulable."
    )


@pytest.mark.parametrize(
    ("args", "scores"),
    [
        pytest.param({}, {"a": 200, "b": 0}, id="default"),
        pytest.param({"hardPodAffinityWeight": 0}, {}, id="required affinity of others counts nothing"),
        pytest.param({"ignorePreferredTermsOfExistingPods": True}, {}, id="others' wishes do not matter"),
    ],
)
def test_affinity_of_pods_that_are_there(world, told, node_of, pod_of, args, scores):
    world.add_nodes(node_of("a"), node_of("b"))
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "x"}}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    world.add_pods(pod_of("p", node="a", affinity=affinity))
    found = told(pod_of("q", labels={"app": "x"}), "InterPodAffinity", args)
    assert {name: score for name, score in found.items() if scores or score} == scores


def test_how_many_candidates_are_worked_out():
    """`TestDryRunPreemption` and the args' documentation."""
    from umiak.scheduler.plugins.default_preemption import settings

    of = settings({"minCandidateNodesPercentage": 10, "minCandidateNodesAbsolute": 100})
    assert [of.candidates(n) for n in (5, 100, 500, 5000)] == [5, 100, 100, 500]

"""What columns keep of alike pods and what the census counts change no decision: the fast path equals the plain one."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.scheduler.conftest import World, a_node, a_pod

from umiak.scheduler.alike import MOST, Marks, shape
from umiak.scheduler.census import Census
from umiak.scheduler.decide import Decider, Placement

TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}
SOFT = {"key": "s", "value": "v", "effect": "PreferNoSchedule"}
PREFERRED = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 5, "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}}
        ]
    }
}
APART = {
    "podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": "kubernetes.io/hostname"}
        ]
    }
}
NEAR = {
    "podAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [
            {"labelSelector": {"matchLabels": {"app": "a"}}, "topologyKey": "zone"}
        ],
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 7,
                "podAffinityTerm": {
                    "labelSelector": {"matchLabels": {"app": "b"}},
                    "topologyKey": "kubernetes.io/hostname",
                },
            }
        ],
    }
}


def spread(action, key="zone"):
    return [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": action, "labelSelector": {"matchLabels": {"app": "a"}}}
    ]


SPECS = (
    {},
    {"nodeSelector": {"disk": "ssd"}},
    {"tolerations": [{"key": "k", "operator": "Exists"}]},
    {"affinity": PREFERRED},
    {"affinity": APART},
    {"affinity": NEAR},
    {"topologySpreadConstraints": spread("DoNotSchedule")},
    {"topologySpreadConstraints": spread("ScheduleAnyway")},
    {"topologySpreadConstraints": spread("ScheduleAnyway", "kubernetes.io/hostname"), "nodeSelector": {"disk": "ssd"}},
    {"container": {"ports": [{"hostPort": 80, "containerPort": 80}]}},
)
NODES = st.fixed_dictionaries(
    {
        "cpu": st.sampled_from(["1", "2", "4"]),
        "labels": st.sampled_from([{}, {"disk": "ssd"}, {"zone": "x"}, {"zone": "y", "disk": "ssd"}, {"zone": "y"}]),
        "taints": st.sampled_from([(), (), (TAINT,), (SOFT,)]),
        "unschedulable": st.sampled_from([False, False, False, True]),
    }
)
PODS = st.tuples(st.sampled_from(SPECS), st.sampled_from(["", "100m", "900m"]), st.sampled_from(["a", "b"]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), PODS),
        st.tuples(st.just("remove"), st.integers(0, 30)),
        st.tuples(st.just("change"), st.integers(0, 30), NODES),
    ),
    min_size=1,
    max_size=25,
)


def plain(world: World, decider: Decider) -> Decider:
    """One that remembers nothing, at the same place in the list of nodes."""
    return Decider(world.plugins, random.Random(1), next_start=decider.next_start)


def take(world: World, number: int, wanted) -> None:
    """Places one more pod, having compared."""
    spec, cpu, app = wanted
    pod = a_pod(f"p{number}", cpu=cpu, labels={"app": app}, **spec)
    slow = plain(world, world.decider).decide(world.cycle(pod, Census()))
    world.decider.chance.seed(1)
    fast = world.decide(pod)
    assert type(fast) is type(slow)
    if isinstance(fast, Placement):
        assert (fast.feasible, fast.scores, fast.node.name) == (slow.feasible, slow.scores, slow.node.name)
        world.add_pods({**pod, "spec": {**pod["spec"], "nodeName": fast.node.name}})
    else:
        assert (fast.rejected, fast.plugins, fast.reasons()) == (slow.rejected, slow.plugins, slow.reasons())


@given(st.lists(NODES, min_size=1, max_size=6), STEPS)
@settings(max_examples=60)
def test_what_is_kept_never_changes_a_decision(nodes, steps) -> None:
    world = World()
    world.add_nodes(*(a_node(f"n{i}", **about) for i, about in enumerate(nodes)))
    for number, (what, *about) in enumerate(steps):
        if what == "place":
            take(world, number, about[0])
        elif what == "remove":
            pods = [(node, uid) for node in world.nodes.values() for uid in node.pods]
            if pods:
                node, uid = pods[about[0] % len(pods)]
                node.remove(uid)
        else:
            world.add_nodes(a_node(f"n{about[0] % len(nodes)}", **about[1]))


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        pytest.param({"volumes": [{"name": "kube-api-access-x2x4c", "projected": {}}]}, True, id="its own token"),
        pytest.param({"hostname": "web-1"}, True, id="its own name"),
        pytest.param({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]}, False, id="a claim"),
        pytest.param({"container": {"image": "j"}}, False, id="another image"),
        pytest.param({"container": {"env": [{"name": "A", "value": "b"}]}}, True, id="another environment"),
        pytest.param({"cpu": "1"}, False, id="another request"),
        pytest.param({"nodeSelector": {"a": "b"}}, False, id="a selector"),
        pytest.param({"priority": 3}, False, id="a priority"),
    ],
)
def test_which_pods_are_alike(other, alike) -> None:
    assert (shape(a_pod("a")["spec"]) == shape(a_pod("b", **other)["spec"])) is alike


def test_marks_are_bounded() -> None:
    marks = Marks()
    first = marks.of(b"shape", "A")
    assert marks.of(b"shape", "A") is first
    for number in range(MOST):
        marks.of(number)
    assert marks.of(b"shape", "A") is not first

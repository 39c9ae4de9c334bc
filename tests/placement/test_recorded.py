"""Placement is the real kube-scheduler's, on clusters that hypothesis generated once: see `record`."""

import json
import lzma
import random
from pathlib import Path

import pytest
from placement_answers import World
from placement_compare import all_differences, between

RECORDED = Path(__file__).parent / "recorded.jsonl.xz"
PART = 30


@pytest.fixture(scope="module")
def recorded() -> list[dict]:
    with lzma.open(RECORDED, "rt") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 300, PART))
def test_places_pods_as_the_reference_does(recorded, start):
    """Nodes that fit, each plugin's score, the best nodes, what is said of the others, and preemption's victims."""
    for number, case in enumerate(recorded[start : start + PART], start):
        assert all_differences(case["objects"], case["answers"]) == [], f"cluster {number}"


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, 300, PART))
def test_what_is_remembered_of_an_earlier_cluster_does_no_harm(recorded, start):
    """The scheduler keeps counts and verdicts from one decision to the next: they follow pods that come and go and
    nodes that change."""
    for number, case in enumerate(recorded[start : start + PART], start):
        chance = random.Random(number)
        pods = [o for o in case["objects"] if o["kind"] == "Pod" and o["spec"].get("nodeName")]
        nodes = [o for o in case["objects"] if o["kind"] == "Node"]
        late, guests = [p for p in pods if chance.random() < 0.5], [guest(p) for p in pods if chance.random() < 0.3]
        altered = [earlier(node) for node in nodes if chance.random() < 0.3]
        world = World([o for o in case["objects"] if o not in late])
        for each in (*guests, *altered):
            world.see(each)
        world.answers()
        steps = [*((world.see, o) for o in (*late, *nodes)), *((world.forget, pod) for pod in guests)]
        chance.shuffle(steps)
        for number_of_step, (step, each) in enumerate(steps):
            step(each)
            if number_of_step % 8 == 0:
                world.answers()
        assert between(world.answers(), case["answers"]) == [], f"cluster {number}"


def guest(pod: dict) -> dict:
    """Another such pod. It has no ports: no node has two pods with the same one."""
    about, spec = pod["metadata"], {**pod["spec"]}
    for field in spec.keys() & {"containers", "initContainers"}:
        spec[field] = [{**container, "ports": []} for container in spec[field]]
    return {
        **pod,
        "metadata": {**about, "name": f"{about['name']}-guest", "uid": f"{about['uid']}-guest"},
        "spec": spec,
    }


def earlier(node: dict) -> dict:
    """A node before it was labelled, and while it was cordoned."""
    return {**node, "metadata": {"name": node["metadata"]["name"]}, "spec": {"unschedulable": True}}


def test_enough_is_recorded(recorded):
    """That the generator still makes clusters in which something happens."""
    pods = [answer for case in recorded for answer in case["answers"]]
    plugins = {each["plugin"] for pod in pods for each in (pod.get("rejected") or {}).values()}
    assert len(recorded) == 300
    assert sum(bool(pod.get("scores")) for pod in pods) > 250
    assert sum(bool((pod.get("preempts") or {}).get("candidates")) for pod in pods) > 50
    assert plugins == {
        "DynamicResources",
        "InterPodAffinity",
        "NodeAffinity",
        "NodeDeclaredFeatures",
        "NodePorts",
        "NodeResourcesFit",
        "NodeUnschedulable",
        "NodeVolumeLimits",
        "PodTopologySpread",
        "TaintToleration",
        "VolumeBinding",
        "VolumeRestrictions",
        "VolumeZone",
    }

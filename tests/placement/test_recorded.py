"""Placement is the real kube-scheduler's, on clusters that hypothesis generated once: see `record`."""

import json
import lzma
from pathlib import Path

import pytest
from placement_compare import all_differences

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


def test_enough_is_recorded(recorded):
    """That the generator still makes clusters in which something happens."""
    pods = [answer for case in recorded for answer in case["answers"]]
    plugins = {each["plugin"] for pod in pods for each in (pod.get("rejected") or {}).values()}
    assert len(recorded) == 300
    assert sum(bool(pod.get("scores")) for pod in pods) > 250
    assert sum(bool((pod.get("preempts") or {}).get("candidates")) for pod in pods) > 50
    assert plugins == {
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

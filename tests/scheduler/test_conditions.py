"""What is written about pods that found no node, and about those that must leave."""

import pytest

from umiak.scheduler.conditions import disrupted, not_scheduled, note
from umiak.testing.clock import NOON

SCHEDULED = {"type": "PodScheduled", "status": "True"}
FAILED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "why"}
THEN = NOON.strftime("%Y-%m-%dT%H:%M:%SZ")


def a_pod(*conditions: dict, nominated: str = "", generation: int = 0) -> dict:
    status = {"conditions": list(conditions), **({"nominatedNodeName": nominated} if nominated else {})}
    return {"metadata": {"uid": "u", **({"generation": generation} if generation else {})}, "status": status}


@pytest.mark.parametrize(
    ("pod", "nominated", "change"),
    [
        pytest.param(
            a_pod(),
            "",
            {
                "$setElementOrder/conditions": [{"type": "PodScheduled"}],
                "conditions": [{**FAILED, "lastTransitionTime": THEN}],
            },
            id="first",
        ),
        pytest.param(
            a_pod({"type": "Other"}, generation=3),
            "n",
            {
                "$setElementOrder/conditions": [{"type": "Other"}, {"type": "PodScheduled"}],
                "conditions": [{**FAILED, "observedGeneration": 3, "lastTransitionTime": THEN}],
                "nominatedNodeName": "n",
            },
            id="after others, with a promise",
        ),
        pytest.param(a_pod(FAILED), "", None, id="said already"),
        pytest.param(a_pod(FAILED, nominated="n"), None, None, id="the promise stays"),
        pytest.param(a_pod(FAILED, nominated="n"), "", {"nominatedNodeName": None}, id="the promise is taken back"),
        pytest.param(
            a_pod({**FAILED, "message": "else"}),
            "",
            {"$setElementOrder/conditions": [{"type": "PodScheduled"}], "conditions": [FAILED]},
            id="for another reason, at the same time as before",
        ),
    ],
)
def test_not_scheduled(pod, nominated, change):
    found = not_scheduled(pod, "Unschedulable", "why", nominated, NOON)
    assert found == (None if change is None else {"metadata": {"uid": "u"}, "status": change})


def test_disrupted():
    found = disrupted(a_pod(SCHEDULED, generation=1), "s", NOON)
    assert found is not None
    assert found["status"] == {
        "$setElementOrder/conditions": [{"type": "PodScheduled"}, {"type": "DisruptionTarget"}],
        "conditions": [
            {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "PreemptionByScheduler",
                "message": "s: preempting to accommodate a higher priority pod",
                "observedGeneration": 1,
                "lastTransitionTime": THEN,
            }
        ],
    }


@pytest.mark.parametrize(("length", "want"), [(1024, "x" * 1024), (1025, "x" * 1020 + " ...")])
def test_notes_are_cut(length, want):
    assert note("x" * length) == want

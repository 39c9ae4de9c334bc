"""Which pools a node can reach, and whether they are whole."""

import pytest

from umiak.scheduler.devices.pools import gather
from umiak.scheduler.nodes import NodeView

NODE = NodeView("node-1", labels={"region": "r1"})


def region(name: str) -> dict:
    expression = {"key": "region", "operator": "In", "values": [name]}
    return {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}


@pytest.mark.parametrize(
    ("place", "want"),
    [
        ({"nodeName": "node-1"}, True),
        ({"nodeName": "node-2"}, False),
        ({"allNodes": True}, True),
        ({"nodeSelector": region("r1")}, True),
        ({"nodeSelector": region("r2")}, False),
    ],
)
def test_reach(say, place, want):
    slices = [say.slice(say.device("d"), **place)]
    assert bool(gather(slices, NODE, slices)) is want


def test_devices_that_choose_their_nodes(say):
    here, there = say.device("here", nodeName="node-1"), say.device("there", nodeName="node-2")
    slices = [say.slice(here, there, perDeviceNodeSelection=True)]
    assert say.got([say.claim(say.request())], slices) == [[("req-0", "here")]]
    assert say.got([say.claim(say.request(count=2))], slices) is None


def test_a_pool_with_a_part_missing(say):
    assert [p.is_incomplete for p in gather([say.slice(say.device("d"), count=2)], NODE, [])] == [True]


def test_parts_that_other_nodes_reach_count(say):
    slices = [
        say.slice(say.device("d"), name="a", count=2),
        say.slice(say.device("e"), name="b", count=2, nodeName="node-2"),
    ]
    pool = gather(slices[:1], NODE, slices)[0]
    assert (pool.is_usable, len(pool.slices), len(pool.others)) == (True, 1, 1)


def test_only_the_newest_generation_counts(say):
    slices = [say.slice(say.device("old"), name="a"), say.slice(say.device("new"), name="b", generation=2)]
    assert say.got([say.claim(say.request())], slices) == [[("req-0", "new")]]


def test_a_pool_that_has_moved_on_elsewhere_is_obsolete(say):
    slices = [
        say.slice(say.device("old"), name="a", count=2),
        say.slice(say.device("new"), name="b", generation=2, nodeName="node-2"),
    ]
    assert gather(slices[:1], NODE, slices) == []


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"devices": [{"name": "d"}, {"name": "d"}]}, "duplicate device name d"),
        (
            {"devices": [{"name": "d", "consumesCounters": [{"counterSet": "c", "counters": {}}]}]},
            "counter set c not found",
        ),
    ],
)
def test_pools_with_faults(say, spec, fault):
    slices = [say.slice()]
    slices[0]["spec"].update(spec)
    assert [pool.fault for pool in gather(slices, NODE, slices)] == [fault]


def test_pools_are_tried_by_driver_and_name_and_those_to_prepare_last(say):
    slices = [
        say.slice(say.device("d", bindingConditions=["ready"]), name="1", pool="a"),
        say.slice(say.device("d"), name="2", pool="c"),
        say.slice(say.device("d"), name="3", pool="b"),
        say.slice(say.device("d"), name="4", pool="z", driver="a-driver"),
    ]
    assert [pool.id for pool in gather(slices, NODE, slices)] == [
        ("a-driver", "z"),
        ("driver-a", "b"),
        ("driver-a", "c"),
        ("driver-a", "a"),
    ]

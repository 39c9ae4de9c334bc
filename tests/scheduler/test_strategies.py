"""Scores of `plugins/noderesources/{least_allocated,most_allocated,requested_to_capacity_ratio}_test.go`."""

import pytest

from umiak.scheduler.strategies import Shape, Strategy, least_allocated, most_allocated, shape_of, strategy_of

CPU_AND_MEMORY = (("cpu", 1), ("memory", 1))


LINES = {
    "rising": (((10, 1), (90, 9)), {-10: 1, 0: 1, 9: 1, 10: 1, 15: 1, 19: 1, 20: 2, 89: 8, 90: 9, 99: 9, 100: 9}),
    "a peak": (((0, 2), (40, 10), (100, 0)), {-10: 2, 0: 2, 20: 6, 30: 8, 40: 10, 70: 5, 100: 0, 110: 0}),
    "flat": (((0, 2), (40, 2), (100, 2)), {-10: 2, 0: 2, 20: 2, 40: 2, 70: 2, 110: 2}),
}


@pytest.mark.parametrize("line", LINES)
def test_a_broken_line(line):
    """`TestBrokenLinearFunction`."""
    points, scores = LINES[line]
    assert {used: Shape(points).at(used) for used in scores} == scores


@pytest.mark.parametrize(("used", "score"), [(0, 100), (40, 100), (70, 0), (100, 0), (55, 50), (41, 97), (42, 94)])
def test_a_falling_line_is_rounded_towards_zero(used, score):
    shape = shape_of([{"utilization": 40, "score": 10}, {"utilization": 70, "score": 0}])
    assert shape.at(used) == score


@pytest.mark.parametrize(
    ("rate", "use", "score"),
    [
        pytest.param(least_allocated, [(3000, 4000, 1), (5000, 10000, 1)], 37, id="emptier"),
        pytest.param(least_allocated, [(3000, 6000, 1), (5000, 10000, 1)], 50, id="as empty"),
        pytest.param(least_allocated, [(5000, 4000, 1), (0, 10000, 1)], 50, id="more than there is"),
        pytest.param(least_allocated, [(3000, 4000, 1), (5000, 10000, 2)], 41, id="memory counts twice"),
        pytest.param(least_allocated, [(1, 0, 1)], 0, id="nothing offered"),
        pytest.param(most_allocated, [(3000, 4000, 1), (5000, 10000, 1)], 62, id="fuller"),
        pytest.param(most_allocated, [(5000, 4000, 1), (5000, 10000, 1)], 75, id="full at most"),
    ],
)
def test_resources_are_weighed(rate, use, score):
    assert Strategy(CPU_AND_MEMORY, rate).score(use) == score


@pytest.mark.parametrize(
    ("use", "score"),
    [
        pytest.param([(0, 4000, 1), (0, 10000, 1)], 0, id="nothing wanted"),
        pytest.param([(3000, 4000, 1), (5000, 10000, 1)], 63, id="rounded up"),
        pytest.param([(3000, 4000, 1), (0, 10000, 1)], 75, id="what rates 0 does not count"),
        pytest.param([(5000, 4000, 1)], 100, id="more than there is"),
    ],
)
def test_requested_to_capacity(use, score):
    """`TestRequestedToCapacityRatioScoringStrategy`'s arithmetic: the fuller the better, zero scores left out."""
    shape = {"shape": [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]}
    args = {"type": "RequestedToCapacityRatio", "resources": [{"name": "cpu", "weight": 1}]}
    assert strategy_of({**args, "requestedToCapacityRatio": shape}).score(use) == score

"""Which plugins act where, as kube-scheduler's `TestMergePlugins` and `TestNewFrameworkMultiPointExpansion` have it."""

import pytest

from umiak.scheduler.configuration.profiles import expand, merged_set, only_at, weights
from umiak.scheduler.contract import Plugin
from umiak.scheduler.profile import default_plugins


def names(*of: str) -> list[dict]:
    return [{"name": name} for name in of]


DEFAULT = {"enabled": names("A", "B", "C")}


@pytest.mark.parametrize(
    ("custom", "enabled", "disabled"),
    [
        pytest.param({}, ["A", "B", "C"], [], id="nothing said"),
        pytest.param({"enabled": names("D")}, ["A", "B", "C", "D"], [], id="one more"),
        pytest.param({"disabled": names("B")}, ["A", "C"], ["B"], id="one less"),
        pytest.param({"disabled": names("*"), "enabled": names("C", "A")}, ["C", "A"], ["*"], id="only these"),
        pytest.param({"enabled": names("D", "B")}, ["A", "B", "C", "D"], [], id="a default keeps its place"),
        pytest.param({"disabled": names("B"), "enabled": names("B")}, ["A", "C", "B"], ["B"], id="moved to the end"),
    ],
)
def test_merging(custom, enabled, disabled):
    found = merged_set(DEFAULT, custom)
    assert [p["name"] for p in found.get("enabled", [])] == enabled
    assert [p["name"] for p in found.get("disabled", [])] == disabled


def test_a_default_takes_the_new_weight():
    found = merged_set({"enabled": [{"name": "A", "weight": 2}]}, {"enabled": [{"name": "A", "weight": 7}]})
    assert found == {"enabled": [{"name": "A", "weight": 7}]}


KNOWN = {
    name: Plugin(name=name, order=i, points=frozenset(points))
    for i, (name, points) in enumerate(
        {"S": {"queueSort"}, "X": {"filter", "score"}, "Y": {"filter", "score"}, "Z": {"score"}}.items()
    )
}


@pytest.mark.parametrize(
    ("sets", "filters", "scores"),
    [
        pytest.param({"multiPoint": {"enabled": names("X", "Y")}}, ["X", "Y"], ["X", "Y"], id="everywhere"),
        pytest.param(
            {"multiPoint": {"enabled": names("X", "Y")}, "score": {"disabled": names("X")}},
            ["X", "Y"],
            ["Y"],
            id="off at a point",
        ),
        pytest.param(
            {"multiPoint": {"enabled": names("X", "Y")}, "score": {"disabled": names("*")}},
            ["X", "Y"],
            [],
            id="all off at a point",
        ),
        pytest.param(
            {"multiPoint": {"enabled": names("X", "Y")}, "score": {"enabled": names("Z", "Y")}},
            ["X", "Y"],
            ["Y", "X", "Z"],
            id="overriding comes first, what is new comes last",
        ),
        pytest.param({"filter": {"enabled": names("Y")}}, ["Y"], [], id="only at a point"),
    ],
)
def test_expanding(sets, filters, scores):
    found = expand(sets, KNOWN)
    assert (found["filter"], found["score"]) == (filters, scores)


def test_the_weight_at_the_point_wins():
    sets = {
        "score": {"enabled": [{"name": "X", "weight": 5}, {"name": "Z"}]},
        "multiPoint": {"enabled": [{"name": "X", "weight": 2}, {"name": "Y", "weight": 3}]},
    }
    assert weights(sets) == {"X": 5, "Z": 1, "Y": 3}


def test_hooks_of_other_points_go():
    affinity = next(p for p in default_plugins() if p.name == "NodeAffinity")
    found = only_at(affinity, {"score", "preScore"}, 4)
    assert (found.filter, found.prefilter, found.weight) == (None, None, 4)
    assert found.score is not None


def test_points_are_the_references():
    """`apis/config/testing/defaults/defaults.go`."""
    at = {point: [p.name for p in default_plugins() if point in p.points] for point in ("filter", "preScore", "score")}
    assert at["filter"][:6] == [
        "NodeName",
        "NodeUnschedulable",
        "TaintToleration",
        "NodeAffinity",
        "NodePorts",
        "NodeResourcesFit",
    ]
    assert "ImageLocality" in at["score"]

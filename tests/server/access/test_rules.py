"""Which rules cover which, and how the missing ones are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.server.access.rules import EVERYTHING, Rule, atoms, compacted, described, missing, parsed, plain

WORDS = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=3, unique=True).map(tuple)
RULES = st.builds(Rule, verbs=WORDS, groups=WORDS, resources=WORDS, names=st.just(()))


def resource(verbs, resources, names=()):
    return Rule(verbs=tuple(verbs), groups=("",), resources=tuple(resources), names=tuple(names))


@given(RULES)
def test_everything_covers_all_and_each_covers_itself(one):
    assert missing(EVERYTHING, [one]) == []
    assert missing([one], [one]) == []


@given(RULES)
def test_plain_and_back(one):
    assert parsed(plain(one)) == one


@pytest.mark.parametrize(
    ("owned", "wanted", "covered"),
    [
        (resource(["get"], ["pods"]), resource(["get"], ["pods"], ["x"]), True),
        (resource(["get"], ["pods"], ["x"]), resource(["get"], ["pods"]), False),
        (resource(["get"], ["*/log"]), resource(["get"], ["pods/log"]), True),
        (resource(["get"], ["pods"]), resource(["get"], ["pods/log"]), False),
        (Rule(verbs=("get",), urls=("/a/*",)), Rule(verbs=("get",), urls=("/a/b",)), True),
        (Rule(verbs=("get",), urls=("/a",)), Rule(verbs=("get",), urls=("/a/b",)), False),
    ],
)
def test_covers(owned, wanted, covered):
    assert (missing([owned], [wanted]) == []) is covered


def test_missing_rights_are_told_briefly():
    lacking = missing([], [resource(["get", "list"], ["pods"]), Rule(verbs=("get",), urls=("/x",))])
    assert sorted(map(described, compacted(lacking))) == [
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}',
        '{NonResourceURLs:["/x"], Verbs:["get"]}',
    ]


def test_atoms_of_names():
    assert [a.names for a in atoms(resource(["get"], ["pods"], ["x", "y"]))] == [("x",), ("y",)]

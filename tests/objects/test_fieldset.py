"""Sets of fields: their algebra, their written form."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.objects import fieldset
from umiak.objects.fieldset import InvalidFields, difference, intersection, union, without

A = {"f:a": {}, "f:b": {"f:c": {}}}
ELEMENTS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"', "v:1", "i:0"])
PATHS = st.lists(st.lists(ELEMENTS, min_size=1, max_size=4).map(tuple), max_size=12)
SETS = PATHS.map(lambda paths: fieldset.of_paths(*paths))


def members(fields):
    return set(fieldset.paths(fields))


@given(PATHS)
def test_a_set_has_the_paths_it_was_made_of(paths):
    fields = fieldset.of_paths(*paths)
    assert members(fields) == set(paths)
    assert all(fieldset.has(fields, path) for path in paths)


@given(SETS, SETS)
def test_algebra_is_that_of_sets_of_paths(a, b):
    assert members(union(a, b)) == members(a) | members(b)
    assert members(difference(a, b)) == members(a) - members(b)
    assert members(intersection(a, b)) == members(a) & members(b)


@given(SETS, SETS)
def test_without_takes_what_is_below_too(a, b):
    gone = members(b)
    left = {path for path in members(a) if not any(path[: len(other)] == other for other in gone)}
    assert members(without(a, b)) == left


@given(SETS, SETS)
def test_operations_leave_no_empty_nodes_and_their_operands_alone(a, b):
    before = msgspec.json.encode([a, b])
    for result in (union(a, b), difference(a, b), intersection(a, b), without(a, b)):
        assert fieldset.of_paths(*members(result)) == result
    assert msgspec.json.encode([a, b]) == before


@given(SETS)
def test_written_and_read_again(fields):
    written = msgspec.json.encode(fieldset.ordered(fields))
    assert fieldset.parse(msgspec.json.decode(written)) == fields


@pytest.mark.parametrize(
    ("elements", "wanted"),
    [
        pytest.param(["f:b", ".", "f:a"], [".", "f:a", "f:b"], id="fields"),
        pytest.param(["v:10", "v:9", 'v:"a"', "v:true"], ["v:9", "v:10", 'v:"a"', "v:true"], id="values by value"),
        pytest.param(
            ['k:{"port":443}', "f:z", 'k:{"port":80}', "i:1"],
            ["f:z", 'k:{"port":80}', 'k:{"port":443}', "i:1"],
            id="fields, keys, indexes",
        ),
        pytest.param(
            ['k:{"name":"b"}', 'k:{"name":"a","x":1}', 'k:{"name":"a"}'],
            ['k:{"name":"a"}', 'k:{"name":"a","x":1}', 'k:{"name":"b"}'],
            id="shorter keys first",
        ),
    ],
)
def test_order(elements, wanted):
    assert fieldset.in_order(elements) == wanted


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"f:a": {".": {}}}, {"f:a": {}}, id="a lone dot says nothing"),
        pytest.param({"x:a": {}, "f:a": {}}, {"f:a": {}}, id="unknown kinds are left out"),
        pytest.param({'k:{"b":1, "a":"x"}': {}}, {'k:{"a":"x","b":1}': {}}, id="keys in order"),
        pytest.param({"f:a": None}, {"f:a": {}}, id="null below"),
    ],
)
def test_parse(sent, wanted):
    assert fieldset.parse(sent) == wanted


@pytest.mark.parametrize("sent", [[], {"f": {}}, {"fa": {}}, {"v:": {}}, {"k:[]": {}}, {"i:x": {}}, {"f:a": 1}])
def test_parse_refuses(sent):
    with pytest.raises(InvalidFields):
        fieldset.parse(sent)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (("f:spec", "f:replicas"), ".spec.replicas"),
        (("f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:name"), '.ports[port=80,protocol="TCP"].name'),
        (("f:finalizers", 'v:"a/b"'), '.finalizers[="a/b"]'),
        (("f:x", "i:3"), ".x[3]"),
        (("f:x", "v:true"), ".x[=true]"),
    ],
)
def test_text(path, wanted):
    assert fieldset.text(path) == wanted


def test_elements_are_written_as_go_does():
    assert fieldset.one_key("name", "a&b<c>") == r'k:{"name":"a\u0026b\u003cc\u003e"}'
    assert fieldset.keys({"protocol": "TCP", "port": 80}) == 'k:{"port":80,"protocol":"TCP"}'
    assert fieldset.parse({fieldset.value("é&"): {}}) == {'v:"é\\u0026"': {}}


def test_parents_and_children_are_apart():
    assert difference({"f:a": {".": {}, "f:b": {}}}, {"f:a": {}}) == {"f:a": {"f:b": {}}}
    assert difference({"f:a": {}}, {"f:a": {"f:b": {}}}) == {"f:a": {}}
    assert without({"f:a": {".": {}, "f:b": {}}}, {"f:a": {}}) == {}

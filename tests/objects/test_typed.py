"""Field sets of objects, and what differs between two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.api import registry
from umiak.objects import fieldset, typed
from umiak.objects.shapes import DEDUCED, UNTYPED, Shape, named_fields, reconciled
from umiak.objects.typed import Comparison

DEPLOYMENT = registry.find("apps/v1", "Deployment").schema.shape
SERVICE = registry.find("v1", "Service").schema.shape
CONFIG_MAP = registry.find("v1", "ConfigMap").schema.shape
NAMES = st.sampled_from("abc")
DATA = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 2), st.text("xy", max_size=2)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(NAMES, DATA, max_size=3)


@pytest.mark.parametrize(
    ("shape", "value", "wanted"),
    [
        pytest.param(CONFIG_MAP, {"data": {"b": "1", "a": "2"}}, {"f:data": {"f:a": {}, "f:b": {}}}, id="map"),
        pytest.param(CONFIG_MAP, {"data": {}}, {"f:data": {}}, id="empty map"),
        pytest.param(CONFIG_MAP, {"data": None}, {"f:data": {}}, id="null"),
        pytest.param(
            CONFIG_MAP,
            {"metadata": {"finalizers": ["a/b"]}},
            {"f:metadata": {"f:finalizers": {'v:"a/b"': {}}}},
            id="set",
        ),
        pytest.param(CONFIG_MAP, {"metadata": {"finalizers": []}}, {}, id="empty set"),
        pytest.param(
            SERVICE,
            {"spec": {"ports": [{"port": 80, "name": "w"}], "selector": {"a": "b"}}},
            {
                "f:spec": {
                    "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}}},
                    "f:selector": {},
                }
            },
            id="keys with a default, atomic map",
        ),
        pytest.param(DEDUCED, {"a": {"b": [1]}, "c": {}}, {"f:a": {".": {}, "f:b": {}}, "f:c": {}}, id="no schema"),
    ],
)
def test_field_set(shape, value, wanted):
    assert typed.field_set(shape, value) == wanted


@pytest.mark.parametrize(
    ("shape", "old", "new", "wanted"),
    [
        pytest.param(
            CONFIG_MAP, {"data": {"a": "1"}}, {"data": {"a": "2", "b": "3"}},
            Comparison({}, {"f:data": {"f:a": {}}}, {"f:data": {"f:b": {}}}), id="map",
        ),
        pytest.param(
            CONFIG_MAP, {}, {"data": {"a": "1"}}, Comparison({}, {}, {"f:data": {".": {}, "f:a": {}}}), id="new map",
        ),
        pytest.param(
            CONFIG_MAP, {"data": {"a": "1"}}, {}, Comparison({"f:data": {".": {}, "f:a": {}}}, {}, {}), id="map gone",
        ),
        pytest.param(CONFIG_MAP, {"data": None}, {"data": {}}, Comparison({}, {"f:data": {}}, {}), id="null to empty"),
        pytest.param(
            SERVICE, {"spec": {"ports": None}}, {"spec": {"ports": [{"port": 80}]}},
            Comparison({}, {}, {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}}}),
            id="items where a list was null",
        ),
        pytest.param(
            SERVICE, {"spec": {"selector": {"a": "b"}}}, {"spec": {"selector": {"a": "c"}}},
            Comparison({}, {"f:spec": {"f:selector": {}}}, {}), id="atomic map",
        ),
        pytest.param(
            CONFIG_MAP, {"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["b", "a", "a"]}},
            Comparison(
                {"f:metadata": {"f:finalizers": {'v:"a"': {}}}}, {}, {"f:metadata": {"f:finalizers": {'v:"a"': {}}}}
            ),
            id="an item became two",
        ),
        pytest.param(DEDUCED, {"a": 1}, {"a": True}, Comparison({}, {"f:a": {}}, {}), id="1 is not true"),
        pytest.param(
            DEDUCED, {"a": 1}, {"a": {"b": 1}}, Comparison({}, {"f:a": {}}, {"f:a": {"f:b": {}}}), id="other type"
        ),
        pytest.param(UNTYPED, {"a": 1}, {"a": 2}, Comparison({}, {}, {}), id="a whole is not within the object"),
    ],
)  # fmt: skip
def test_compare(shape, old, new, wanted):
    if shape is UNTYPED:
        old, new, shape = {"x": old}, {"x": new}, DEDUCED
        wanted = Comparison({}, {"f:x": {"f:a": {}}}, {})
    assert typed.compare(shape, old, new) == wanted


@given(OBJECTS, OBJECTS)
def test_comparing_backwards_swaps_added_and_removed(old, new):
    forth, back = typed.compare(DEDUCED, old, new), typed.compare(DEDUCED, new, old)
    assert (forth.removed, forth.modified, forth.added) == (back.added, back.modified, back.removed)


@given(OBJECTS)
def test_an_object_equals_itself(obj):
    assert typed.compare(DEDUCED, obj, dict(obj)).is_same


@given(OBJECTS, OBJECTS)
def test_filled_is_what_is_modified_or_added(zero, value):
    zero = {name: {"list": [], "map": {}}.get(str(item)) for name, item in zero.items()}
    found = typed.compare(DEDUCED, zero, value)
    both = fieldset.union(found.modified, found.added)
    assert (typed.filled(DEDUCED, zero, value) or {}) == both


@pytest.mark.parametrize(
    ("zero", "value", "wanted"),
    [
        ({"ports": None}, {"ports": []}, {"f:ports": {}}),
        ({"ports": None}, {"ports": None}, {}),
        ({"spec": {"rules": None, "n": 0}}, {"spec": {"rules": {}, "n": 0, "x": []}}, {"f:spec": {"f:rules": {}}}),
    ],
)
def test_emptied(zero, value, wanted):
    assert typed.emptied(zero, value) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        pytest.param({"nonsense": 1}, [".nonsense: field not declared in schema"], id="unknown field"),
        pytest.param({"data": ["a"]}, [".data: expected map, got &{[a]}"], id="list for a map"),
        pytest.param({"data": {"a": 1}}, [".data.a: expected string, got &value.valueUnstructured{Value:1}"], id="int"),
        pytest.param({"immutable": "x"}, [".immutable: expected boolean, got &{x}"], id="text for a boolean"),
        pytest.param(
            {"metadata": {"finalizers": ["a", "a"]}},
            ['.metadata.finalizers: duplicate entries for key [="a"]'],
            id="repeated",
        ),
        pytest.param({"metadata": None, "data": {"a": None}}, [], id="null fits anywhere"),
    ],
)
def test_faults(value, wanted):
    assert typed.faults(CONFIG_MAP, value) == wanted


def test_faults_of_lists():
    ports = [{"port": 80}, {"port": 80, "protocol": "TCP"}]
    assert typed.faults(SERVICE, {"spec": {"ports": ports}}) == [
        '.spec.ports: duplicate entries for key [port=80,protocol="TCP"]'
    ]
    assert typed.faults(SERVICE, {"spec": {"ports": ports}}, allow_repeated=True) == []
    replicas = {"spec": {"replicas": "3"}}
    assert typed.faults(DEPLOYMENT, replicas) == [".spec.replicas: expected numeric (int or float), got string"]


def test_named_fields():
    fields = {"f:spec": {"f:template": {"f:metadata": {"f:labels": {"f:a": {}}}}}}
    labels = {".": {}, "f:a": {}}
    wanted = {"f:spec": {".": {}, "f:template": {".": {}, "f:metadata": {".": {}, "f:labels": labels}}}}
    assert named_fields(DEPLOYMENT, fields) == wanted
    assert named_fields(DEDUCED, fields) == fields


def test_reconciled():
    fields = {"f:spec": {"f:selector": {".": {}, "f:a": {}}, "f:ports": {'k:{"port":1}': {"f:port": {}}}}}
    assert reconciled(SERVICE, fields) == {"f:spec": {"f:selector": {}, "f:ports": {'k:{"port":1}': {"f:port": {}}}}}
    assert reconciled(DEDUCED, fields) == fields
    assert reconciled(Shape("string"), {}) == {}

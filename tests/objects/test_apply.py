"""Merging objects and taking fields out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.api import registry
from umiak.objects import apply, typed
from umiak.objects.shapes import DEDUCED, Mismatch

POD = registry.find("v1", "Pod").schema.shape
CONFIG_MAP = registry.find("v1", "ConfigMap").schema.shape
A, NAME_A = {"name": "a", "image": "i"}, 'k:{"name":"a"}'
TEXTS = st.text("abcde", min_size=1, max_size=2)


def finalizers(*names):
    return {"metadata": {"finalizers": list(names)}}


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        pytest.param("abc", "", "abc", id="nothing new"),
        pytest.param("", "ba", "ba", id="nothing old"),
        pytest.param("abc", "b", "abc", id="known"),
        pytest.param("abc", "ca", "bca", id="the new order wins"),
        pytest.param("abc", "dad", None, id="repeated"),
        pytest.param("abc", "xby", "axbcy", id="new ones around a shared one"),
        pytest.param("ab", "xy", "abxy", id="strangers"),
        pytest.param("aab", "b", "aab", id="old repetitions stay"),
        pytest.param("aab", "a", "ab", id="unless they are mentioned"),
    ],
)
def test_merge_sets(old, new, wanted):
    if wanted is None:
        with pytest.raises(Mismatch, match='duplicate entries for key \\[="d"\\]'):
            apply.merge(CONFIG_MAP, finalizers(*old), finalizers(*new))
    else:
        merged = apply.merge(CONFIG_MAP, finalizers(*old), finalizers(*new))
        assert "".join(merged["metadata"]["finalizers"]) == wanted


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        pytest.param({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}, id="maps"),
        pytest.param({"a": [1]}, {"a": [2]}, {"a": [2]}, id="atomic lists"),
        pytest.param({"a": {"b": 1}}, {"a": None}, {"a": {"b": 1}}, id="null takes nothing away"),
        pytest.param({"a": 1}, {"a": None}, {"a": None}, id="but replaces a leaf"),
        pytest.param({"a": {"b": 1}}, {"a": 3}, {"a": 3}, id="other type"),
        pytest.param({"a": {}}, {"a": None}, {"a": None}, id="empty"),
    ],
)
def test_merge_without_schema(old, new, wanted):
    assert apply.merge(DEDUCED, old, new) == wanted


def test_merge_items_by_key():
    old = {"spec": {"containers": [{"name": "a", "image": "i"}, {"name": "b", "args": ["x"]}]}}
    new = {"spec": {"containers": [{"name": "b", "args": ["y"]}, {"name": "c"}]}}
    merged = apply.merge(POD, old, new)
    assert merged["spec"]["containers"] == [{"name": "a", "image": "i"}, {"name": "b", "args": ["y"]}, {"name": "c"}]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        pytest.param({"f:spec": {"f:hostname": {}}}, {"containers": [A]}, id="field"),
        pytest.param({"f:spec": {"f:containers": {NAME_A: {}}}}, {"containers": None, "hostname": "h"}, id="item"),
        pytest.param(
            {"f:spec": {"f:containers": {NAME_A: {"f:image": {}}}}},
            {"containers": [{"name": "a"}], "hostname": "h"},
            id="within an item",
        ),
        pytest.param({"f:spec": {"f:nodeName": {}}}, {"containers": [A], "hostname": "h"}, id="absent"),
    ],
)
def test_remove(fields, wanted):
    pod = {"spec": {"containers": [A], "hostname": "h"}}
    assert apply.remove(POD, pod, fields) == {"spec": wanted}


@given(st.lists(TEXTS, unique=True), st.lists(TEXTS, unique=True))
def test_merging_again_changes_nothing(old, new):
    once = apply.merge(CONFIG_MAP, finalizers(*old), finalizers(*new))
    assert apply.merge(CONFIG_MAP, once, finalizers(*new)) == once
    merged = (once["metadata"] if isinstance(once, dict) else {}).get("finalizers") or []
    assert set(merged) == {*old, *new}
    assert [name for name in merged if name in new] == new


@given(st.dictionaries(TEXTS, TEXTS), st.dictionaries(TEXTS, TEXTS))
def test_merges_of_different_fields_commute(a, b):
    b = {"x" + name: value for name, value in b.items()}
    base = {"kind": "ConfigMap"}
    one = apply.merge(CONFIG_MAP, apply.merge(CONFIG_MAP, base, {"data": a}), {"data": b})
    other = apply.merge(CONFIG_MAP, apply.merge(CONFIG_MAP, base, {"data": b}), {"data": a})
    assert typed.compare(CONFIG_MAP, one, other).is_same or not (a and b)

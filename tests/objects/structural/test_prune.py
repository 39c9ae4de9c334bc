"""Unknown fields go, defaults come (apiextensions' pruning and defaulting)."""

from hypothesis import given
from hypothesis import strategies as st

from umiak.objects.encoding import copy
from umiak.objects.structural.prune import drop_nulls, fill_in, prune

SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer", "default": 3},
                "maybe": {"type": "string", "nullable": True, "default": "x"},
                "free": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"known": {"type": "object", "properties": {"a": {"type": "string"}}}},
                },
                "table": {"type": "object", "additionalProperties": {"type": "object", "properties": {"a": {}}}},
                "rows": {"type": "array", "items": {"type": "object", "properties": {"a": {"default": [1]}}}},
            },
        }
    },
}


def test_unknown_fields_are_dropped_and_told_in_order():
    obj = {
        "apiVersion": "v1",
        "kind": "K",
        "metadata": {"name": "n"},
        "z": 1,
        "spec": {"size": 1, "odd": 1, "table": {"k": {"a": 1, "b": 2}}, "rows": [{"b": 1}]},
    }
    assert prune(obj, SCHEMA) == ["spec.odd", "spec.rows[0].b", "spec.table.k.b", "z"]
    assert obj == {
        "apiVersion": "v1",
        "kind": "K",
        "metadata": {"name": "n"},
        "spec": {"size": 1, "table": {"k": {"a": 1}}, "rows": [{}]},
    }


def test_inside_what_keeps_unknown_fields_named_ones_are_pruned():
    obj = {"spec": {"free": {"any": {"b": 1}, "known": {"a": "x", "b": 1}}}}
    assert prune(obj, SCHEMA) == ["spec.free.known.b"]
    assert obj["spec"]["free"] == {"any": {"b": 1}, "known": {"a": "x"}}


def test_defaults_fill_missing_fields_and_nulls_that_may_not_be():
    obj = {"spec": {"size": None, "maybe": None, "rows": [{}]}}
    drop_nulls(obj, SCHEMA)
    fill_in(obj, SCHEMA)
    assert obj == {"spec": {"size": 3, "maybe": None, "rows": [{"a": [1]}]}}


def test_defaults_are_copies():
    first, second = {"spec": {"rows": [{}]}}, {"spec": {"rows": [{}]}}
    fill_in(first, SCHEMA)
    fill_in(second, SCHEMA)
    first["spec"]["rows"][0]["a"].append(2)
    assert second["spec"]["rows"][0]["a"] == [1]


def test_nulls_without_a_default_go():
    obj = {"spec": {"table": None, "unknown": None}}
    drop_nulls(obj, SCHEMA)
    assert obj == {"spec": {"unknown": None}}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["spec", "size", "free", "known", "rows", "table", "a", "b"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(VALUES.filter(lambda value: isinstance(value, dict)))
def test_reading_twice_is_reading_once(obj):
    def read(value):
        prune(value, SCHEMA)
        drop_nulls(value, SCHEMA)
        fill_in(value, SCHEMA)
        return value

    once = read(copy(obj))
    assert read(copy(once)) == once

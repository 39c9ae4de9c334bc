"""JSON patch and JSON merge patch, with the habits of the reference's library."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.objects import json_patch, merge_patch
from umiak.objects.encoding import copy
from umiak.objects.json_patch import InvalidPatch, PatchFailed

DOCUMENT = {"a": {"b": "1", "x/y": "2", "m~n": "3"}, "l": [1, 2, 3], "n": None}


@pytest.mark.parametrize(
    ("operation", "path", "found"),
    [
        ({"op": "add", "path": "/a/c", "value": 7}, ("a", "c"), 7),
        ({"op": "add", "path": "/a/x~1y", "value": 7}, ("a", "x/y"), 7),
        ({"op": "add", "path": "/l/1", "value": 7}, ("l",), [1, 7, 2, 3]),
        ({"op": "add", "path": "/l/-", "value": 7}, ("l",), [1, 2, 3, 7]),
        ({"op": "add", "path": "/l/-1", "value": 7}, ("l",), [1, 2, 3, 7]),
        ({"op": "remove", "path": "/l/0"}, ("l",), [2, 3]),
        ({"op": "replace", "path": "/a/new", "value": 7}, ("a", "new"), 7),
        ({"op": "replace", "path": "/l/-1", "value": 7}, ("l",), [1, 2, 7]),
        ({"op": "move", "from": "/a/m~0n", "path": "/o"}, ("o",), "3"),
        ({"op": "copy", "from": "/a", "path": "/o"}, ("o", "b"), "1"),
        ({"op": "test", "path": "/l", "value": [1, 2, 3]}, ("l",), [1, 2, 3]),
        ({"op": "test", "path": "/n", "value": None}, ("n",), None),
    ],
)
def test_operations(operation, path, found):
    result = json_patch.apply(copy(DOCUMENT), [operation])
    for part in path:
        result = result[part]
    assert result == found


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/nope/c", "value": 7},
        {"op": "add", "path": "/l/9", "value": 7},
        {"op": "add", "path": "/l/one", "value": 7},
        {"op": "add", "value": 7},
        {"op": "remove", "path": "/a/none"},
        {"op": "remove", "path": ""},
        {"op": "test", "path": "/a/b", "value": "2"},
        {"op": "test", "path": "/l/0", "value": True},
        {"op": "move", "from": "/none", "path": "/o"},
        {"op": "twist", "path": "/a"},
        {"path": "/a"},
    ],
)
def test_failures(operation):
    with pytest.raises(PatchFailed):
        json_patch.apply(copy(DOCUMENT), [operation])


@pytest.mark.parametrize("patch", [{"op": "add"}, [1], "x"])
def test_no_patch(patch):
    with pytest.raises(InvalidPatch):
        json_patch.apply({}, patch)


def test_copies_are_bounded():
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/{n}"} for n in range(64)]
    with pytest.raises(PatchFailed, match="accumulated size"):
        json_patch.apply({"a": {"x": "y" * 1000}}, doubling)


def test_root_may_be_replaced():
    assert json_patch.apply({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}]) == {"b": 2}


@pytest.mark.parametrize(
    ("document", "patch", "merged"),
    [
        ({"a": 1, "b": 2}, {"a": None, "c": 3}, {"b": 2, "c": 3}),
        ({"a": {"b": 1}}, {"a": {"c": {"d": None, "e": 1}}}, {"a": {"b": 1, "c": {"e": 1}}}),
        ({"a": [1]}, {"a": {"b": None}}, {"a": {}}),
        ({"a": {"b": 1}}, {"a": [{"c": None}]}, {"a": [{"c": None}]}),
        ({}, {"a": [{"c": None}, None]}, {"a": [{}, None]}),
        ({"a": 1}, [1, {"b": None}], [1, {}]),
    ],
)
def test_merge_patch(document, patch, merged):
    assert merge_patch.apply(copy(document), patch) == merged


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3)
)


@given(st.dictionaries(st.text("ab", max_size=2), values, max_size=4), values)
def test_merging_again_changes_nothing_more(document, patch):
    """From the second time on: nulls in a list that takes an object's place go only when a list is there."""
    once = merge_patch.apply(copy(document), copy(patch))
    if isinstance(patch, dict):
        twice = merge_patch.apply(copy(once), copy(patch))
        assert merge_patch.apply(copy(twice), copy(patch)) == twice


@given(st.dictionaries(st.text("ab/~", max_size=2), values, max_size=4), st.text("ab/~", max_size=3), values)
def test_added_members_pass_their_test(document, name, value):
    path = "/" + name.replace("~", "~0").replace("/", "~1")
    patch = [{"op": "add", "path": path, "value": value}, {"op": "test", "path": path, "value": value}]
    assert json_patch.same(json_patch.apply(document, patch)[name], value)


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ({"op": "add", "path": "/x/y", "value": 1}, 'add operation does not apply: doc is missing path: "/x/y"'),
        ({"op": "add", "path": "/l/9", "value": 1}, "error in add for path: '/l/9': Unable to access invalid index: 9"),
        ({"op": "add", "path": "/l/z", "value": 1}, "value was not a proper array index: 'z': strconv.Atoi"),
        ({"op": "replace", "path": "/l/9", "value": 1}, "replace operation does not apply: doc is missing key: /l/9"),
        ({"op": "move", "from": "/z", "path": "/a"}, "error in move for path: 'z': Unable to remove nonexistent key"),
        ({"op": "copy", "from": "/x/y", "path": "/a"}, "copy operation does not apply: doc is missing from path: /x/y"),
        ({"op": "test", "path": "/a", "value": 2}, "testing value /a failed: test failed"),
    ],
)
def test_failures_are_told_in_the_library_s_words(operation, told):
    with pytest.raises(PatchFailed) as error:
        json_patch.apply({"a": 1, "l": [1]}, [operation])
    assert told in str(error.value)


@pytest.mark.parametrize("kind", [None, {}, [], {"op": "add"}, 3])
def test_an_operation_is_named_by_a_text(kind):
    with pytest.raises(json_patch.PatchFailed, match="Unexpected kind: unknown"):
        json_patch.apply({}, [{"op": kind, "path": "/a"}])

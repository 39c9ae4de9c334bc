"""The bookkeeping of single writes: who is written down for what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.api import registry
from umiak.objects import encoding
from umiak.objects.errors import StatusError
from umiak.server.managed_fields import manager, tracking
from umiak.server.managed_fields.entries import Held, Owner, decode, encode
from umiak.server.managed_fields.versions import zero

CONFIG_MAP = registry.find("v1", "ConfigMap")
SCOPE = tracking.own_scope(CONFIG_MAP, "")
NOON, LATER = "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"
NAMES = st.text("abc", min_size=1, max_size=2)


def config(data=None, **about):
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "m", **about},
        **({} if data is None else {"data": data}),
    }


def create(data, who="creator", scope=SCOPE, **about):
    obj = config(data, uid="u", **about)
    manager.created(scope, obj, who, NOON)
    return obj


def change(old, data, who, now=LATER, scope=SCOPE, **about):
    managers = {"managedFields": old["metadata"]["managedFields"]} if "managedFields" in old["metadata"] else {}
    new = config(data, uid="u", **{**managers, **about})
    manager.updated(scope, old, new, who, now)
    return new


def apply(live, data, who, force=False, scope=SCOPE, **about):
    return manager.applied(scope, encoding.copy(live), config(data, **about), who, force, LATER)


def told(obj):
    """(manager, operation) to fields."""
    entries = obj["metadata"].get("managedFields") or []
    return {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in entries}


def data(*names):
    return {"f:data": {f"f:{name}": {} for name in names}}


def whole(*names):
    return {"f:data": {".": {}, **data(*names)["f:data"]}}


def test_a_creator_has_all_but_what_nobody_has():
    obj = create({"a": "1"}, labels={"l": "m"}, generateName="x")
    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "creator",
            "operation": "Update",
            "apiVersion": "v1",
            "time": NOON,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:data": {".": {}, "f:a": {}},
                "f:metadata": {"f:generateName": {}, "f:labels": {".": {}, "f:l": {}}},
            },
        }
    ]


def test_nothing_said_nothing_written():
    assert "managedFields" not in create(None)["metadata"]


def test_an_update_takes_what_it_changes():
    first = create({"a": "1", "b": "2"})
    second = change(first, {"a": "9", "c": "3"}, "other")
    assert told(second) == {
        ("creator", "Update"): {"f:data": {}},
        ("other", "Update"): data("a", "c"),
    }


def test_no_change_no_trace():
    first = create({"a": "1"})
    assert change(first, {"a": "1"}, "other")["metadata"]["managedFields"] == first["metadata"]["managedFields"]


def test_the_same_manager_adds_up():
    second = change(create({"a": "1"}), {"a": "1", "b": "2"}, "creator")
    assert told(second) == {("creator", "Update"): whole("a", "b")}
    assert second["metadata"]["managedFields"][0]["time"] == LATER


@pytest.mark.parametrize("sent", [[], [{}]], ids=["empty list", "empty entry"])
def test_reset(sent):
    second = change(create({"a": "1"}), {"a": "2"}, "other", managedFields=sent)
    assert "managedFields" not in second["metadata"]
    assert "managedFields" not in change(second, {"a": "3"}, "other")["metadata"]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param([{"manager": "x"}], id="no operation"),
        pytest.param([{"manager": "x", "operation": "Update", "fieldsType": "FieldsV1"}], id="no version"),
        pytest.param([{"manager": "x", "operation": "Update", "apiVersion": "v1"}], id="no type"),
        pytest.param(
            [{"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"odd": {}}}],
            id="no fields",
        ),
    ],
)
def test_invalid_managers_count_as_none_sent(sent):
    second = change(create({"a": "1"}), {"a": "2"}, "other", managedFields=sent)
    assert set(told(second)) == {("creator", "Update"), ("other", "Update")}


def test_managers_as_sent():
    sent = {"operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    gone = {"operation": "Update", "apiVersion": "v7", "fieldsType": "FieldsV1", "fieldsV1": data("a")}
    entries = [{"manager": "x", **sent, "fieldsV1": data("a", "b")}, {"manager": "y", **gone}]
    second = change(create({"a": "1", "b": "2"}), {"a": "2", "b": "2"}, "z", managedFields=entries)
    assert told(second) == {("x", "Apply"): data("b"), ("z", "Update"): data("a")}


def test_a_subresource_does_not_take_managers():
    scope = tracking.own_scope(registry.find("apps/v1", "Deployment"), "status")
    old = {
        "kind": "Deployment",
        "apiVersion": "apps/v1",
        "metadata": {"name": "d", "uid": "u"},
        "spec": {"paused": True},
        "status": {},
    }
    manager.created(tracking.own_scope(scope.kind, ""), old, "dev", NOON)
    new = {**encoding.copy(old), "spec": {"replicas": 3}, "status": {"replicas": 2}}
    new["metadata"] |= {"labels": {"a": "b"}, "managedFields": [{}]}
    manager.updated(scope, old, new, "ctl", LATER)
    dev, ctl = new["metadata"]["managedFields"]
    assert [dev] == old["metadata"]["managedFields"]
    assert (ctl["subresource"], ctl["fieldsV1"]) == ("status", {"f:status": {"f:replicas": {}}})


def test_old_updaters_become_one():
    obj = create({})
    for number in range(12):
        name = f"n{number:02}"
        obj = change(obj, {**(obj.get("data") or {}), name: "x"}, name, f"2026-01-01T12:00:{number:02}Z")
    names = [entry["manager"] for entry in obj["metadata"]["managedFields"]]
    assert names == ["ancient-changes", *(f"n{number:02}" for number in range(3, 12))]
    assert told(obj)["ancient-changes", "Update"] == whole("n00", "n01", "n02")


def test_apply_creates():
    made = apply(zero(CONFIG_MAP), {"a": "1"}, "ap")
    assert made["data"] == {"a": "1"}
    assert told(made) == {("ap", "Apply"): data("a")}


def test_apply_takes_away_what_it_gave():
    first = apply(create({"z": "0"}), {"a": "1", "b": "2"}, "ap")
    second = apply(first, {"a": "1"}, "ap")
    assert second["data"] == {"z": "0", "a": "1"}
    assert told(second)["ap", "Apply"] == data("a")


def test_shared_fields_stay_when_one_lets_go():
    both = apply(apply(create({}), {"a": "1"}, "one"), {"a": "1"}, "two")
    assert apply(both, {}, "one")["data"] == {"a": "1"}


def test_conflict():
    with pytest.raises(StatusError) as refused:
        apply(create({"a": "1", "b": "2"}), {"a": "9", "b": "9", "c": "9"}, "ap")
    text = 'Apply failed with 2 conflicts: conflicts with "creator" using v1:\n- .data.a\n- .data.b'
    assert (refused.value.code, refused.value.message) == (409, text)
    assert refused.value.details["causes"][0] == {
        "reason": "FieldManagerConflict",
        "message": 'conflict with "creator" using v1',
        "field": ".data.a",
    }


def test_force():
    forced = apply(create({"a": "1", "b": "2"}), {"a": "9"}, "ap", force=True)
    assert forced["data"] == {"a": "9", "b": "2"}
    assert told(forced) == {("ap", "Apply"): data("a"), ("creator", "Update"): whole("b")}


def test_before_the_first_apply():
    live = create({"a": "1"})
    del live["metadata"]["managedFields"]
    assert told(apply(live, {"b": "2"}, "ap")) == {
        ("before-first-apply", "Update"): whole("a"),
        ("ap", "Apply"): data("b"),
    }


def client_side(applied, now):
    text = encoding.to_json(config(applied)).decode()
    return create(now, "kubectl-client-side-apply", annotations={manager.LAST_APPLIED: text})


def test_kubectl_takes_over_what_it_applied_from_its_side():
    live = client_side({"a": "1", "b": "2"}, {"a": "1", "b": "2"})
    made = apply(live, {"a": "9"}, "kubectl")
    assert made["data"] == {"a": "9", "b": "2"}
    assert '"a":"9"' in made["metadata"]["annotations"][manager.LAST_APPLIED]


def test_kubectl_does_not_take_what_others_changed():
    live = client_side({"a": "1"}, {"a": "2"})
    with pytest.raises(StatusError, match="Apply failed with 1 conflict"):
        apply(live, {"a": "9"}, "kubectl")


@pytest.mark.parametrize(
    ("asked", "agent", "wanted"),
    [
        ("me", "curl/8", "me"),
        ("", "kubectl/v1.37 (linux)", "kubectl"),
        ("", "/x", "unknown"),
        ("", "a\tb", "ab"),
        ("", "é" * 100, "é" * 64),
    ],
)
def test_name_of(asked, agent, wanted):
    assert manager.name_of(asked, agent) == wanted


def test_entries_have_an_order():
    fields = data("a")
    managers = {
        Owner("b", "Update", "v1"): Held(fields, "v1", NOON),
        Owner("a", "Update", "v1"): Held(fields, "v1", LATER),
        Owner("z", "Apply"): Held(fields, "v1", LATER),
        Owner("c", "Update", "v1", "status"): Held(fields, "v1"),
    }
    assert [entry["manager"] for entry in encode(managers)] == ["z", "c", "b", "a"]
    assert decode(encode(managers)) == managers


@given(st.dictionaries(NAMES, NAMES), st.dictionaries(NAMES, NAMES))
def test_applying_again_changes_nothing(before, wanted):
    once = apply(create(before), wanted, "ap", force=True)
    assert apply(once, wanted, "ap") == once


@given(st.dictionaries(NAMES, NAMES), st.dictionaries(NAMES, NAMES))
def test_appliers_of_different_fields_do_not_care_who_was_first(one, other):
    other = {"x" + name: value for name, value in other.items()}
    start = create({"y": "0"})
    left = apply(apply(start, one, "one"), other, "other")
    right = apply(apply(start, other, "other"), one, "one")
    assert (left["data"], told(left)) == (right["data"], told(right))


@given(st.dictionaries(NAMES, NAMES), st.dictionaries(NAMES, NAMES))
def test_letting_go_of_everything_undoes_an_apply(before, wanted):
    start = create({"y": "0", **before})
    wanted = {"x" + name: value for name, value in wanted.items()}
    assert apply(apply(start, wanted, "ap"), {}, "ap")["data"] == start["data"]

"""What listeners share of one change, and what is remembered of an object until it changes."""

import msgspec
import pytest

from umiak.api.core import pod, service
from umiak.controllers._slim import read_member
from umiak.objects.meta import Key
from umiak.reconcile.cache import Change, Tables
from umiak.reconcile.loop import _controllers

SET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "s", "controller": True}


def an_object(name, version, owners=(), **rest):
    about = {"name": name, "namespace": "d", "uid": f"u-{name}", "resourceVersion": str(version)}
    return msgspec.json.encode({"metadata": {**about, "ownerReferences": list(owners)}, **rest})


def changes(tables, *bodies):
    found: list[Change] = []
    tables.ensure(pod.KIND).listen(found.append)
    for body in bodies:
        tables.table(pod.KIND).saw(body)
    return found


def test_who_controls_is_told_without_decoding():
    first, second = changes(Tables(), an_object("a", 1, [SET]), an_object("a", 2, [SET]))
    assert _controllers(first) == [("apps/v1", "ReplicaSet", "web")]
    assert _controllers(second) == [("apps/v1", "ReplicaSet", "web")] * 2
    assert second.old_row.references is second.new_row.references


@pytest.mark.parametrize("owners", [[], [{**SET, "controller": False}], None])
def test_one_state_that_nobody_controls_counts(owners):
    body = an_object("a", 2, owners or ())
    _, second = changes(Tables(), an_object("a", 1, [SET]), body)
    assert _controllers(second) is None


def test_a_change_is_asked_the_same_once():
    asked = []

    def judge(old, new):
        asked.append("judge")
        return False

    def keys(obj, cache):
        asked.append("keys")
        return [Key("d", "x")]

    (change,) = changes(Tables(), an_object("a", 1))
    assert [change.matters(judge), change.matters(judge)] == [False, False]
    assert change.keys(keys, None) == change.keys(keys, None) == (Key("d", "x"),)
    assert asked == ["judge", "keys"]


def test_members_are_read_once_until_they_change():
    tables = Tables()
    ready = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    changes(tables, an_object("a", 1, [SET], spec={}), an_object("b", 2, [SET], spec={}))
    before = tables.known(pod.KIND, "s", read_member)
    assert tables.known(pod.KIND, "s", read_member)[0] is before[0]
    tables.table(pod.KIND).saw(an_object("a", 3, [SET], spec={}, status=ready))
    after = {member.uid: member for member in tables.known(pod.KIND, "s", read_member)}
    assert (after["u-a"].ready_since, after["u-b"].ready_since) == ("2026-01-01T00:00:00Z", None)
    assert after["u-b"] is before[1]
    assert (after["u-a"].controller, after["u-a"].is_active, after["u-a"].is_terminating) == ("s", True, False)


def test_services_that_select():
    tables = Tables()
    table = tables.ensure(service.KIND)
    for number, selector in enumerate(({"a": "1"}, {"a": "1", "b": "2"}, {}, None)):
        table.saw(an_object(f"s{number}", number + 1, spec={"selector": selector}))
    assert tables.selecting(service.KIND, "d", {"a": "1", "c": "3"}) == [Key("d", "s0")]
    assert tables.selecting(service.KIND, "other", {"a": "1"}) == []

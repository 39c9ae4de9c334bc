"""The cache keeps bytes, indexes them, and is never put back by late news."""

import msgspec
import pytest

from umiak.api.core.pod import KIND as POD
from umiak.objects.meta import Key
from umiak.objects.selectors import from_label_selector
from umiak.reconcile.cache import Table, Tables


def body(name: str, version: int, uid: str = "", owner: str = "", labels=None, **more) -> bytes:
    about = {"name": name, "namespace": "shop", "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    if owner:
        about["ownerReferences"] = [{"uid": owner}]
    if labels:
        about["labels"] = labels
    return msgspec.json.encode({"metadata": about, **more})


@pytest.fixture
def table() -> Table:
    return Table(POD)


@pytest.fixture
def heard(table: Table) -> list:
    heard: list = []

    def listen(change):
        versions = [None if row is None else row.version for row in (change.old_row, change.new_row)]
        heard.append((change.key.name, *versions))

    table.listen(listen)
    return heard


def test_changes_are_told_with_old_and_new(table, heard):
    table.saw(body("a", 1))
    table.saw(body("a", 2))
    table.saw_deleted(body("a", 3))
    assert heard == [("a", None, 1), ("a", 1, 2), ("a", 2, None)]


def test_late_news_is_ignored(table, heard):
    table.saw(body("a", 5))
    table.saw(body("a", 4))
    table.saw_deleted(body("a", 3, uid="an older one"))
    assert heard == [("a", None, 5)]


def test_a_write_shows_before_the_watch_and_once(table, heard):
    table.wrote(body("a", 5))
    table.saw(body("a", 5))
    assert heard == [("a", None, 5)]


def test_an_answer_that_the_watch_has_overtaken_raises_no_ghost(table, heard):
    """The object was made (5), watched (5), deleted by another (6), and only then our create returned."""
    table.saw(body("a", 5))
    table.saw_deleted(body("a", 6))
    table.wrote(body("a", 5))
    assert len(table) == 0


def test_a_bookmark_moves_the_position(table):
    table.saw_bookmark(b'{"metadata":{"resourceVersion":"9"}}')
    table.wrote(body("a", 8))
    assert (table.position, len(table)) == (9, 0)


def test_a_deletion_of_ours_is_not_undone_by_older_news(table, heard):
    table.saw(body("a", 1))
    table.deleted(Key("shop", "a"), "uid-a")
    table.saw(body("a", 2))
    assert len(table) == 0
    table.saw_deleted(body("a", 3))
    assert heard == [("a", None, 1), ("a", 1, None)]


def test_a_successor_of_the_same_name_is_another_object(table, heard):
    table.saw(body("a", 1))
    table.wrote(body("a", 4, uid="new"))
    table.saw_deleted(body("a", 3))
    assert heard == [("a", None, 1), ("a", 1, None), ("a", None, 4)]
    assert table.row(Key("shop", "a")).uid == "new"


def test_a_new_list_tells_the_difference(table, heard):
    for name in "abc":
        table.saw(body(name, 1))
    table.wrote(body("mine", 20))
    heard.clear()
    table.replace([body("b", 1), body("c", 8), body("d", 9)], 10)
    assert sorted(heard) == [("a", 1, None), ("c", 1, 8), ("d", None, 9)]
    assert sorted(k.name for k, _ in table.rows()) == ["b", "c", "d", "mine"]


def test_a_list_from_before_a_deletion_of_ours_does_not_undo_it(table):
    table.saw(body("a", 1))
    table.deleted(Key("shop", "a"), "uid-a")
    table.replace([body("a", 1)], 1)
    table.replace([body("a", 1)], 1)
    assert len(table) == 0
    table.replace([body("a", 3, uid="next")], 3)
    assert table.row(Key("shop", "a")).uid == "next"


def test_owners_are_indexed(table):
    table.saw(body("a", 1, owner="set"))
    table.saw(body("b", 2, owner="set"))
    table.saw(body("a", 3, owner="other"))
    assert (table.owned("set"), table.owned("other")) == ([Key("shop", "b")], [Key("shop", "a")])
    table.saw_deleted(body("b", 4, owner="set"))
    assert table.owned("set") == []


def test_managed_fields_are_not_kept(table):
    raw = b'{"metadata":{"name":"a","uid":"u","resourceVersion":"1","managedFields":[{"manager":"x"}]},"spec":{}}'
    table.saw(raw)
    assert table.row(Key("", "a")).body == b'{"metadata":{"name":"a","uid":"u","resourceVersion":"1"},"spec":{}}'


def test_readers_get_copies_with_kind_and_version():
    tables = Tables()
    tables.ensure(POD).saw(body("a", 1, labels={"app": "web"}))
    found = tables.get(POD, Key("shop", "a"))
    found["metadata"]["labels"]["app"] = "changed"
    again = tables.get(POD, Key("shop", "a"))
    assert (again["kind"], again["apiVersion"], again["metadata"]["labels"]) == ("Pod", "v1", {"app": "web"})


def test_list_by_namespace_and_label():
    tables = Tables()
    tables.ensure(POD).saw(body("a", 1, labels={"app": "web"}))
    tables.ensure(POD).saw(body("b", 2))
    web = from_label_selector({"matchLabels": {"app": "web"}})
    assert [p["metadata"]["name"] for p in tables.list(POD, "shop", web)] == ["a"]
    assert tables.list(POD, "elsewhere") == []
    assert sorted(k.name for k in tables.keys(POD)) == ["a", "b"]
    assert (tables.version(POD, Key("shop", "b")), tables.version(POD, Key("shop", "x"))) == (2, 0)


def test_pods_of_a_node_are_found():
    tables = Tables()
    table = tables.ensure(POD)
    table.saw(body("a", 1, spec={"nodeName": "n"}))
    table.saw(body("b", 2, spec={}))
    assert [p["metadata"]["name"] for p in tables.on_node(POD, "n")] == ["a"]
    table.saw(body("b", 3, spec={"nodeName": "n"}))
    table.saw_deleted(body("a", 4, spec={"nodeName": "n"}))
    assert [p["metadata"]["name"] for p in tables.on_node(POD, "n")] == ["b"]
    assert tables.on_node(POD, "other") == []


def test_undeclared_kinds_are_a_fault():
    with pytest.raises(LookupError, match="is not cached"):
        Tables().list(POD)


def test_a_write_that_took_the_last_finalizer_shows_the_end():
    """The answer has the version from before the deletion (found by chaos: a Job counted such a pod twice)."""
    tables = Tables()
    table = tables.ensure(POD)
    gone = {"deletionTimestamp": "2026-03-01T12:00:00Z", "deletionGracePeriodSeconds": 0}
    about = {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "5", **gone}
    table.saw(msgspec.json.encode({"metadata": {**about, "finalizers": ["wait"]}}))
    tables.wrote(POD, {"kind": "Pod", "metadata": about})
    assert tables.keys(POD) == []


def test_a_pod_that_still_has_time_to_stop_stays():
    tables = Tables()
    tables.ensure(POD)
    gone = {"deletionTimestamp": "2026-03-01T12:00:00Z", "deletionGracePeriodSeconds": 30}
    tables.wrote(POD, {"kind": "Pod", "metadata": {"name": "a", "namespace": "shop", "resourceVersion": "5", **gone}})
    assert tables.keys(POD) == [Key("shop", "a")]


def test_selectors_of_a_namespace():
    tables = Tables()
    table = tables.ensure(POD)
    table.saw(body("a", 1, spec={"selector": {"app": "x"}}))
    table.saw(body("b", 2, spec={}))
    table.saw(body("a", 3, spec={"selector": {"app": "y"}}))
    assert tables.selectors(POD, "shop") == [{"app": "y"}, {}]
    assert tables.selectors(POD, "other") == []

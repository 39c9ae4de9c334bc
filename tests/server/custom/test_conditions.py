"""Names are given to who asks first; conditions say so (apiextensions' naming controller)."""

import pytest

from umiak.server.custom import columns, conditions
from umiak.testing.clock import NOON


def definition(group="toys.example", accepted=None, **names):
    asked = {"plural": "kites", "singular": "kite", "kind": "Kite", "listKind": "KiteList", **names}
    status = {"acceptedNames": accepted} if accepted else {}
    return {"metadata": {"name": f"kites.{group}"}, "spec": {"group": group, "names": asked}, "status": status}


def settled(found, *others):
    conditions.settle(found, others, NOON)
    return conditions.condition(found, "NamesAccepted")


@pytest.mark.parametrize(
    ("names", "reason", "message"),
    [
        ({"plural": "x"}, "NoConflicts", "no conflicts found"),
        ({"plural": "kt"}, "PluralConflict", '"kt" is already in use'),
        ({"singular": "toys"}, "SingularConflict", '"toys" is already in use'),
        ({"kind": "Toy"}, "KindConflict", '"Toy" is already in use'),
        ({"listKind": "Toy"}, "ListKindConflict", '"Toy" is already in use'),
        ({"shortNames": ["kt", "toys"]}, "ShortNamesConflict", '["kt" is already in use, "toys" is already in use]'),
    ],
)
def test_conflicts(names, reason, message):
    other = {"plural": "toys", "singular": "toy", "shortNames": ["kt"], "kind": "Toy", "listKind": "ToyList"}
    found = settled(definition(**names), definition(accepted=other))
    assert (found["reason"], found["message"]) == (reason, message)


def test_a_name_once_given_is_kept():
    mine = {"plural": "kites", "singular": "kite", "kind": "Kite", "listKind": "KiteList"}
    found = definition(accepted=mine)
    assert settled(found, definition(accepted=mine))["status"] == "True"
    assert conditions.accepted(found) == mine


def test_the_time_of_a_transition_moves_with_the_status():
    found = definition()
    settled(found)
    before = dict(conditions.condition(found, "Established"))
    later = NOON.replace(hour=13)
    conditions.set_condition(found, "Established", "True", "Other", "text", later)
    assert conditions.condition(found, "Established")["lastTransitionTime"] == before["lastTransitionTime"]
    conditions.set_condition(found, "Established", "False", "Other", "text", later)
    assert conditions.condition(found, "Established")["lastTransitionTime"] == "2026-03-01T13:00:00Z"


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        ("string", 5, "5"),
        ("string", {"a": 1}, '{"a":1}'),
        ("integer", 5.7, 5),
        ("integer", "5", None),
        ("number", 1.5, 1.5),
        ("boolean", "true", None),
        ("date", "2024-01-01T00:00:00Z", "60s"),
        ("date", "soon", "<invalid>"),
    ],
)
def test_cells_have_the_type_of_their_column(kind, value, cell):
    made = columns.columns([{"name": "C", "type": kind, "jsonPath": ".v"}])[1]
    assert made.cell({"v": value}, 1704067260.0) == cell
    assert made.cell({}, 0.0) is None


def test_the_default_columns_are_name_and_age():
    assert [column.name for column in columns.columns(None)] == ["Name", "Age"]

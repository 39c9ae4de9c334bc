"""Lists and maps that the client left empty are printed as such; the reference keeps them apart from missing ones."""

import pytest

from umiak.objects import encoding
from umiak.objects.errors import FieldError, invalid_value
from umiak.server.wording import as_sent


class Request:
    def __init__(self, body):
        self.body = encoding.to_json(body)


class Kind:
    is_custom = False


class Call:
    kind = Kind

    def __init__(self, body):
        self.request = Request(body)


def judge(obj) -> list[FieldError]:
    return [invalid_value("spec.list", (obj.get("spec") or {}).get("list"), "odd")]


@pytest.mark.parametrize(
    ("body", "printed"),
    [
        ({"spec": {"list": []}}, "[]"),
        ({"spec": {"list": {}}}, "{}"),
        ({"spec": {"list": None}}, "null"),
        ({"spec": {}}, "null"),
        ({"spec": {"list": [1]}}, "null"),
        ([{"op": "add", "path": "/spec/list", "value": []}], "[]"),
        ([{"op": "add", "path": "/spec", "value": {"list": []}}], "[]"),
        ([{"op": "remove", "path": "/spec/list"}], "null"),
        ("text", "null"),
    ],
)
def test_what_was_sent_empty_is_printed_empty(body, printed):
    obj = {"spec": {"other": 1}}
    (fault,) = as_sent(Call(body), obj, judge(obj), judge)
    assert fault.message == f"Invalid value: {printed}: odd"
    assert obj == {"spec": {"other": 1}}


def test_other_faults_than_before_do_not_count():
    obj = {"spec": {}}
    faults = judge(obj)
    assert as_sent(Call({"spec": {"list": []}}), obj, faults, lambda whole: []) == faults

"""Types declared by schemas: names, values and sizes."""

import pytest

from umiak.objects.cel.declared import escape, of_schema
from umiak.objects.cel.errors import EvaluationError
from umiak.objects.cel.values import Duration, SetList, Timestamp, add_lists, equal


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("plain", "plain"),
        ("a-b", "a__dash__b"),
        ("a.b/c", "a__dot__b__slash__c"),
        ("a__b", "a__underscores__b"),
        ("namespace", "__namespace__"),
        ("int", "int"),
        ("1a", None),
        ("", None),
        ("é", None),
    ],
)
def test_escape(name, escaped):
    assert escape(name) == escaped


@pytest.mark.parametrize(
    ("schema", "data", "value"),
    [
        ({"type": "number"}, 2, 2.0),
        ({"type": "string", "format": "date-time"}, "1970-01-01T00:00:01Z", Timestamp(10**9)),
        ({"type": "string", "format": "date"}, "1970-01-02", Timestamp(86_400 * 10**9)),
        ({"type": "string", "format": "duration"}, "1m", Duration(60 * 10**9)),
        ({"type": "string", "format": "duration"}, "3 weeks", Duration(21 * 86_400 * 10**9)),
        ({"type": "string", "format": "byte"}, "aGk=", b"hi"),
        ({"type": "string", "nullable": True}, None, None),
        ({"type": "object", "properties": {"n": {"type": "number"}}}, {"n": 1, "x": 1}, {"n": 1.0, "x": 1}),
        ({"type": "object", "additionalProperties": {"type": "number"}}, {"a": 1}, {"a": 1.0}),
        ({"type": "array", "items": {"type": "string", "format": "byte"}}, ["aGk="], [b"hi"]),
        ({"x-kubernetes-int-or-string": True}, "50%", "50%"),
    ],
)
def test_value(schema, data, value):
    got = of_schema(schema, "T").value(data)
    assert type(got) is type(value)
    assert equal(got, value)


def test_plain_data_is_not_copied():
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}}
    data = {"a": ["x"]}
    assert of_schema(schema, "T").value(data) is data


@pytest.mark.parametrize("format", ["date", "date-time", "duration", "byte"])
def test_wrong_data(format):
    with pytest.raises(EvaluationError, match="Invalid"):
        of_schema({"type": "string", "format": format}, "T").value("?")


def test_sets_and_maps_ignore_order():
    assert equal(SetList(["a", "b"]), ["b", "a"])
    schema = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}},
    }
    read = of_schema(schema, "T").value
    before = read([{"k": "a", "v": 1}, {"k": "b", "v": 2}])
    assert equal(before, [{"k": "b", "v": 2}, {"k": "a", "v": 1}])
    assert add_lists(before, [{"k": "b", "v": 3}]) == [{"k": "a", "v": 1}, {"k": "b", "v": 3}]


@pytest.mark.parametrize(
    ("schema", "most", "smallest"),
    [
        ({"type": "string", "maxLength": 5}, 20, 2),
        ({"type": "string", "enum": ["a", "bcd"]}, 3, 2),
        ({"type": "string"}, 3 * 1024 * 1024 - 2, 2),
        ({"type": "array", "items": {"type": "integer"}}, (3 * 1024 * 1024 - 2) // 2, 2),
        ({"type": "array", "maxItems": 7, "items": {"type": "integer"}}, 7, 2),
        ({"type": "object", "required": ["abc"], "properties": {"abc": {"type": "integer"}}}, 0, 10),
    ],
)
def test_sizes(schema, most, smallest):
    declared = of_schema(schema, "T")
    assert (declared.most, declared.smallest) == (most, smallest)


@pytest.mark.parametrize("schema", [{}, {"type": "array"}, {"x-kubernetes-preserve-unknown-fields": True}])
def test_not_seen_by_expressions(schema):
    assert of_schema(schema, "T") is None

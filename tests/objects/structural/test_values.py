"""Values against schemas, with kube-openapi's words (apiextensions' `pkg/apiserver/validation`)."""

import pytest

from umiak.objects.structural.values import faults

INTEGER = {"type": "integer"}
TEXT = {"type": "string"}


def texts(schema, value, **more):
    return [str(fault) for fault in faults({"type": "object", "properties": {"f": schema}}, {"f": value}, **more)]


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        (INTEGER, "x", 'Invalid value: "string": f in body must be of type integer: "string"'),
        (TEXT, 4, 'Invalid value: "integer": f in body must be of type string: "integer"'),
        (TEXT, None, 'Invalid value: "null": f in body must be of type string: "null"'),
        ({"type": "boolean"}, {}, 'Invalid value: "object": f in body must be of type boolean: "object"'),
        (
            {"x-kubernetes-int-or-string": True},
            [1],
            'Invalid value: "array": f in body must be of type integer,string: "array"',
        ),
        ({**TEXT, "enum": ["a", "b"]}, "c", 'Unsupported value: "c": supported values: "a", "b"'),
        ({**INTEGER, "minimum": 3}, 2, "Invalid value: 2: f in body should be greater than or equal to 3"),
        (
            {**INTEGER, "maximum": 3, "exclusiveMaximum": True},
            3,
            "Invalid value: 3: f in body should be less than 3",
        ),
        (
            {"type": "number", "maximum": 0.5},
            0.75,
            "Invalid value: 0.75: f in body should be less than or equal to 0.5",
        ),
        ({**INTEGER, "multipleOf": 4}, 6, "Invalid value: 6: f in body should be a multiple of 4"),
        ({**TEXT, "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
        ({**TEXT, "minLength": 2}, "a", 'Invalid value: "a": f in body should be at least 2 chars long'),
        ({**TEXT, "pattern": "^a+$"}, "b", "Invalid value: \"b\": f in body should match '^a+$'"),
        ({**TEXT, "pattern": "^a$"}, "a\n", "Invalid value: \"a\\n\": f in body should match '^a$'"),
        ({**TEXT, "format": "date-time"}, "x", 'Invalid value: "x": f in body must be of type date-time: "x"'),
        ({"type": "array", "items": TEXT, "maxItems": 1}, ["a", "b"], "Too many: 2: must have at most 1 item"),
        (
            {"type": "array", "items": TEXT, "minItems": 1},
            [],
            "Invalid value: 0: f in body should have at least 1 items",
        ),
        ({"type": "object", "maxProperties": 1}, {"a": 1, "b": 2}, "Too many: 2: must have at most 1 item"),
        (
            {"type": "object", "minProperties": 1},
            {},
            "Invalid value: 0: f in body should have at least 1 properties",
        ),
    ],
)
def test_a_fault_has_the_words_of_the_reference(schema, value, text):
    assert texts(schema, value) == [f"f: {text}"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (INTEGER, 5.0),
        ({"type": "number"}, 5),
        ({**TEXT, "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True}, "5%"),
        ({**TEXT, "format": "nobody knows"}, "x"),
        ({**TEXT, "maxLength": 2}, "éé"),
        ({"x-kubernetes-preserve-unknown-fields": True}, [1, {"a": None}]),
        ({**INTEGER, "enum": [1.0]}, 1),
    ],
)
def test_what_fits(schema, value):
    assert texts(schema, value) == []


def test_a_number_has_to_be_in_the_range_of_its_type():
    beyond = "Checked value must be of type integer with format int32 in f"
    assert texts({**INTEGER, "format": "int32"}, 2**31) == [f'<nil>: Invalid value: "": {beyond}']
    assert texts(INTEGER, 1.5) == [
        'f: Invalid value: "number": f in body must be of type integer: "number"',
        '<nil>: Invalid value: "": Checked value must be of type integer (default format) in f',
    ]


def test_places_inside_lists_and_maps():
    schema = {"type": "object", "additionalProperties": {"type": "array", "items": INTEGER}}
    assert texts(schema, {"k": [1, "x"]}) == [
        'f.k[1]: Invalid value: "string": f.k[1] in body must be of type integer: "string"'
    ]


def test_required_fields_are_named_from_the_root():
    schema = {"type": "object", "required": ["a"]}
    assert [str(f) for f in faults(schema, {})] == ["a: Required value"]
    assert texts(schema, {}) == ["f.a: Required value"]


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (
            {"anyOf": [{"minimum": 5}, {"maximum": 1}]},
            3,
            [
                '<nil>: Invalid value: "": "f" must validate at least one schema (anyOf)',
                "f: Invalid value: 3: f in body should be greater than or equal to 5",
            ],
        ),
        (
            {"oneOf": [{"minimum": 1}, {"minimum": 2}]},
            3,
            ['<nil>: Invalid value: "": "f" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
        ),
        (
            {"allOf": [{"minimum": 5}, {"minimum": 1}]},
            3,
            [
                "f: Invalid value: 3: f in body should be greater than or equal to 5",
                '<nil>: Invalid value: "": "f" must validate all the schemas (allOf)',
            ],
        ),
        ({"not": {"minimum": 1}}, 3, ['<nil>: Invalid value: "": "f" must not validate the schema (not)']),
    ],
)
def test_alternatives(schema, value, expected):
    assert texts({**INTEGER, **schema}, value) == expected


def test_what_was_wrong_before_and_stays_is_let_pass():
    """KEP-4008."""
    schema = {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}}
    assert faults(schema, {"a": "x", "b": 1}, {"a": "x", "b": 2}) == []
    assert [f.path for f in faults(schema, {"a": "x", "b": "y"}, {"a": "x", "b": 2})] == ["b"]


def test_only_elements_of_maps_are_known_again():
    items = {"type": "object", "properties": {"k": TEXT, "n": INTEGER}}
    atomic = {"type": "array", "items": items}
    keyed = {**atomic, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    old, new = [{"k": "a", "n": "x"}], [{"k": "b", "n": 1}, {"k": "a", "n": "x"}]
    assert faults(keyed, new, old) == []
    assert [f.path for f in faults(atomic, new, old)] == ["[1].n"]

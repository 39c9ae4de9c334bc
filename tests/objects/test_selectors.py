"""Selectors read, match and print as apimachinery's `labels` and `fields` do."""

import pytest

from umiak.objects.selectors import (
    EVERYTHING,
    NOTHING,
    FieldRequirement,
    InvalidSelector,
    escaped_field,
    from_label_selector,
    from_set,
    parse_fields,
    parse_labels,
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("x=a", "x=a"),
        ("x==a", "x==a"),
        (" z , !y,x=a ", "x=a,!y,z"),
        ("x in (b, a,b)", "x in (a,b)"),
        ("x notin ()", "x notin ()"),
        ("x in (a,,b)", "x in (,a,b)"),
        ("x in (in,notin)", "x in (in,notin)"),
        ("x>1,y<7", "x>1,y<7"),
        ("x=", "x="),
        ("in", "in"),
        ("a.example/b!=c", "a.example/b!=c"),
    ],
)
def test_canonical_text(text, canonical):
    assert str(parse_labels(text)) == canonical


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("a=1", {"a": "1"}, True),
        ("a=1", {"a": "2"}, False),
        ("a=", {}, False),
        ("a!=1", {}, True),
        ("a in (1,2)", {"a": "2"}, True),
        ("a notin (1,2)", {"a": "2"}, False),
        ("a notin (1,2)", {}, True),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("a>5", {"a": "6"}, True),
        ("a>5", {"a": "x"}, False),
        ("a<5", {"a": "+4"}, True),
        ("a<5", {}, False),
        ("a,b=2", {"a": "1", "b": "2"}, True),
    ],
)
def test_matches(text, labels, matches):
    assert parse_labels(text).matches(labels) is matches


KEY_FAULT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a,", "found '', expected: identifier after ','"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a==(", "unable to parse requirement: found '(', expected: identifier"),
        ("-a", f'unable to parse requirement: <nil>: Invalid value: "-a": {KEY_FAULT}'),
        (
            "a>b",
            'unable to parse requirement: values[0]: Invalid value: "b": '
            "for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ],
)
def test_faults(text, fault):
    with pytest.raises(InvalidSelector) as error:
        parse_labels(text)
    assert str(error.value) == fault


def test_label_selector_objects():
    assert from_label_selector(None) is NOTHING
    assert from_label_selector({}) is EVERYTHING
    assert not NOTHING.matches({"a": "b"})
    assert not NOTHING.is_empty
    assert EVERYTHING.is_empty
    selector = from_label_selector(
        {
            "matchLabels": {"b": "2"},
            "matchExpressions": [
                {"key": "a", "operator": "In", "values": ["x", "y"]},
                {"key": "c", "operator": "DoesNotExist"},
            ],
        }
    )
    assert str(selector) == "a in (x,y),b=2,!c"
    with pytest.raises(InvalidSelector, match='"Is" is not a valid label selector operator'):
        from_label_selector({"matchExpressions": [{"key": "a", "operator": "Is"}]})


def test_from_set_checks_nothing():
    assert from_set({"-": "!"}).matches({"-": "!"})
    assert from_set(None).is_empty


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ()),
        ("b=2,a!=1", (FieldRequirement("a", True, "1"), FieldRequirement("b", False, "2"))),
        ("a==x\\,y\\=z\\\\", (FieldRequirement("a", False, "x,y=z\\"),)),
        (",,", ()),
        ("=,!=", ()),
        ("=a", (FieldRequirement("", False, "a"),)),
    ],
)
def test_fields(text, found):
    assert parse_fields(text) == found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        ("a=\\b", "invalid field selector: invalid escape sequence: \\b"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_field_faults(text, fault):
    with pytest.raises(InvalidSelector) as error:
        parse_fields(text)
    assert str(error.value) == fault


def test_escaping_survives():
    assert parse_fields("a=" + escaped_field("x,=\\"))[0].value == "x,=\\"

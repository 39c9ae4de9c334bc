"""Bodies in JSON and YAML, and what is said of those that cannot be read."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.objects import encoding, json_syntax
from umiak.objects.encoding import Doubled, Unreadable

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53)
json_values = st.recursive(
    scalars | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)
printable = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]))
yaml_values = st.recursive(
    scalars | printable, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab1:- "), inner), max_leaves=6
)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"", "unexpected end of JSON input"),
        (b'{"a":', "unexpected end of JSON input"),
        (b"{} x", "invalid character 'x' after top-level value"),
        (b"{a:1}", "invalid character 'a' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 2}', "invalid character '2' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b'{"a":tru}', "invalid character '}' in literal true (expecting 'e')"),
        (b"[-]", "invalid character ']' in numeric literal"),
        (b"[1.]", "invalid character ']' after decimal point in numeric literal"),
        (b"[1e]", "invalid character ']' in exponent of numeric literal"),
        (b'"\\q"', "invalid character 'q' in string escape code"),
        (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b'"\n"', "invalid character '\\n' in string literal"),
        (b"'a'", "invalid character '\\'' looking for beginning of value"),
        (b"[" * 20_000, "exceeded max depth"),
    ],
)
def test_json_faults(text, fault):
    with pytest.raises(Unreadable) as error:
        encoding.from_json(text)
    assert str(error.value) == fault


def test_repeated_keys_are_remembered():
    value = encoding.from_json(b'{ "a": {"b": 1, "b": 2}, "c": [{"d": 1}] }')
    assert isinstance(value["a"], Doubled)
    assert value == {"a": {"b": 2}, "c": [{"d": 1}]}
    assert value["a"].pairs == [("b", 1), ("b", 2)]
    assert type(value["c"][0]) is dict


def test_repeated_keys_cannot_hide():
    """An escaped quote before a colon looks like one more key when it is written back."""
    assert isinstance(encoding.from_json(b'{ "a":1,"a":1,"b":"\\u0022:" }'), Doubled)


def test_text_that_is_no_unicode_is_mended():
    assert encoding.from_json(b'{"a":"\xff","b":"\\ud800"}') == {"a": "\ufffd", "b": "\ufffd"}


@given(json_values)
def test_whatever_is_json_is_read(value):
    text = json.dumps(value, indent=random.Random(0).choice([None, 1]), ensure_ascii=False)
    assert json_syntax.fault(text.encode("utf-8", "surrogatepass")) == ""
    if "\ud800" not in text:
        assert encoding.from_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("Off", False), ("~", None), ("'yes'", "yes"), ("017", 15), ("0o17", 15), ("0x1F", 31),
        ("0b11", 3), ("1_000", 1000), ("1e3", 1000), (".5", 0.5), ("1:30", "1:30"), ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"), ("18446744073709551615", 2**64 - 1), ("1.2.3", "1.2.3"),
        ("!!str 5", "5"), ("!!binary aGk=", "hi"), ("0o8", "0o8"), ("+5", 5), ("-0x1", -1), ("=", "="),
    ],
)  # fmt: skip
def test_yaml_words(text, value):
    found, repeated = encoding.from_yaml(f"a: {text}\n".encode())
    assert (found, repeated) == ({"a": value}, [])
    assert type(found["a"]) is type(value)


def test_yaml_keys_become_texts_in_order():
    found, _ = encoding.from_yaml(b"b: 1\n8: 2\ntrue: 3\na: 4\n")
    assert list(found.items()) == [("8", 2), ("a", 4), ("b", 1), ("true", 3)]


def test_yaml_anchors_and_merges():
    text = b"base: &b {x: 1, z: 2}\nmine:\n  <<: *b\n  z: 3\nlist: [*b, *b]\n"
    found, _ = encoding.from_yaml(text)
    assert found["mine"] == {"x": 1, "z": 3}
    found["list"][0]["x"] = 9
    assert found["list"][1]["x"] == 1


def test_yaml_repeated_keys():
    found, repeated = encoding.from_yaml(b"metadata:\n  name: e\ndata:\n  k: a\n  k: b\n")
    assert found["data"] == {"k": "b"}
    assert repeated == ['yaml: unmarshal errors:\n  line 5: key "k" already set in map']


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [b", "yaml: line 1: did not find expected ',' or ']'"),
        ("a: *b", "yaml: unknown anchor 'b' referenced"),
        ("a: &a [*a]", "yaml: anchor 'a' value contains itself"),
        ("a: .inf", "json: unsupported value: +Inf"),
        ("[" * 20_000, "yaml: exceeded max depth of 10000"),
    ],
)
def test_yaml_faults(text, fault):
    with pytest.raises(Unreadable) as error:
        encoding.from_yaml(text.encode())
    assert str(error.value) == fault


def test_yaml_aliases_are_bounded():
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"] + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(Unreadable, match="excessive aliasing"):
        encoding.from_yaml("\n".join(lines).encode())


def test_manifests_hold_many_documents():
    assert encoding.documents(b'---\na: 1\n---\n---\n{"b": 2}\n') == [{"a": 1}, {"b": 2}]


def test_writes_yaml_as_the_reference_does():
    value = {
        "b": "yes", "a": ["x", {"c": 1, "d": None}], "e": "two\nlines\n", "f": "2024-01-01T00:00:00Z", "g": "", "h": {},
        "i": [], "j": "plain words", "l": True, "m": "1:30", "z10": 1, "z9": 2,
    }  # fmt: skip
    assert encoding.to_yaml(value).decode() == (
        'a:\n- x\n- c: 1\n  d: null\nb: "yes"\ne: |\n  two\n  lines\nf: "2024-01-01T00:00:00Z"\ng: ""\nh: {}\ni: []\n'
        'j: plain words\nl: true\nm: "1:30"\nz9: 2\nz10: 1\n'
    )


@given(yaml_values)
def test_what_yaml_says_is_what_was_meant(value):
    assert encoding.from_yaml(encoding.to_yaml(value))[0] == value

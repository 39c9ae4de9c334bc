"""Structural schemas, their defaults, and what is embedded (apiextensions' `pkg/apiserver/schema`)."""

import pytest

from umiak.api.apiextensions import _default_values, _embedded, _field_paths, _internal, _schema, _structural

OBJECT = {"type": "object"}


def structure(schema):
    return [str(fault) for fault in _structural.faults({**OBJECT, **schema}, "s")]


def rules(schema):
    return [str(fault) for fault in _schema.faults({**OBJECT, **schema}, "s")]


def defaults(schema):
    return [str(fault) for fault in _default_values.faults({**OBJECT, "properties": {"f": schema}}, "s")]


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (
            {"properties": {"a": {}}},
            "s.properties[a].type: Required value: must not be empty for specified object fields",
        ),
        ({"properties": {"a": {"type": "array"}}}, "s.properties[a].items: Required value: must be specified"),
        (
            {"additionalProperties": {"type": "string"}},
            "s.additionalProperties: Forbidden: must not be used at the root",
        ),
        ({"type": "string"}, 's.type: Invalid value: "string": must be object at the root'),
        ({"anyOf": [{"type": "string"}]}, "s.anyOf[0].type: Forbidden: must be empty to be structural"),
        (
            {"not": {"properties": {"a": {}}}},
            "s.properties[a]: Required value: because it is defined in s.not.properties[a]",
        ),
        (
            {"properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}},
            "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but "
            "metadata is implicitly specified",
        ),
        (
            {"properties": {"a": {"type": "object", "x-kubernetes-embedded-resource": True}}},
            "s.properties[a].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true "
            "without x-kubernetes-preserve-unknown-fields",
        ),
    ],
)
def test_what_is_not_structural(schema, text):
    assert structure(schema) == [text]


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}}},
        {"properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}}}},
        {"properties": {"a": {"x-kubernetes-preserve-unknown-fields": True}}},
        {
            "properties": {"a": {"type": "string"}},
            "anyOf": [{"required": ["a"], "properties": {"a": {"minLength": 1}}}],
        },
    ],
)
def test_what_is_structural(schema):
    assert structure(schema) == []


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"$ref": "#/x"}, "OpenAPIV3Schema '$ref' is not supported"),
        ({"properties": {"a": {"items": [{}]}}}, "OpenAPIV3Schema 'items' must be a schema, but is an array"),
        ({"properties": {"a": {"type": "string"}}}, ""),
    ],
)
def test_what_has_no_structure(schema, text):
    assert _structural.unsupported(schema) == text


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (
            {"uniqueItems": True},
            "s.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes "
            "quadratic",
        ),
        (
            {"properties": {"a": OBJECT}, "additionalProperties": OBJECT},
            "s.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            {"properties": {"metadata": {"type": "object", "default": {}}}},
            "s.properties[metadata].default: Forbidden: must not be set in top-level metadata",
        ),
        (
            {"properties": {"a": {"type": "array", "x-kubernetes-list-type": "bag", "items": OBJECT}}},
            's.properties[a].x-kubernetes-list-type: Unsupported value: "bag": supported values: "atomic", "set", '
            '"map"',
        ),
        (
            {
                "properties": {
                    "a": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["k"],
                        "items": {"type": "object", "properties": {"k": {"type": "string"}}},
                    }
                }
            },
            "s.properties[a].items.properties[k].default: Required value: this property is in "
            "x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ),
    ],
)
def test_what_a_schema_may_not_say(schema, text):
    assert rules(schema) == [text]


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (
            {"type": "integer", "default": "x"},
            's.properties[f].default: Invalid value: "string":  in body must be of type integer: "string"',
        ),
        (
            {**OBJECT, "properties": {"a": {"type": "string"}}, "default": {"b": 1}},
            's.properties[f].default: Invalid value: {"b":1}: must not have unknown fields',
        ),
    ],
)
def test_defaults_are_values_of_their_schema(schema, text):
    assert defaults(schema) == [text]
    assert defaults({**schema, "default": None}) == []


def test_embedded_objects_are_read_and_checked():
    schema = {"properties": {"t": {"type": "object", "x-kubernetes-embedded-resource": True}}}
    obj = {"t": {"kind": "Pod", "metadata": {"name": "Bad Name", "odd": 1, "creationTimestamp": None}}}
    assert _embedded.coerce(obj, schema) == ["t.metadata.odd"]
    assert obj["t"]["metadata"] == {"name": "Bad Name"}
    assert [f.path for f in _embedded.faults(obj, schema)] == ["t.apiVersion"]
    with pytest.raises(_embedded.Malformed, match="cannot unmarshal"):
        _embedded.coerce({"t": {"metadata": {"labels": 3}}}, schema)


def test_paths_into_a_schema():
    schema = {
        "properties": {"spec": {"properties": {"a.b": {"type": "string"}}}, "m": {"additionalProperties": OBJECT}}
    }
    assert _field_paths.resolve(".spec['a.b']", schema) == ("spec.a.b", {"type": "string"})
    assert _field_paths.resolve(".m.any", schema)[0] == "m[any]"
    for path, why in ((".none", "does not refer"), ("spec", "expected"), (".spec[", "unexpected end")):
        with pytest.raises(_field_paths.NoSuchField, match=why):
            _field_paths.resolve(path, schema)


def test_what_versions_share_stands_beside_them():
    schema = {"openAPIV3Schema": OBJECT}
    one = {"name": "v1", "schema": schema}
    assert _internal.lifted({"versions": [one, {"name": "v2", "schema": schema}]}) == {
        "versions": [{"name": "v1"}, {"name": "v2"}],
        "validation": schema,
        "subresources": None,
        "additionalPrinterColumns": None,
        "selectableFields": None,
    }
    assert "validation" not in _internal.lifted({"versions": [one, {"name": "v2", "schema": {"x": 1}}]})


def test_values_are_shown_as_go_shows_its_structs():
    shown = str(_internal.versions([{"name": "v<1>", "served": True, "subresources": {"status": {}}}]))
    assert shown.startswith('[{"Name":"v\\u003c1\\u003e","Served":true,"Storage":false,"Deprecated":false,')
    assert '"Subresources":{"Status":{},"Scale":null}' in shown

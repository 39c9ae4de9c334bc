"""Validation rules of custom resources; texts are those the reference was recorded with."""

import pytest

from umiak.api.apiextensions._evaluation import rules

TEXT = {"type": "string", "maxLength": 20}


def spec(properties, *found, **more):
    inner = {"type": "object", "properties": properties, "x-kubernetes-validations": list(found)}
    return {"type": "object", "properties": {"spec": {**inner, **more}}}


def texts(schema, new, old=None):
    before = None if old is None else {"spec": old}
    return [str(fault) for fault in rules(schema)({"spec": new}, before)]


CREW = {"crew": {"type": "integer"}, "berths": {"type": "integer"}, "hull": TEXT}


def test_no_rules():
    assert rules(spec(CREW)) is None


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "spec: Invalid value: failed rule: self.crew <= self.berths"),
        ({"message": " too many "}, "spec: Invalid value: too many"),
        ({"messageExpression": "'crew of ' + string(self.crew)"}, "spec: Invalid value: crew of 5"),
        ({"messageExpression": "''", "message": "m"}, "spec: Invalid value: m"),
        ({"fieldPath": ".crew", "reason": "FieldValueForbidden", "message": "m"}, "spec.crew: Forbidden: m"),
        ({"reason": "FieldValueRequired", "message": "m"}, "spec: Required value: m"),
        ({"reason": "FieldValueDuplicate", "message": "m"}, "spec: Duplicate value"),
    ],
)
def test_a_rule_that_fails(rule, said):
    schema = spec(CREW, {"rule": "self.crew <= self.berths", **rule})
    assert texts(schema, {"crew": 5, "berths": 4}) == [said]
    assert texts(schema, {"crew": 3, "berths": 4}) == []


def test_a_value_that_is_no_object_is_shown():
    schema = spec({"depth": {"type": "number", "x-kubernetes-validations": [{"rule": "self > 0.5"}]}})
    assert texts(schema, {"depth": 0.1}) == ["spec.depth: Invalid value: 0.1: failed rule: self > 0.5"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("self.crew / 0 == 1", "division by zero evaluating rule: self.crew / 0 == 1"),
        ("self.hull == 'x'", "no such key: hull evaluating rule: self.hull == 'x'"),
        ("dyn(self.crew).size() == 1", "'no such overload: size': call arguments did not match a supported operator, "
         "function or macro signature for rule: dyn(self.crew).size() == 1"),
        ("self.no", "rule compile error: compilation failed: ERROR: <input>:1:5: undefined field 'no'\n | self.no\n"
         " | ....^"),
        ("self.crew", "rule compile error: cel expression must evaluate to a bool"),
    ],
)  # fmt: skip
def test_a_rule_that_breaks(rule, said):
    assert texts(spec(CREW, {"rule": rule}), {"crew": 1}) == [f'spec: Invalid value: "object": {said}']


def test_a_costly_rule_ends_it_all():
    many = {"type": "array", "items": {"type": "integer"}}
    costly = "self.l.all(x, self.l.all(y, self.l.exists(z, z == y)))"
    schema = spec({"l": many}, {"rule": costly}, {"rule": "false"})
    why = "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost"
    assert texts(schema, {"l": list(range(80))}) == [
        f'spec: Invalid value: "object": {why} exceeds limit for rule: {costly}'
    ]


def test_all_rules_share_a_budget():
    each = {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= 0"}]}
    check = rules(spec({"rows": {"type": "array", "items": each}}), budget=5)
    why = "validation failed due to running out of cost budget, no further validation rules will be run"
    found = check({"spec": {"rows": [1, 2, 3, 4]}}, None)
    assert [str(fault) for fault in found] == [f'spec.rows[2]: Invalid value: "integer": {why}']


STAYS = {"rule": "self.hull == oldSelf.hull", "message": "hull stays"}


def test_transitions():
    schema = spec(CREW, STAYS)
    assert texts(schema, {"hull": "oak"}) == []
    assert texts(schema, {"hull": "elm"}, {"hull": "oak"}) == ["spec: Invalid value: hull stays"]
    assert texts(schema, {"hull": "oak"}, {"hull": "oak"}) == []


def test_optional_old_self():
    rule = {"rule": "oldSelf.hasValue() || self.hull == 'new'", "message": "begin new", "optionalOldSelf": True}
    schema = spec(CREW, rule)
    assert texts(schema, {"hull": "elm"}) == ["spec: Invalid value: begin new"]
    assert texts(schema, {"hull": "elm"}, {"hull": "oak"}) == []


def test_what_did_not_change_is_let_pass():
    schema = spec({"a": {**TEXT, "x-kubernetes-validations": [{"rule": "self == 'x'"}]}, "b": TEXT})
    assert texts(schema, {"a": "y", "b": "2"}, {"a": "y", "b": "1"}) == []
    assert texts(schema, {"a": "z"}, {"a": "y"}) == ["spec.a: Invalid value: \"z\": failed rule: self == 'x'"]


def test_elements_are_found_again_by_their_keys():
    item = {"type": "object", "properties": {"k": TEXT, "v": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v", "message": "only up"}]}  # fmt: skip
    listed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": item}
    old = {"l": [{"k": "a", "v": 5}, {"k": "b", "v": 1}]}
    schema = spec({"l": listed})
    assert texts(schema, {"l": [{"k": "b", "v": 2}, {"k": "c", "v": 0}]}, old) == []
    assert texts(schema, {"l": [{"k": "b", "v": 0}]}, old) == ["spec.l[0]: Invalid value: only up"]
    assert texts(spec({"l": {**listed, "x-kubernetes-list-type": "atomic"}}), {"l": [{"k": "b", "v": 0}]}, old) == []


def test_maps_and_nested_objects():
    inner = {"type": "object", "properties": {"p": {"type": "object", "properties": {"q": TEXT}}},
             "x-kubernetes-validations": [{"rule": "self.p.q == 'x'", "message": "q is x"}]}  # fmt: skip
    schema = spec({"m": {"type": "object", "additionalProperties": inner}})
    assert texts(schema, {"m": {"one": {"p": {"q": "x"}}, "two": {"p": {"q": "y"}}}}) == [
        "spec.m[two]: Invalid value: q is x"
    ]


def test_rules_within_all_of():
    schema = spec(CREW, allOf=[{"properties": {"crew": {"x-kubernetes-validations": [{"rule": "self > 0"}]}}}])
    assert texts(schema, {"crew": 0}) == ["spec.crew: Invalid value: 0: failed rule: self > 0"]


def test_names_and_kinds_are_always_there():
    schema = {"type": "object", "x-kubernetes-validations": [{"rule": "self.metadata.name == 'a' && self.kind == 'K'"}]}
    said = ["<nil>: Invalid value: failed rule: self.metadata.name == 'a' && self.kind == 'K'"]
    check = rules(schema)
    assert check({"kind": "K", "metadata": {"name": "a"}}, None) == []
    assert [str(fault) for fault in check({"kind": "K", "metadata": {"name": "b"}}, None)] == said

"""Rules that a definition may not have."""

import pytest

from umiak.api.apiextensions._rules import faults

PATH = "spec.validation.openAPIV3Schema"
SHOWN = '"Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}'
HINT = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)


def said(properties, *rules, **more):
    schema = {"type": "object", "properties": properties, "x-kubernetes-validations": list(rules), **more}
    return [str(fault).replace(PATH, "") for fault in faults(schema, PATH)]


NUMBERS = {"type": "array", "items": {"type": "integer"}}


def test_good_rules():
    rule = {"rule": "self.a.size() > 2", "messageExpression": "'not ' + self.a"}
    assert said({"a": {"type": "string", "maxLength": 9}}, rule) == []


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("self.b > 1", "compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b > 1\n | ....^"),
        ("self.a", "cel expression must evaluate to a bool"),
        ("self.a > int('x')", "program instantiation failed: type conversion error from 'string' to 'int'"),
    ],
)
def test_rules_that_do_not_compile(rule, why):
    shown = '{"Rule":"' + rule.replace(">", "\\u003e") + '",' + SHOWN
    assert said({"a": {"type": "integer"}}, {"rule": rule}) == [
        f".x-kubernetes-validations[0].rule: Invalid value: {shown}: {why}"
    ]


def test_a_message_is_a_text():
    found = said({"a": {"type": "integer"}}, {"rule": "true", "messageExpression": "self.a"})
    assert found[0].startswith(".x-kubernetes-validations[0].messageExpression: Invalid value: ")
    assert found[0].endswith(": messageExpression must evaluate to a string")


def test_costly_rules():
    rule = {"rule": "self.l.all(x, self.l.all(y, x == y))"}
    where = ".x-kubernetes-validations[0].rule: Forbidden"
    assert said({"l": NUMBERS}, rule) == [
        f"{where}: estimated rule cost exceeds budget by factor of more than 100x {HINT}",
        f"{where}: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema",
        ": Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by "
        f"factor of more than 100x {HINT}",
    ]
    assert said({"l": {**NUMBERS, "maxItems": 100}}, rule) == []


def test_a_rule_counts_as_often_as_it_may_run():
    item = {"type": "string", "maxLength": 1000, "x-kubernetes-validations": [{"rule": "self.matches('^[a-z]{100}$')"}]}
    found = said({"l": {"type": "array", "items": item}})
    where = ".properties[l].items.x-kubernetes-validations[0].rule: Forbidden"
    assert found[0] == f"{where}: estimated rule cost exceeds budget by factor of more than 100x {HINT}"
    assert said({"l": {"type": "array", "maxItems": 10, "items": item}}) == []


def test_old_values_that_cannot_be_found_again():
    items = {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}
    text = "oldSelf cannot be used on the uncorrelatable portion of the schema within .properties[l]"
    assert said({"l": {"type": "array", "maxItems": 5, "items": {**items, "maxLength": 5}}}) == [
        f'.properties[l].items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": {text}'
    ]


def test_optional_old_self_wants_old_self():
    where = ".x-kubernetes-validations[0].optionalOldSelf"
    found = said({}, {"rule": "true", "optionalOldSelf": True})
    assert found == [f"{where}: Invalid value: true: may not be set if oldSelf is not used in rule"]

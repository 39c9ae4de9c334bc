"""Expressions are refused when they are written, in the words of the reference (recorded from it)."""

import pytest

from umiak.api.admissionregistration.mutatingadmissionpolicy import KIND as MUTATING
from umiak.api.admissionregistration.validatingadmissionpolicy import KIND as VALIDATING
from umiak.api.common.expressions import condition, device_selectors

RULES = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]
SYNTAX = "compilation failed: ERROR: <input>:1:11: Syntax error: extraneous input '!' expecting <EOF>\n"


def told(kind, spec):
    policy = {"metadata": {"name": "p"}, "spec": {"matchConstraints": {"resourceRules": RULES}, **spec}}
    kind.default(policy)
    return [f"{fault.path}: {fault.message}" for fault in kind.validate(policy)]


def one(**validation):
    return {"validations": [{"expression": "true", **validation}]}


@pytest.mark.parametrize(
    ("spec", "faults"),
    [
        pytest.param(one(), [], id="fine"),
        pytest.param(
            one(expression="1 + 1"),
            ['.expression: Invalid value: "1 + 1": must evaluate to bool but got int'],
            id="type",
        ),
        pytest.param(
            one(expression="object.a"),
            ['.expression: Invalid value: "object.a": must evaluate to bool but got dyn'],
            id="dyn is no bool",
        ),
        pytest.param(
            one(messageExpression="authorizer.path('/').check('get').reason()"),
            ["undeclared reference to 'authorizer' (in container '')"],
            id="messages may not ask",
        ),
        pytest.param(
            one(expression="params.a == 1"), ["undeclared reference to 'params' (in container '')"], id="no params"
        ),
        pytest.param({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, **one(expression="params.a == 1")}, []),
        pytest.param(
            one(expression="variables.a"), ["undeclared reference to 'variables' (in container '')"], id="no variables"
        ),
        pytest.param(
            {"variables": [{"name": "a", "expression": "b"}], **one(expression="variables.a == 1 && variables.b")},
            ["undeclared reference to 'b' (in container '')", "undefined field 'b'"],
            id="a wrong variable may be anything",
        ),
        pytest.param(
            {"auditAnnotations": [{"key": "k", "valueExpression": "1"}]},
            ['valueExpression: Invalid value: "1": must evaluate to one of [string null_type] but got int'],
            id="audit",
        ),
        pytest.param(
            {"auditAnnotations": [{"key": "k", "valueExpression": "'" + "x" * 5120 + "'"}]},
            ["Required value: must not exceed 5120 bytes in length"],
            id="long audit",
        ),
        pytest.param(one(message="a\nb"), ['message: Invalid value: "a\\nb": must not contain line breaks']),
    ],
)
def test_validating(spec, faults):
    found = told(VALIDATING, spec)
    assert len(found) == len(faults)
    for fault, text in zip(found, faults, strict=True):
        assert text in fault


def mutation(kind, field, expression, **more):
    mutations = [{"patchType": kind, field: {"expression": expression}, **more}]
    return {"reinvocationPolicy": "Never", "mutations": mutations}


@pytest.mark.parametrize(
    ("spec", "faults"),
    [
        pytest.param(mutation("ApplyConfiguration", "applyConfiguration", "Object{a: Object.a{b: 1}}"), [], id="fine"),
        pytest.param(
            mutation("JSONPatch", "jsonPatch", "[1]"),
            ['Invalid value: "[1]": must evaluate to list(JSONPatch) but got list(int)'],
            id="type",
        ),
        pytest.param(
            mutation("JSONPatch", "jsonPatch", "[JSONPatch{op: 'add'}]", applyConfiguration={"expression": "Object{}"}),
            [
                'applyConfiguration: Invalid value: "{applyConfiguration}": '
                "must not be specified when patchType is JSONPatch"
            ],
            id="one of two",
        ),
        pytest.param(
            {
                **mutation("JSONPatch", "jsonPatch", "[JSONPatch{op: 'add'}]"),
                "matchConstraints": {"resourceRules": [{**RULES[0], "operations": ["DELETE"]}]},
            },
            ['Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"'],
            id="nothing to change in a deletion",
        ),
    ],
)
def test_mutating(spec, faults):
    found = told(MUTATING, spec)
    assert len(found) == len(faults)
    for fault, text in zip(found, faults, strict=True):
        assert text in fault


def test_conditions():
    errors = []
    condition(" !Bad_value! ", "p", errors)
    condition("request.operation == 'CREATE'", "p", errors)
    assert [error.message.startswith('Invalid value: "!Bad_value!": ' + SYNTAX) for error in errors] == [True]


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("device.capacity['a.b'].c.compareTo(quantity('1Gi')) >= 0", None),
        ("cel.bind(a, device.attributes['d'], a.x)", None),
        ("device.driver", "must evaluate to bool or the unknown type, not string"),
        ("device.name == 'x'", "undefined field 'name'"),
        ("device.attributes.all(a, " * 4 + "a == 'x'" + ")" * 4, "too complex"),
        ("true" + " " * 10240, "may not be more than 10240 bytes"),
    ],
)
def test_devices(source, fault):
    errors = []
    device_selectors([{"cel": {"expression": source}}], "spec.selectors", errors)
    assert (fault is None) == (not errors)
    assert not errors or fault in errors[0].message

"""Expressions of policies that do not fit what they are about. Texts were recorded from the reference."""

import pytest

from umiak.api.kind import Kind
from umiak.client.discovery import open_schema
from umiak.controllers.validatingadmissionpolicy_status import Named, kinds_of, needs_check, schema_of, warnings
from umiak.objects.cel.declared import of_schema
from umiak.objects.types import Object


def kind(group: str, version: str, name: str) -> Kind:
    plural = name.lower() + "s"
    return Kind(
        group=group,
        version=version,
        kind=name,
        plural=plural,
        singular=name.lower(),
        namespaced=True,
        verbs=(),
        load_schema=open_schema,
    )


SERVED = [kind("", "v1", "Pod"), kind("", "v1", "Event"), kind("events.k8s.io", "v1", "Event"), kind("a", "v1", "B")]


def policy(*validations: Object, groups=("a",), resources=("bs",), **spec: object) -> Object:
    rule = {"apiGroups": [*groups], "apiVersions": ["v1"], "resources": [*resources]}
    return {"spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": [*validations], **spec}}


@pytest.mark.parametrize(
    ("groups", "resources", "kinds"),
    [
        (["a"], ["bs"], [Named("a", "v1", "B")]),
        ([""], ["events", "pods/status"], [Named("", "v1", "Event"), Named("events.k8s.io", "v1", "Event")]),
        (["*"], ["pods"], []),
        ([""], ["*"], []),
        (["b"], ["bs"], []),
    ],
)
def test_kinds(groups, resources, kinds):
    assert kinds_of(policy(groups=groups, resources=resources), SERVED) == kinds


DOCUMENT = {
    "components": {
        "schemas": {
            "B": {
                "type": "object",
                "properties": {
                    "spec": {"allOf": [{"$ref": "#/components/schemas/Spec"}], "default": {}},
                    "port": {"format": "int-or-string", "type": "string"},
                },
                "x-kubernetes-group-version-kind": [{"group": "a", "version": "v1", "kind": "B"}],
            },
            "Spec": {
                "type": "object",
                "properties": {"size": {"type": "integer"}, "inner": {"$ref": "#/components/schemas/Spec"}},
            },
        }
    }
}
B = Named("a", "v1", "B")


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("object.spec.size > 1", ""),
        ("object.port == 1 || object.port == 'x'", ""),
        ("object.spec.inner == object.spec.inner", ""),
        ("object.spec.none == 1", "1:12: undefined field 'none'\n | object.spec.none == 1\n | ...........^"),
        ("variables.size == 'a'", "1:16: found no matching overload for '_==_' applied to '(int, string)'"),
        ("variables.spec.none == 1 && variables.bad", ""),
        ("authorizer.requestResource == 1", "failed resolution of 'kubernetes.authorization.Authorizer'"),
    ],
)
def test_warnings(source, fault):
    schema = schema_of(DOCUMENT, B)
    variables = [
        {"name": "size", "expression": "object.spec.size"},
        {"name": "spec", "expression": "object.spec"},
        {"name": "bad", "expression": "object.none"},
    ]
    checked = policy({"expression": source}, variables=variables)
    found = warnings(checked, [B], {B: of_schema(schema, "B0", is_root=True)})
    assert len(found) == bool(fault)
    for warning in found:
        assert warning["fieldRef"] == "spec.validations[0].expression"
        assert warning["warning"].startswith("a/v1, Kind=B: ERROR: ")
        assert fault in warning["warning"]


def test_what_is_not_served_has_no_schema():
    assert schema_of(DOCUMENT, Named("a", "v2", "B")) is None


@pytest.mark.parametrize(("observed", "needed"), [(0, True), (1, True), (2, False)])
def test_each_generation_is_checked_once(observed, needed):
    status = {"observedGeneration": observed} if observed else {}
    assert needs_check(None, {"metadata": {"generation": 2}, "status": status}) is needed

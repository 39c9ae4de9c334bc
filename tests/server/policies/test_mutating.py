"""MutatingAdmissionPolicies inside a server. What is said was recorded from the reference."""

import pytest


def apply(expression: str) -> dict:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def patch(expression: str) -> dict:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def spec(*mutations: dict, again: str = "Never", **more) -> dict:
    return {"reinvocationPolicy": again, "mutations": list(mutations), **more}


async def test_both_kinds_of_mutation_in_their_order(cluster):
    labels = "Object{metadata: Object.metadata{labels: {'a': request.operation}}}"
    path = "'/metadata/labels/' + jsonpatch.escapeKey('x/y')"
    key = f"[JSONPatch{{op: 'add', path: {path}, value: object.metadata.labels.a}}]"
    await cluster.enforce("mutating", spec(apply(labels), patch(key)))
    made = await cluster.make_map()
    assert made["metadata"]["labels"] == {"a": "CREATE", "x/y": "CREATE"}


async def test_a_failed_test_leaves_the_object_alone(cluster):
    await cluster.enforce("mutating", spec(patch("[JSONPatch{op: 'test', path: '/data', value: 'x'}]")))
    assert (await cluster.make_map(data={"a": "b"}))["data"] == {"a": "b"}


COUNT = "[JSONPatch{op: 'add', path: '/data/count', value: string(size(object.data))}]"


@pytest.mark.parametrize(("again", "count"), [("Never", "1"), ("IfNeeded", "2")])
async def test_eager_policies_are_asked_twice(cluster, again, count):
    """What the policy itself changed counts, as in the reference."""
    await cluster.enforce("mutating", spec(patch(COUNT), again=again))
    assert (await cluster.make_map(data={"a": "b"}))["data"] == {"a": "b", "count": count}


@pytest.mark.parametrize(
    ("mutation", "told"),
    [
        pytest.param(
            apply("Object{metadata: Object.wrong{labels: {'a': 'b'}}}"),
            'type mismatch: unexpected type name "Object.wrong", expected "Object.metadata", '
            "which matches field name path from root Object type",
            id="misnamed",
        ),
        pytest.param(
            apply("Object{nothing: 1}"),
            "error applying patch: failed to convert patch object to typed object: "
            ".nothing: field not declared in schema",
            id="unknown field",
        ),
        pytest.param(
            apply("Object{data: object.none}"),
            "expression 'Object{data: object.none}' resulted in error: no such key: none",
            id="error",
        ),
    ],
)
async def test_failures(cluster, mutation, told):
    await cluster.enforce("mutating", spec(mutation))
    answer = await cluster.make_map(status=403)
    assert answer["message"] == f"policy 'p' with binding 'p' denied request: {told}"
    assert (answer["reason"], answer["details"]["causes"]) == ("Invalid", [{"message": answer["message"]}])


async def test_ignored_failures(cluster):
    await cluster.enforce("mutating", spec(apply("Object{nothing: 1}"), failurePolicy="Ignore"))
    await cluster.make_map()


async def test_conditions(cluster):
    conditions = [{"name": "c", "expression": "object.metadata.name == 'yes'"}]
    change = patch("[JSONPatch{op: 'add', path: '/data', value: {'a': 'b'}}]")
    await cluster.enforce("mutating", spec(change, matchConditions=conditions))
    assert "data" not in await cluster.make_map("no")
    assert (await cluster.make_map("yes"))["data"] == {"a": "b"}


async def test_another_version_of_the_object(cluster):
    """A policy for autoscaling/v1 sees, and changes, what was sent as v2."""
    rule = {
        "apiGroups": ["autoscaling"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["horizontalpodautoscalers"],
    }
    change = apply("Object{spec: Object.spec{targetCPUUtilizationPercentage: object.spec.maxReplicas}}")
    await cluster.enforce("mutating", spec(change, matchConstraints={"resourceRules": [rule]}))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    body = {"metadata": {"name": "h"}, "spec": {"maxReplicas": 7, "scaleTargetRef": target}}
    made = await cluster.post("/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", body)
    assert made["apiVersion"] == "autoscaling/v2"
    assert made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 7


async def test_parameters_of_built_in_kinds_come_without_their_kind(cluster):
    """In the reference they lie so in its cache; validating policies are given it, mutating ones are not."""
    await cluster.make_map("params")
    change = patch("[JSONPatch{op: 'add', path: '/data', value: {'kind': string(has(params.kind))}}]")
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    bound = {"paramRef": {"name": "params", "parameterNotFoundAction": "Deny"}}
    await cluster.enforce("mutating", spec(change, paramKind=kind), bound)
    assert (await cluster.make_map())["data"] == {"kind": "false"}

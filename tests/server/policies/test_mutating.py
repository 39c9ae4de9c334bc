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

"""What mutations make of an object, and which ones cannot be made."""

import pytest

from umiak.api.core.pod import KIND as POD
from umiak.objects.cel import uses
from umiak.objects.cel.environment import RUNTIME_BUDGET
from umiak.objects.cel.program import Budget
from umiak.server.policies.patches import Unusable, configured, patched

ABOUT = {"name": "p", "labels": {"a": "b"}}
LABELLED = {"apiVersion": "v1", "kind": "Pod", "metadata": ABOUT, "spec": {"containers": []}}


def value(expression: str):
    return uses.admission(mutating=True).compile(expression).evaluate({}, Budget(RUNTIME_BUDGET))


def test_lists_are_merged_by_their_keys():
    pod = {**LABELLED, "spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}
    container = "Object.spec.containers{name: 'b', image: 'z'}"
    made = configured(POD, pod, value(f"Object{{spec: Object.spec{{containers: [{container}]}}}}"))
    assert made["spec"]["containers"] == [{"name": "a", "image": "x"}, {"name": "b", "image": "z"}]
    assert pod["spec"]["containers"][1]["image"] == "y"


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("Object{spec: Object.status{}}", 'unexpected type name "Object.status", expected "Object.spec"'),
        ("Object{spec: Object.spec{nodeSelector: {'a': 'b'}}}", "atomic arrays, maps or structs: .spec.nodeSelector"),
        ("Object{spec: Object.spec{hostNetwork: 'x'}}", ".spec.hostNetwork: expected boolean, got &{x}"),
        ("Object{metadata: Object.metadata{labels: null}}", ".metadata.labels: expected map, got &{NULL_VALUE}"),
    ],
)
def test_configurations_that_cannot_be_applied(expression, told):
    with pytest.raises(Unusable) as error:
        configured(POD, LABELLED, value(expression))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("operations", "labels"),
    [
        ("[JSONPatch{op: 'add', path: '/metadata/labels/c', value: 'd'}]", {"a": "b", "c": "d"}),
        ("[JSONPatch{op: 'move', from: '/metadata/labels/a', path: '/metadata/labels/c'}]", {"c": "b"}),
        ("[JSONPatch{op: 'replace', path: '/metadata/labels', value: Object.any{x: 'y'}}]", {"x": "y"}),
        ("[JSONPatch{op: 'replace', path: '/metadata/labels', value: {'n': dyn(9007199254740993), 'f': dyn(2.0)}}]",
         {"n": "9007199254740993", "f": 2}),
        ("[JSONPatch{op: 'remove', path: '/metadata/labels/a'}, JSONPatch{op: 'test', path: '/kind', value: 'x'}]",
         {"a": "b"}),
    ],
)  # fmt: skip
def test_json_patches(operations, labels):
    assert patched(LABELLED, value(operations))["metadata"]["labels"] == labels
    assert LABELLED["metadata"]["labels"] == {"a": "b"}


def test_json_patches_fail_as_a_whole():
    head = "JSON Patch: error in remove for path: '/metadata/labels/z'"
    with pytest.raises(Unusable) as error:
        patched(LABELLED, value("[JSONPatch{op: 'remove', path: '/metadata/labels/z'}]"))
    assert str(error.value) == f"{head}: Unable to remove nonexistent key: z: missing value"

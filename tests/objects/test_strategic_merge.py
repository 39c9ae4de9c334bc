"""Strategic merge patches on built-in kinds; cases follow the rules of upstream's strategicpatch."""

import pytest

from umiak.api import compiled
from umiak.objects.encoding import copy
from umiak.objects.strategic_merge import PatchError, apply


@pytest.fixture(scope="module")
def pod():
    return compiled.schema("v1", "Pod")


def containers(*images, **more):
    return {"spec": {"containers": [{"name": n, "image": i} for n, i in images], **more}}


@pytest.mark.parametrize(
    ("original", "patch", "merged"),
    [
        pytest.param({"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"b": "2", "a": None}}},
                     {"metadata": {"labels": {"b": "2"}}}, id="maps merge, nulls delete"),
        pytest.param(containers(("a", "1"), ("b", "1")), containers(("b", "2")),
                     containers(("a", "1"), ("b", "2")), id="keyed list merges"),
        pytest.param(containers(("a", "1")), containers(("b", "2")),
                     containers(("b", "2"), ("a", "1")), id="new elements come first"),
        pytest.param(containers(("a", "1"), ("b", "1")),
                     {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}},
                     containers(("b", "1")), id="element deleted"),
        pytest.param(containers(("a", "1"), ("b", "1")),
                     {"spec": {"containers": [{"$patch": "replace"}, {"name": "c", "image": "3"}]}},
                     containers(("c", "3")), id="list replaced"),
        pytest.param({"spec": {"nodeSelector": {"a": "b"}}}, {"spec": {"nodeSelector": {"$patch": "delete"}}},
                     {"spec": {"nodeSelector": {}}}, id="map emptied"),
        pytest.param({"spec": {"nodeSelector": {"a": "b"}}},
                     {"spec": {"nodeSelector": {"$patch": "replace", "c": "d"}}},
                     {"spec": {"nodeSelector": {"c": "d"}}}, id="map replaced"),
        pytest.param({"metadata": {"finalizers": ["a", "b", "c"]}},
                     {"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"]}},
                     {"metadata": {"finalizers": ["a", "c"]}}, id="delete from a list of texts"),
        pytest.param({"metadata": {"finalizers": ["a", "b"]}}, {"metadata": {"finalizers": ["c", "a"]}},
                     {"metadata": {"finalizers": ["c", "a", "b"]}}, id="lists of texts unite"),
        pytest.param(containers(("a", "1"), ("b", "1"), ("c", "1")),
                     {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
                               "containers": [{"name": "a", "image": "2"}]}},
                     containers(("b", "1"), ("c", "1"), ("a", "2")), id="order set"),
        pytest.param({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
                     {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"],
                                            "hostPath": {"path": "/"}}]}},
                     {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}, id="only named keys stay"),
        pytest.param({"spec": {"tolerations": [{"key": "a"}]}}, {"spec": {"tolerations": [{"key": "b"}]}},
                     {"spec": {"tolerations": [{"key": "b"}]}}, id="atomic list replaced"),
        pytest.param({}, {"spec": {"containers": [{"name": "a", "env": None}, {"name": "x", "$patch": "delete"}]}},
                     {"spec": {"containers": [{"name": "a"}]}}, id="what is new comes without nulls and directives"),
    ],
)  # fmt: skip
def test_merges(pod, original, patch, merged):
    assert apply(copy(original), copy(patch), pod) == merged


@pytest.mark.parametrize(
    ("original", "patch", "code", "message"),
    [
        (containers(("a", "1")), {"spec": {"containers": [{"image": "2"}]}}, 500,
         "map: map[image:2] does not contain declared merge key: name"),
        (containers(("a", "1")), {"spec": {"containers": [{"$patch": "twist", "name": "a"}]}}, 500,
         "unknown patch type: twist in map: map[$patch:twist name:a]"),
        ({"spec": {}}, {"spec": {"$patch": "twist"}}, 500, "unknown patch type: twist in map: map[$patch:twist]"),
        ({}, {"metadata": {"a": "b"}, "$retainKeys": ["spec"]}, 400, "invalid patch format of retainKeys"),
        ({"metadata": {"finalizers": ["a"]}}, {"metadata": {"$deleteFromPrimitiveList": ["a"]}}, 400,
         "invalid patch format of primitive list"),
        ({"spec": {"colours": {"a": {}}}}, {"spec": {"colours": {"b": {}}}}, 500,
         'unable to find api field in struct PodSpec for the json field "colours"'),
        ({"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": [1]}}, 500,
         "list element types are not identical: [[a] [1]]"),
        (containers(("a", "1"), ("b", "1")),
         {"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "b"}]}}, 500,
         "The order in patch list:\n[map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n"),
    ],
)  # fmt: skip
def test_faults(pod, original, patch, code, message):
    with pytest.raises(PatchError) as error:
        apply(copy(original), copy(patch), pod)
    assert (error.value.code, str(error.value)) == (code, message)

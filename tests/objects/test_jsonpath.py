"""Paths of printer columns, as client-go reads them."""

import pytest

from umiak.objects.jsonpath import InvalidPath, NotFound, Path, shown

OBJ = {
    "spec": {"ports": [{"n": 1, "name": "a"}, {"n": 2, "name": "b"}], "a.b": 3, "none": None},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.ports[0].name", ["a"]),
        (".spec.ports[-1].n", [2]),
        (".spec.ports[*].n", [1, 2]),
        (".spec.ports[0:1].n", [1]),
        (".spec.ports[0:2:2].n", [1]),
        (".spec.ports[-1:].n", [2]),
        (".spec.ports[:-1].n", [1]),
        (".spec.ports[2:].n", []),
        (".spec.ports[7:7].n", []),
        (".spec.ports[1:1:0].n", []),
        (".spec.none[0:1]", []),
        (".spec.ports[0,1].name", ["a", "b"]),
        (".spec['a.b']", [3]),
        (r".spec.a\.b", [3]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type=='None')].status", []),
        (".spec.ports[?(@.n>=2)].name", ["b"]),
        (".spec.ports[?(@.name)].n", [1, 2]),
        ("..name", ["a", "b"]),
        (".nothing.here[0]", []),
        (".spec.none", [None]),
    ],
)
def test_find(path, found):
    assert Path(path).find(OBJ) == found


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (".spec.ports[5]", "array index out of bounds: index 5, length 2"),
        (".spec[0]", "is not array or slice"),
        (".spec[0:1]", "is not array or slice"),
        (".spec.ports[3:]", "array index out of bounds: index 3, length 2"),
        (".spec.ports[0:3]", "array index out of bounds: index 2, length 2"),
        (".spec.ports[1:0]", "starting index 1 is greater than ending index 0"),
        (".spec.ports[0:2:0]", "step must be > 0"),
        (".spec.ports[0:2:-1]", "step must be > 0"),
    ],
)
def test_what_is_not_in_a_list(path, why):
    """`evalArray` of client-go's jsonpath."""
    with pytest.raises(NotFound, match=why):
        Path(path).find(OBJ)


@pytest.mark.parametrize("path", [".spec[", ".a[x]", ".a[?(b==1)]"])
def test_no_paths(path):
    with pytest.raises(InvalidPath):
        Path(path)


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (True, "true"), (None, "<no value>"), (1.0, "1"), ({"b": 1, "a": [2]}, '{"a":[2],"b":1}')],
)
def test_shown(value, text):
    assert shown(value) == text

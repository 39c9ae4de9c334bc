"""Hashes of contents: stable, and in the alphabet of Kubernetes."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umiak.controllers import _hash, statefulset
from umiak.objects.types import Object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(("data", "value"), [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968)])
def test_fnv32a(data: bytes, value: int) -> None:
    """The published test vectors of FNV-1a."""
    assert _hash.fnv32a(data) == value


@pytest.mark.parametrize(("data", "value"), [(b"a", 0x050C5D7E), (b"foobar", 0x31F0B262)])
def test_fnv32(data: bytes, value: int) -> None:
    assert _hash.fnv32(data) == value


def test_safe_encode() -> None:
    """As apimachinery's rand.SafeEncodeString."""
    assert _hash.safe_encode("1234567890") == "56789bcdf4"


@settings(max_examples=40)
@given(JSON)
def test_the_same_content_in_another_order(content: object) -> None:
    def turned(value: object) -> object:
        if isinstance(value, dict):
            return {k: turned(v) for k, v in reversed(list(value.items()))}
        return [turned(v) for v in value] if isinstance(value, list) else value

    assert _hash.same(content, turned(content))


HASHED = json.loads(Path(__file__).with_name("hashed_templates.json").read_text())


@pytest.mark.parametrize(("template", "hashed"), HASHED, ids=[hashed for _, hashed in HASHED])
def test_templates_have_the_hashes_of_the_reference(template: Object, hashed: str) -> None:
    """Made by apimachinery v0.37.1 (`dump.ForHash`); the first is the one of a ReplicaSet of the reference."""
    assert _hash.template_hash(template) == hashed


def test_collisions_give_other_names() -> None:
    names = {_hash.template_hash({}, n) for n in (None, 0, 1, 2)}
    assert len(names) == 4


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ({"labels": {}}, {}, True),
        ({"args": []}, {}, True),
        ({"x": None}, {}, True),
        ({"emptyDir": {}}, {}, False),
        ({"labelSelector": {}}, {}, False),
    ],
)
def test_what_means_the_same(a: object, b: object, same: bool) -> None:
    assert _hash.same(a, b) is same


def test_go_writes_json_for_html() -> None:
    assert _hash.go_json({"b": "<a & b>", "a": "\u2028"}) == rb'{"a":"\u2028","b":"\u003ca \u0026 b\u003e"}'


def test_revisions_of_stateful_sets_are_named_as_the_reference_names_them() -> None:
    """Recorded from kube-controller-manager 1.37.1."""
    container = {"image": "i", "imagePullPolicy": "Always", "name": "c", "resources": {}}
    container |= {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
    spec = {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": "Always"}
    spec |= {"schedulerName": "default-scheduler", "securityContext": {}, "terminationGracePeriodSeconds": 30}
    template = {"$patch": "replace", "metadata": {"labels": {"app": "a"}}, "spec": spec}
    assert statefulset.revision_hash({"spec": {"template": template}}, 0) == "5c687f844d"

"""How schemas say that values are merged."""

import pytest

from umiak.api import registry
from umiak.api.schema import Schema
from umiak.objects.shapes import DEDUCED, UNTYPED, Mismatch, element_of

POD = registry.find("v1", "Pod").schema.shape
SPEC = POD.part("spec")


def at(*names):
    shape = POD
    for name in names:
        shape = shape.item if name == "*" else shape.part(name)
    return shape


@pytest.mark.parametrize(
    ("path", "atomic", "keys"),
    [
        (("spec", "containers"), False, ("name",)),
        (("spec", "containers", "*", "ports"), False, ("containerPort", "protocol")),
        (("spec", "containers", "*", "args"), True, ()),
        (("spec", "tolerations"), True, ()),
        (("metadata", "finalizers"), False, ()),
        (("metadata", "ownerReferences"), False, ("uid",)),
    ],
)
def test_lists(path, atomic, keys):
    shape = at(*path)
    assert (shape.atomic_list, shape.keys) == (atomic, keys)


@pytest.mark.parametrize(
    ("path", "atomic"),
    [(("metadata", "labels"), False), (("spec", "nodeSelector"), True), (("spec", "securityContext"), False)],
)
def test_maps(path, atomic):
    assert at(*path).atomic_map is atomic


def test_a_patch_strategy_counts_where_no_list_type_is_given():
    node = Schema("list")
    node.items = Schema("object")
    node.patch_strategy, node.patch_merge_key = "merge", "name"
    assert (node.shape.atomic_list, node.shape.keys) == (False, ("name",))


def test_objects_without_fields_and_those_that_preserve_others():
    bare, open_ = Schema("object"), Schema("object")
    open_.properties, open_.values = {"a": Schema("string")}, Schema("any")
    closed = Schema("object")
    closed.properties = {"a": Schema("string")}
    assert [node.shape.part("x") for node in (bare, open_, closed)] == [DEDUCED, DEDUCED, None]


def test_types_that_contain_themselves():
    schema = registry.find("apiextensions.k8s.io/v1", "CustomResourceDefinition").schema
    node = schema.shape.part("spec").part("versions").item.part("schema").part("openAPIV3Schema")
    inner = node.part("properties").value
    assert inner.part("properties").value.part("type").scalar == "string"


@pytest.mark.parametrize(
    ("item", "wanted"),
    [
        ({"containerPort": 80}, 'k:{"containerPort":80,"protocol":"TCP"}'),
        ({"protocol": "UDP", "containerPort": 80}, 'k:{"containerPort":80,"protocol":"UDP"}'),
        ({"name": "x"}, None),
    ],
)
def test_element_of_ports(item, wanted):
    ports = at("spec", "containers", "*", "ports")
    if wanted is None:
        ports.key_defaults, before = dict.fromkeys(ports.key_defaults), ports.key_defaults
        with pytest.raises(Mismatch, match="omits all key fields"):
            element_of(ports, item)
        ports.key_defaults = before
    else:
        assert element_of(ports, item) == wanted


@pytest.mark.parametrize("item", [None, {"a": 1}, ["b"]])
def test_what_cannot_be_in_a_set(item):
    with pytest.raises(Mismatch):
        element_of(at("metadata", "finalizers"), item)


def test_anything():
    assert (UNTYPED.is_leaf, DEDUCED.is_leaf, DEDUCED.is_open) == (True, False, True)

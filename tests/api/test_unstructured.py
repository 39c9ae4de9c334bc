"""Merged data becomes an object as in apimachinery's unstructured converter."""

import pytest

from umiak.api import compiled
from umiak.api.schema import Schema
from umiak.api.unstructured import Unconvertible, convert

POD = compiled.schema("v1", "Pod")


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        ({"nodeName": 5}, "cannot convert int64 to string"),
        ({"dnsPolicy": 5}, "cannot convert int64 to v1.DNSPolicy"),
        ({"nodeName": True}, "unrecognized type: string"),
        ({"hostNetwork": "yes"}, "unrecognized type: bool"),
        ({"priority": "high"}, "unrecognized type: int32"),
        ({"priority": 1.5}, "cannot convert float64 to int32"),
        ({"containers": {}}, "cannot restore slice from map"),
        ({"nodeSelector": ["a"]}, "cannot restore map from slice"),
        ({"securityContext": "x"}, "cannot restore struct from: string"),
        ({"overhead": {"cpu": "x"}}, "quantities must match the regular expression"),
    ],
)
def test_faults(spec, fault):
    with pytest.raises(Unconvertible) as error:
        convert(POD, {"spec": spec})
    assert str(error.value).startswith(fault)


def test_numbers_are_bent():
    obj, _ = convert(POD, {"spec": {"priority": 2**32 + 7, "terminationGracePeriodSeconds": 3.0}})
    assert (obj["spec"]["priority"], obj["spec"]["terminationGracePeriodSeconds"]) == (7, 3)


def test_unknown_fields_come_sorted():
    _, faults = convert(POD, {"spec": {"zig": 1, "containers": [{"name": "c", "nope": 1}]}, "a": 1})
    assert faults == [
        'unknown field "a"',
        'unknown field "spec.containers[0].nope"',
        'unknown field "spec.zig"',
    ]


def test_a_schema_made_by_hand():
    node = Schema("object")
    assert (node.properties, node.always) == ({}, [])

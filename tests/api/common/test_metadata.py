"""Metadata of new and of changed objects."""

import pytest

from umiak.api.common.metadata import label, validate_metadata, validate_metadata_update


def paths(errors):
    return [e.path for e in errors]


@pytest.mark.parametrize(
    ("metadata", "wrong"),
    [
        ({"name": "a", "namespace": "n"}, []),
        ({"namespace": "n"}, ["metadata.name"]),
        ({"name": "A", "namespace": "n"}, ["metadata.name"]),
        ({"name": "a"}, ["metadata.namespace"]),
        ({"name": "a", "namespace": "n", "labels": {"-": "-"}}, ["metadata.labels", "metadata.labels"]),
        ({"name": "a", "namespace": "n", "finalizers": ["bare"]}, ["metadata.finalizers[0]"]),
        ({"name": "a", "namespace": "n", "finalizers": ["kubernetes", "example.com/x"]}, []),
        ({"name": "a-x", "generateName": "a-", "namespace": "n"}, []),
    ],
)
def test_validate_metadata(metadata, wrong):
    assert paths(validate_metadata({"metadata": metadata}, namespaced=True)) == wrong


def test_name_check_is_the_kinds():
    assert paths(validate_metadata({"metadata": {"name": "a.b"}}, False, label)) == ["metadata.name"]


def test_cluster_wide_kinds_have_no_namespace():
    assert paths(validate_metadata({"metadata": {"name": "a", "namespace": "n"}}, False)) == ["metadata.namespace"]


def test_update_keeps_identity():
    old = {"metadata": {"name": "a", "uid": "1", "resourceVersion": "1"}}
    new = {"metadata": {"name": "a", "uid": "2"}}
    assert paths(validate_metadata_update(new, old)) == ["metadata.resourceVersion", "metadata.uid"]


def test_no_new_finalizers_while_being_deleted():
    old = {"metadata": {"deletionTimestamp": "t", "finalizers": ["a.b/c"], "resourceVersion": "1"}}
    new = {"metadata": {"deletionTimestamp": "t", "finalizers": ["a.b/c", "a.b/d"], "resourceVersion": "1"}}
    (error,) = validate_metadata_update(new, old)
    assert error.message.endswith('found new finalizers []string{"a.b/d"}')

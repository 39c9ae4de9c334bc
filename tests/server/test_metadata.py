"""What the server does with metadata (apimachinery's objectmeta_test.go)."""

import random
import uuid

import pytest

from umiak.api.core.configmap import KIND as CONFIG_MAP
from umiak.api.core.node import KIND as NODE
from umiak.objects.errors import StatusError
from umiak.server import metadata
from umiak.testing.clock import NOON

GOOD = {"name": "a", "namespace": "n"}


@pytest.mark.parametrize(
    ("about", "paths"),
    [
        pytest.param(GOOD, [], id="good"),
        pytest.param({"namespace": "n"}, ["metadata.name"], id="no name"),
        pytest.param({"name": "A", "namespace": "n"}, ["metadata.name"], id="upper case"),
        pytest.param({"name": "a"}, ["metadata.namespace"], id="no namespace"),
        pytest.param({**GOOD, "labels": {"a/b/c": "x y"}}, ["metadata.labels"] * 2, id="labels"),
        pytest.param({**GOOD, "annotations": {"_": ""}}, ["metadata.annotations"], id="annotation"),
        pytest.param({**GOOD, "annotations": {"a": "x" * 262144}}, ["metadata.annotations"], id="too much"),
        pytest.param({**GOOD, "finalizers": ["wash"]}, ["metadata.finalizers[0]"], id="finalizer without domain"),
        pytest.param({**GOOD, "finalizers": ["orphan", "foregroundDeletion"]}, ["metadata.finalizers"], id="both"),
        pytest.param(
            {**GOOD, "ownerReferences": [{"apiVersion": "v1", "kind": "Event", "name": "e", "uid": "u"}]},
            ["metadata.ownerReferences[0]"],
            id="owned by an event",
        ),
        pytest.param({**GOOD, "generation": -1}, ["metadata.generation"], id="negative generation"),
    ],
)
def test_faults_of_new(about, paths):
    assert [fault.path for fault in metadata.faults_of_new(CONFIG_MAP, about)] == paths


def test_cluster_kinds_have_no_namespace():
    [fault] = metadata.faults_of_new(NODE, GOOD)
    assert str(fault) == "metadata.namespace: Forbidden: not allowed on this type"


OLD = {**GOOD, "uid": "u", "resourceVersion": "5", "creationTimestamp": "2031-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({}, []),
        ({"uid": "v"}, ["metadata.uid"]),
        ({"name": "b"}, ["metadata.name"]),
        ({"resourceVersion": ""}, ["metadata.resourceVersion"]),
        ({"creationTimestamp": "2032-01-01T00:00:00Z"}, ["metadata.creationTimestamp"]),
        ({"finalizers": ["x.example/y"]}, []),
    ],
)
def test_faults_of_update(change, paths):
    assert [fault.path for fault in metadata.faults_of_update(CONFIG_MAP, {**OLD, **change}, OLD)] == paths


def test_no_new_finalizers_on_the_way_out():
    old = {**OLD, "deletionTimestamp": "2031-01-01T00:00:00Z", "finalizers": ["a.example/a"]}
    [fault] = metadata.faults_of_update(CONFIG_MAP, {**old, "finalizers": ["a.example/a", "b.example/b"]}, old)
    assert fault.message.endswith('found new finalizers []string{"b.example/b"}')


def test_namespace_follows_the_request():
    about = {"name": "a"}
    metadata.ensure_namespace(about, "n")
    assert about["namespace"] == "n"
    metadata.ensure_namespace(about, "")
    assert "namespace" not in about
    with pytest.raises(StatusError) as refused:
        metadata.ensure_namespace({"namespace": "m"}, "n")
    assert refused.value.code == 400


def test_filled_in_metadata():
    about = {}
    metadata.fill(about, NOON, random.Random(1))
    assert uuid.UUID(about["uid"]).version == 4
    assert str(uuid.UUID(about["uid"])) == about["uid"]


def test_generated_names_stay_short():
    name = metadata.generated_name("a" * 80 + "-", random.Random(1))
    assert len(name) == 63
    assert set(name[58:]) <= set(metadata.ALPHABET)


def test_repeated_owners_are_dropped_with_a_warning():
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u1"}
    about = {"ownerReferences": [owner, dict(owner)]}
    [text] = metadata.without_duplicate_owners(about, after_admission=False)
    assert text.endswith("duplicate UID(s) observed: u1")
    assert about["ownerReferences"] == [owner]


def test_bytes_begin_with_kind_and_version():
    obj = metadata.ordered({"data": {}, "metadata": {"labels": {}, "name": "a"}}, CONFIG_MAP)
    assert list(obj) == ["kind", "apiVersion", "metadata", "data"]
    assert list(obj["metadata"]) == ["name", "labels"]

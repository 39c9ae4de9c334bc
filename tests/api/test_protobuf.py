"""Objects as protobuf: the fixtures of the k8s.io/api module, and what bad bytes get."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umiak.api import protobuf

POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "p", "labels": {"b": "2", "a": "1"}, "creationTimestamp": "2026-03-01T12:00:00Z"},
    "spec": {
        "volumes": [{"name": "v", "configMap": {"name": "c", "items": [{"key": "k", "path": "p", "mode": 420}]}}],
        "containers": [
            {
                "name": "c",
                "image": "i",
                "ports": [{"containerPort": 80}],
                "resources": {"limits": {"memory": "64Mi"}},
                "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": -1},
            }
        ],
    },
    "status": {},
}


def without_empty(value):
    """Protobuf carries what Go keeps by value even when it is empty."""
    if isinstance(value, dict):
        return {k: w for k, v in value.items() if (w := without_empty(v)) not in ({}, [], "", None, 0, False)}
    return [without_empty(v) for v in value] if isinstance(value, list) else value


def test_there_and_back():
    assert without_empty(protobuf.decode(protobuf.encode(POD))) == without_empty(POD)


def test_fields_that_go_embeds_are_flat_in_json():
    assert protobuf.decode(protobuf.encode(POD))["spec"]["volumes"][0]["configMap"]["name"] == "c"


@pytest.mark.parametrize("value", [0, 7, -7, "http"])
def test_int_or_string(value):
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 1, "targetPort": value}]}}
    assert protobuf.decode(protobuf.encode(service))["spec"]["ports"][0]["targetPort"] == value


def test_kinds_without_a_message():
    assert protobuf.message_of("example.com/v1", "Widget") == ""
    with pytest.raises(KeyError):
        protobuf.encode({"apiVersion": "example.com/v1", "kind": "Widget"})


@pytest.mark.parametrize(
    "data", [b"", b"json?", protobuf.MAGIC + b"\x0a\xff", protobuf.encode(POD)[:-20], protobuf.MAGIC + b"\x0b\x01"]
)
def test_malformed(data):
    with pytest.raises(protobuf.Malformed):
        protobuf.decode(data)


@given(data=st.binary(max_size=300), at=st.integers(0, 200))
def test_no_bytes_crash_it(data, at):
    good = protobuf.encode(POD)
    try:
        protobuf.decode(good[:at] + data)
    except protobuf.Malformed:
        return


def fixtures() -> list[Path]:
    """The module's own test data, where Go has it."""
    if shutil.which("go") is None:
        return []
    cache = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=False).stdout.strip()
    return sorted(Path(cache).glob("k8s.io/api@v0.37.1/testdata/HEAD/*.pb"))


@pytest.mark.shared
def test_fixtures_of_the_api_module_to_the_byte():
    compared = 0
    for path in fixtures():
        want = json.loads(path.with_suffix(".json").read_text())
        if protobuf.message_of(want.get("apiVersion", ""), want.get("kind", "")):
            assert protobuf.encode(want) == path.read_bytes(), path.name
            assert protobuf.encode(protobuf.decode(path.read_bytes())) == path.read_bytes(), path.name
            compared += 1
    if not compared:
        pytest.skip("the module k8s.io/api is not in Go's module cache")

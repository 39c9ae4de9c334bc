"""Fields in the order of Go's structs."""

import json

import pytest

from umiak.api import go_order, registry

PORT = {"protocol": "TCP", "containerPort": 80}
CONTAINER = {
    "imagePullPolicy": "Always",
    "terminationMessagePolicy": "File",
    "ports": [PORT],
    "image": "x",
    "name": "c",
}
CLAIM = {"spec": {}, "apiVersion": "v1", "metadata": {}, "kind": "PersistentVolumeClaim"}


@pytest.mark.parametrize(
    ("kind", "obj", "ordered"),
    [
        (("v1", "ConfigMap"), {"data": {"b": "1", "a": "2"}, "kind": "x"}, '{"kind":"x","data":{"a":"2","b":"1"}}'),
        (
            ("v1", "Pod"),
            {"spec": {"containers": [CONTAINER]}},
            '{"spec":{"containers":[{"name":"c","image":"x","ports":[{"containerPort":80,"protocol":"TCP"}],'
            '"terminationMessagePolicy":"File","imagePullPolicy":"Always"}]}}',
        ),
        (
            ("apps/v1", "StatefulSet"),
            {"spec": {"volumeClaimTemplates": [CLAIM], "replicas": 1}},
            '{"spec":{"replicas":1,"volumeClaimTemplates":[{"kind":"PersistentVolumeClaim","apiVersion":"v1",'
            '"metadata":{},"spec":{}}]}}',
        ),
        (("v1", "ConfigMap"), {"odd": 1, "data": ["no map"]}, '{"data":["no map"],"odd":1}'),
    ],
)
def test_order(kind, obj, ordered):
    found = go_order.of_kind(registry.find(*kind), obj)
    assert json.dumps(found, separators=(",", ":")) == ordered

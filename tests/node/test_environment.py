"""A container's variables."""

import base64

import pytest

from umiak.node.downward import Place, Unanswerable, field_value, resource_value
from umiak.node.environment import Sources, referenced, variables
from umiak.node.expand import expand, from_maps

POD = {
    "metadata": {"name": "p", "namespace": "d", "uid": "u", "labels": {"b": "2", "a": 'x"'}, "annotations": {"k": "v"}},
    "spec": {"nodeName": "n", "serviceAccountName": "robot", "enableServiceLinks": True},
}
CM = {"data": {"k": "v", "other": "o"}}
SECRET = {"data": {"password": base64.b64encode(b"hush").decode()}}


def values(container, pod=POD, services=(), **objects):
    kinds = {"cm": ("ConfigMap", "cm"), "secret": ("Secret", "secret")}
    return variables(
        pod, container, Sources({kinds[k]: v for k, v in objects.items()}, services, Place(("1.1.1.1",), ("10.0.0.1",)))
    )


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$(B)", "$(B)"),
        ("x$(A)y$(A)", "x1y1"),
        ("$A $", "$A $"),
        ("$(A", "$(A"),
        ("$$$(A)", "$1"),
        ("$()", "$()"),
    ],
)
def test_expand(text, result):
    assert expand(text, from_maps({"A": "1"})) == result


def test_env_overrides_env_from_and_refers_to_what_came_before():
    container = {
        "envFrom": [{"configMapRef": {"name": "cm"}, "prefix": "P_"}, {"secretRef": {"name": "secret"}}],
        "env": [
            {"name": "P_k", "value": "new"},
            {"name": "X", "value": "$(P_k)-$(password)-$(LATER)"},
            {"name": "LATER", "value": "l"},
        ],
    }
    assert referenced(container) == {("ConfigMap", "cm"), ("Secret", "secret")}
    found = values(container, cm=CM, secret=SECRET)
    assert found == {"P_k": "new", "P_other": "o", "password": "hush", "X": "new-hush-$(LATER)", "LATER": "l"}


def test_keys():
    ref = {"name": "X", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k"}}}
    assert values({"env": [ref]}, cm=CM) == {"X": "v"}
    with pytest.raises(Unanswerable, match='configmap "cm" not found'):
        values({"env": [ref]}, cm=None)
    missing = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "no"}}}
    with pytest.raises(Unanswerable, match="couldn't find key no in Secret d/secret"):
        values({"env": [missing]}, secret=SECRET)
    missing["valueFrom"]["secretKeyRef"]["optional"] = True
    assert values({"env": [missing]}, secret=SECRET) == {}
    assert values({"env": [missing]}, secret=None) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.labels", 'a="x\\""\nb="2"'),
        ("metadata.labels['b']", "2"),
        ("metadata.annotations['none']", ""),
        ("spec.nodeName", "n"),
        ("spec.serviceAccountName", "robot"),
        ("status.hostIP", "1.1.1.1"),
        ("status.podIPs", "10.0.0.1"),
    ],
)
def test_field_refs(path, value):
    assert field_value(POD, path, Place(("1.1.1.1",), ("10.0.0.1",))) == value


def test_unknown_field():
    with pytest.raises(Unanswerable, match=r"unsupported fieldPath: spec\.x"):
        field_value(POD, "spec.x", Place())


@pytest.mark.parametrize(
    ("ref", "value"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "requests.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "limits.memory", "divisor": "1Gi"}, "8"),
        ({"resource": "requests.cpu"}, "0"),
    ],
)
def test_resource_refs(ref, value):
    """A missing limit is what the node has."""
    container = {"resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}}}
    assert resource_value(POD, container, ref, Place(allocatable={"memory": "8Gi"})) == value


def a_service(called, namespace, ip, **port):
    spec = {"clusterIP": ip, "ports": [{"port": 80, "protocol": "TCP", **port}]}
    return {"metadata": {"name": called, "namespace": namespace}, "spec": spec}


def test_service_links():
    services = [
        a_service("my-db", "d", "10.96.0.5", name="sql"),
        a_service("headless", "d", "None"),
        a_service("elsewhere", "x", "10.96.0.6"),
        a_service("kubernetes", "default", "10.96.0.1"),
    ]
    found = values({}, services=services)
    assert found["MY_DB_SERVICE_HOST"] == "10.96.0.5"
    assert found["MY_DB_SERVICE_PORT"] == found["MY_DB_SERVICE_PORT_SQL"] == "80"
    assert found["MY_DB_PORT"] == found["MY_DB_PORT_80_TCP"] == "tcp://10.96.0.5:80"
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert not any(k.startswith(("HEADLESS", "ELSEWHERE")) for k in found)
    without = values({}, {**POD, "spec": {"enableServiceLinks": False}}, services)
    assert {k.split("_")[0] for k in without} == {"KUBERNETES"}

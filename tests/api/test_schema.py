"""Reading plain data as Go reads it into a struct and writes it back."""

import pytest

from umiak.api import compiled
from umiak.api.schema import decode
from umiak.objects.encoding import Doubled, copy, from_json
from umiak.objects.errors import StatusError


def read(kind, obj, api_version="v1"):
    return decode(compiled.schema(api_version, kind), copy(obj), kind, api_version.rpartition("/")[2])


def a_pod(**spec):
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}], **spec}}


@pytest.mark.parametrize(
    ("kind", "given", "written"),
    [
        pytest.param("ConfigMap", {}, {"metadata": {}}, id="metadata is always there"),
        pytest.param("ConfigMap", {"metadata": None, "data": None}, {"metadata": {}}, id="nulls go"),
        pytest.param("ConfigMap", {"metadata": {"creationTimestamp": None}, "data": {}, "immutable": False},
                     {"metadata": {}, "immutable": False}, id="a pointer keeps its zero"),
        pytest.param("ConfigMap", {"metadata": {"labels": {"a": None}}}, {"metadata": {"labels": {"a": ""}}},
                     id="null in a map is the zero value"),
        pytest.param("ConfigMap", {"metadata": {"deletionTimestamp": "2024-01-01T02:00:00.5+02:00"}},
                     {"metadata": {"deletionTimestamp": "2024-01-01T00:00:00Z"}}, id="times become UTC"),
        pytest.param("Secret", {"data": {"a": "YQ==", "b": "Y\nQ==", "c": "", "d": [97]}},
                     {"metadata": {}, "data": {"a": "YQ==", "b": "YQ==", "c": "", "d": "YQ=="}}, id="bytes"),
        pytest.param("Pod", {}, {"metadata": {}, "spec": {"containers": None}, "status": {}},
                     id="structs and required lists are written when empty"),
        pytest.param("Pod", a_pod(hostNetwork=False, nodeName="", containers=[{"name": "c", "args": []}, None]),
                     {"metadata": {"name": "p"}, "status": {},
                      "spec": {"containers": [{"name": "c", "resources": {}}, {"name": "", "resources": {}}]}},
                     id="omitempty"),
        pytest.param("LimitRange", {"spec": {"limits": [{"type": "Pod", "max": {"cpu": 0.5, "memory": "1024Mi"}}]}},
                     {"metadata": {}, "spec": {"limits": [{"type": "Pod", "max": {"cpu": "500m", "memory": "1Gi"}}]}},
                     id="quantities"),
        pytest.param("Service", {"spec": {"ports": [{"port": 80}, {"port": 81, "targetPort": "web"}]}},
                     {"metadata": {}, "status": {"loadBalancer": {}},
                      "spec": {"ports": [{"port": 80, "targetPort": 0}, {"port": 81, "targetPort": "web"}]}},
                     id="int or string"),
    ],
)  # fmt: skip
def test_round_trip(kind, given, written):
    obj, faults = read(kind, given)
    assert (obj, faults) == (written, [])
    assert read(kind, obj) == (written, [])


@pytest.mark.parametrize(
    ("kind", "given", "faults"),
    [
        ("ConfigMap", {"Data": {}}, ["Data"]),
        ("ConfigMap", {"metadata": {"colour": 1}, "extra": 1}, ["metadata.colour", "extra"]),
        ("Pod", {"spec": {"containers": [{"name": "a"}, {"imagee": "x"}]}}, ["spec.containers[1].imagee"]),
        ("Pod", {"spec": {"nodeSelector": {"a.b": "c"}, "volumes": [{"emptyDir": {"x": 1}}]}},
         ["spec.volumes[0].emptyDir.x"]),
    ],
)  # fmt: skip
def test_unknown_fields_are_dropped_and_told(kind, given, faults):
    obj, found = read(kind, given)
    assert found == [f'unknown field "{path}"' for path in faults]
    assert read(kind, obj)[1] == []


def test_repeated_keys_are_told_in_their_order():
    body = from_json(b'{"metadata":{"name":"e","name":"f"},"data":{"k":"1","k":"2"},"x":{}}')
    obj, faults = decode(compiled.schema("v1", "ConfigMap"), body)
    assert faults == ['duplicate field "metadata.name"', 'duplicate field "data.k"', 'unknown field "x"']
    assert obj == {"metadata": {"name": "f"}, "data": {"k": "2"}}
    assert not isinstance(obj["metadata"], Doubled)


@pytest.mark.parametrize(
    ("kind", "given", "fault"),
    [
        ("ConfigMap", {"data": {"n": 5}},
         "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        ("ConfigMap", {"metadata": ["a"]},
         "json: cannot unmarshal array into Go struct field ConfigMap.metadata of type v1.ObjectMeta"),
        ("Pod", a_pod(volumes=[{"hostPath": {"type": True}}]),
         "json: cannot unmarshal bool into Go struct field HostPathVolumeSource."
         "spec.volumes.VolumeSource.hostPath.type of type v1.HostPathType"),
        ("Pod", a_pod(priority=2**40),
         "json: cannot unmarshal number 1099511627776 into Go struct field PodSpec.spec.priority of type int32"),
        ("Pod", a_pod(priority=1.5),
         "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.priority of type int32"),
        ("Service", {"spec": {"ports": [{"targetPort": ["a"]}]}},
         "json: cannot unmarshal array into Go struct field ServicePort.spec.ports.targetPort of type int32"),
        ("Pod", {"metadata": {"deletionTimestamp": 7}},
         "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.deletionTimestamp of type string"),
        ("Secret", {"data": {"k": "***"}}, "illegal base64 data at input byte 0"),
        ("Secret", {"data": {"k": ["a"]}},
         "json: cannot unmarshal string into Go struct field Secret.data of type uint8"),
        ("Secret", {"type": 1, "metadata": {"deletionTimestamp": "x"}},
         'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
        ("Pod", a_pod(overhead={"cpu": "much"}),
         "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
    ],
)  # fmt: skip
def test_wrong_types_are_refused(kind, given, fault):
    with pytest.raises(StatusError) as error:
        read(kind, given)
    assert error.value.code == 400
    assert error.value.message == f'{kind} in version "v1" cannot be handled as a {kind}: {fault}'


def test_base64_faults_count_as_go_does():
    for text, at in (("YQ=", 3), ("YQ", 0), ("YQ==x", 4), ("Y===", 1), ("YQ=x", 2), ("YWJj\nZ*", 6), ("=", 0)):
        with pytest.raises(StatusError, match=f"illegal base64 data at input byte {at}$"):
            read("Secret", {"data": {"k": text}})


def test_schemas_inside_schemas_are_read_leniently():
    """apiextensions' unions use a decoder of their own, which tells no unknown fields."""
    inner = {"type": "object", "odd": 1, "additionalProperties": {"odd": 1, "items": [{"type": "string", "odd": 1}]}}
    props = {"type": "object", "properties": {"a": inner}, "x-kubernetes-preserve-unknown-fields": False}
    obj, faults = decode(
        compiled.definition("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"), copy(props)
    )
    assert faults == ['unknown field "properties.a.odd"']
    assert obj["properties"]["a"]["additionalProperties"] == {"items": [{"type": "string"}]}
    assert obj["x-kubernetes-preserve-unknown-fields"] is False


def test_endless_nesting_is_refused():
    deep = {}
    for _ in range(3000):
        deep = {"not": deep}
    node = compiled.definition("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
    with pytest.raises(StatusError):
        decode(node, deep)


def test_what_a_schema_knows():
    containers = compiled.schema("v1", "Pod").properties["spec"].properties["containers"]
    assert (containers.list_type, containers.list_keys, containers.patch_merge_key) == ("map", ("name",), "name")
    assert containers.items.required == ("name",)
    policy = containers.items.properties["imagePullPolicy"]
    assert (policy.enum, policy.go_type) == (("Always", "IfNotPresent", "Never"), "v1.PullPolicy")
    assert compiled.schema("v1", "Pod").properties["spec"].properties["tolerations"].list_type == "atomic"
    assert compiled.schema("apps/v1", "Deployment").properties["spec"].properties["selector"].map_type == "atomic"

"""Deployments: defaults, what is refused, tables."""

from umiak.api.registry import find
from umiak.api.schema import decode

KIND = find("apps/v1", "Deployment")


def a_deployment(**spec):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    body = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec}
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": body}
    obj, _ = decode(KIND.schema, obj)
    KIND.default(obj)
    KIND.prepare_create(obj)
    return obj


def faults(obj):
    return [(e.path, e.message) for e in KIND.validate(obj)]


def test_defaults():
    obj = a_deployment()
    spec = obj["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert obj["status"] == {}
    assert faults(obj) == []


def test_selector_must_match():
    message = 'Invalid value: {"a":"b"}: `selector` does not match template `labels`'
    found = faults(a_deployment(selector={"matchLabels": {"a": "c"}}))
    assert found == [("spec.template.metadata.labels", message)]


def test_something_must_move():
    strategy = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}
    message = 'Invalid value: "0%": may not be 0 when `maxSurge` is 0'
    assert faults(a_deployment(strategy=strategy)) == [("spec.strategy.rollingUpdate.maxUnavailable", message)]


def test_selector_is_for_ever():
    old, new = a_deployment(), a_deployment(selector={"matchLabels": {}, "matchExpressions": []})
    (error,) = KIND.validate_update(new, old)
    assert (error.path, error.message.rpartition(": ")[2]) == ("spec.selector", "field is immutable")


def test_table():
    obj = a_deployment(replicas=3)
    obj["status"] = {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}
    obj["metadata"]["creationTimestamp"] = "1970-01-01T00:00:00Z"
    row = [c.cell(obj, 60.0) for c in KIND.columns]
    assert row == ["d", "2/3", 3, 1, "60s", "c", "i", "a=b"]
